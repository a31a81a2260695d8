"""``/openapi.json`` and ``/docs``: the API described for programs, and the same for people.

The page's files come with the package, so that it loads nothing from elsewhere, and its policy lets it do nothing else.
Knows how the document has to be mended for clients that are generated from it: every refusal is a problem.
"""

from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, Response
from fastapi.routing import APIRoute

from gateway.admin.problems import MEDIA_TYPE, ProblemDocument, Refused, not_found
from gateway.admin.sessions import COOKIE

FOLDER = Path(str(files("gateway.admin") / "static" / "swagger"))

# What the page loads, and nothing that merely lies beside it.
_FILES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css", "start.js": "text/javascript"}

# The library sets styles by attributes and has its icons inside its style sheet.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Idempotency Gateway: admin API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<main id="api"><noscript>The description is at <a href="/openapi.json">/openapi.json</a>.</noscript></main>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

_ABOUT = """Records of the gateway, and an operator's word on them.

`release` says "it was not executed": the next call with the key is sent. `resolve` says "this was the answer": it is
what later calls get. Both are for unknown records. `forget` erases an answer; the key is answered 410 from then on.
Each needs the `fence` of the record that was shown, and answers 409 when the record has moved on since.

`reseal` is for a rotation of `encryption.keys`: it seals by the first of them what lies under another one."""

# What each operation may answer beside its own, and when.
_READS = {
    "400": "The request cannot be read.",
    "401": "No token, or a wrong one.",
    "403": "Not allowed.",
    "414": "The URL is too long.",
    "422": "The input is wrong.",
    "431": "The header is too large.",
    "500": "The record does not open, or the gateway failed.",
    "503": "The store is unavailable.",
}
_ONE = {"404": "There is no such record."}
_VERBS = {
    **_READS,
    **_ONE,
    "409": "The record has moved on, or its call is in flight.",
    "413": "The body is too large.",
}
_OF_ALL = {**_READS, "409": "There is no key to seal with.", "413": _VERBS["413"]}


def docs(app: FastAPI, route: type[APIRoute]) -> APIRouter:
    """The routes; ``app`` is what they describe."""
    router = APIRouter(include_in_schema=False, route_class=route)

    @router.get("/openapi.json")
    async def document() -> dict[str, Any]:
        return app.openapi()

    @router.get("/docs")
    async def page() -> HTMLResponse:
        return HTMLResponse(_PAGE, headers={"Content-Security-Policy": POLICY})

    @router.get("/docs/{name}")
    async def part(name: str) -> Response:
        if name not in _FILES:
            raise Refused(not_found())
        return Response((FOLDER / name).read_bytes(), media_type=_FILES[name])

    return router


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document: refusals as problems, and how to sign in."""
    document = get_openapi(
        title="Idempotency Gateway: admin API",
        version=version("idempotency-gateway"),
        description=_ABOUT,
        routes=app.routes,
        license_info=None,
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    problem = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}), Problem=problem)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "A token of admin.tokens."},
        "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "The page's session."},
    }
    document["security"] = [{"token": []}, {"session": []}, {}]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            told = _told(method, one="{id}" in path)
            for status, why in sorted(told.items()):
                operation["responses"][status] = _problem(why)
    return document


def _told(method: str, *, one: bool) -> dict[str, str]:
    if method in ("post", "delete"):
        return _VERBS if one else _OF_ALL
    return {**_READS, **(_ONE if one else {})}


def _problem(why: str) -> dict[str, Any]:
    return {"description": why, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
