"""Where an answer's ``Location`` points when it comes back through the gateway."""

import pytest

from gateway.policies.policy import Policy
from gateway.policies.routing import Match, Route, Target
from gateway.proxying.forwarding import rewrite_location

ROUTE = Route(
    "pay",
    Match(path="/pay/", strip_prefix="/pay"),
    Target("http", "api.internal", 8000, base_path="/base"),
    Policy(namespace="pay"),
)


@pytest.mark.parametrize(
    ("there", "here"),
    [
        (b"http://api.internal:8000/base/x?y#z", b"https://gw/pay/x?y#z"),
        (b"HTTP://API.internal:8000/base/x", b"https://gw/pay/x"),
        (b"//api.internal:8000/base/x", b"https://gw/pay/x"),
        (b"http://api.internal:8000/base", b"https://gw/pay/"),
        (b"http://api.internal:8000/base?x", b"https://gw/pay/?x"),
        (b"http://api.internal:8000/base#x", b"https://gw/pay/#x"),
    ],
)
def test_a_url_at_the_upstream_leads_back_to_the_gateway(there: bytes, here: bytes) -> None:
    assert rewrite_location(there, ROUTE, b"https://gw") == here


@pytest.mark.parametrize(
    "there",
    [
        b"/base/x",
        b"x",
        b"https://api.internal:8000/base/x",
        b"http://api.internal/base/x",
        b"//elsewhere.example/base/x",
        b"http://api.internal:8000/basement",
        b"http://api.internal:8000/other",
        b"http://api.internal:port/base/x",
        b"http://api.internal:8000/base/\xe9",
    ],
)
def test_any_other_location_stays_as_it_is(there: bytes) -> None:
    assert rewrite_location(there, ROUTE, b"https://gw") == there
