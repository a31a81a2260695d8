"""The API's description: for people on a page that loads nothing from elsewhere, for programs in full."""

import re
from typing import Any

import pytest

from tests.admin.conftest import Open
from tests.stage import Stage


def described(stage: Stage) -> dict[str, Any]:
    return stage.admin("/openapi.json").json


def test_the_page_loads_only_its_own_files_and_may_load_no_others(desk: Open) -> None:
    stage = desk()
    page = stage.admin("/docs")
    policy = dict(part.strip().split(" ", 1) for part in (page.get("content-security-policy") or "").split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    loaded = re.findall(rb'(?:src|href)="([^"]+)"', page.body)
    assert loaded == [b"/docs/swagger-ui.css", b"/openapi.json", b"/docs/swagger-ui-bundle.js", b"/docs/start.js"]
    assert b"<script>" not in page.body
    for path in loaded:
        assert stage.admin(path.decode()).status == 200
    assert (stage.admin("/docs/start.js").get("content-type") or "").startswith("text/javascript")


@pytest.mark.parametrize("name", ["README.md", "LICENSE", "..%2fswagger-ui.css", "x", "swagger"])
def test_nothing_else_of_its_folder_is_served(desk: Open, name: str) -> None:
    assert desk().admin(f"/docs/{name}").status in (400, 404)


def test_every_operation_has_a_name_and_tells_its_refusals_as_problems(desk: Open) -> None:
    document = described(desk())
    operations = {
        operation["operationId"]: operation for path in document["paths"].values() for operation in path.values()
    }
    verbs = {"releaseKey", "resolveKey", "forgetKey", "resealRecords"}
    assert set(operations) == {"listKeys", "getKey", "getStats"} | verbs
    for name, operation in operations.items():
        assert operation["summary"]
        told = {status: answer["content"] for status, answer in operation["responses"].items() if status > "299"}
        assert {"401", "403", "422", "500", "503"} <= set(told)
        assert ("409" in told) == (name in verbs)
        for content in told.values():
            assert content == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def test_every_reference_leads_somewhere(desk: Open) -> None:
    document = described(desk())
    for name in set(re.findall(r"#/components/schemas/(\w+)", str(document))):
        assert name in document["components"]["schemas"]
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_every_answer_forbids_browsers_to_guess_frame_and_keep(desk: Open) -> None:
    stage = desk()
    large = ("Content-Length", str(10**9))
    for heard in (
        stage.admin("/api/keys"),
        stage.admin("/api/nothing"),
        stage.admin("/healthz"),
        stage.admin("/api/keys/x/release", large, method="POST"),
    ):
        assert heard.get("x-content-type-options") == "nosniff"
        assert heard.get("cache-control") == "no-store"
        assert "frame-ancestors 'none'" in (heard.get("content-security-policy") or "")
