"""Routes cover what the page for operators says that they cover."""

from pathlib import Path

import pytest

from tests.config.reading import loaded
from tests.docs.pages import block


@pytest.mark.parametrize(
    ("host", "path", "method", "route"),
    [
        ("pay.internal", "/v1/charges", "POST", "charges"),
        ("pay.internal:8080", "/v1/charges/ch_1", "POST", "charges"),
        ("pay.internal", "/v1/charges/", "POST", "charges"),
        ("pay.internal", "/v1/charges2", "POST", "rest"),
        ("pay.internal", "/V1/charges", "POST", "rest"),
        ("pay.internal", "/v1", "POST", "rest"),
        ("pay.internal", "/v1/charges", "GET", "rest"),
        ("other.internal", "/v1/charges", "POST", "rest"),
    ],
)
def test_the_first_route_that_covers_host_path_and_method_takes_the_call(
    tmp_path: Path, host: str, path: str, method: str, route: str
) -> None:
    found = loaded(tmp_path, block("config", "matching.yaml")).routes.find(host, path, method)
    assert found is not None
    assert found.name == route


def test_a_path_with_a_slash_at_its_end_covers_what_is_below_it_alone(tmp_path: Path) -> None:
    text = block("config", "matching.yaml").replace("path: /v1/charges,", "path: /v1/charges/,")
    routes = loaded(tmp_path, text).routes
    found = (routes.find("pay.internal", path, "POST") for path in ("/v1/charges", "/v1/charges/ch_1"))
    assert [route and route.name for route in found] == ["rest", "charges"]


def test_the_prefix_is_taken_off_before_the_path_goes_behind_the_upstreams(tmp_path: Path) -> None:
    charges, _ = loaded(tmp_path, block("config", "matching.yaml")).routes.routes
    assert charges.target.origin + charges.upstream_target("/v1/charges?x=1") == (
        "https://api.example.com/2026/charges?x=1"
    )
