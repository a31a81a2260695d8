"""Callers read a route's policy at the gateway, and nothing of where the route leads."""

import pytest

from tests.conftest import Begin
from tests.upstream import Play, answer

PATH = "/.well-known/idempotency"


def test_a_policy_is_told_in_words_and_fields_without_addresses(at_edge: Begin) -> None:
    stage = at_edge(
        """
match: {host: pay.internal, path: /v1/, methods: [POST, GET]}
policy:
  key: {header: X-Key, required: true, min_length: 8}
  fingerprint: {body: json, exclude: [/sent_at], headers: [X-Kind]}
  on_conflict: wait
  on_unknown: retry
  upstream_retention: 24h
routes:
  - {name: sms, match: {path: /sms}, upstream: {url: "http://secret.upstream:81"}, policy: {key: {body: /id}}}
"""
    )
    heard = stage.send("GET", PATH, body=None)
    assert (heard.status, heard.get("content-type")) == (200, "application/json")
    assert heard.get("cache-control") == "public, max-age=60"
    assert heard.get("idempotency-origin") == "gateway"
    assert heard.get("idempotency-status") is None
    sms, api = heard.json["routes"]
    assert api == {
        "name": "api",
        "match": {"host": "pay.internal", "path": "/v1/", "methods": ["GET", "POST"]},
        "guarded_methods": ["POST"],
        "key": {
            "source": "header",
            "syntax": api["key"]["syntax"],
            "header": "x-key",
            "required": True,
            "min_length": 8,
            "max_length": 255,
        },
        "callers": {"headers": ["authorization", "x-api-key"], "on_change": "refuse"},
        "fingerprint": {
            "description": "Method, target, the header fields x-kind, and the body as JSON in its canonical form "
            "(RFC 8785), or its bytes where it has none, less /sent_at. A retry has to be the same in all of these.",
            "headers": ["x-kind"],
            "body": "json",
            "exclude": ["/sent_at"],
        },
        "on_conflict": {"policy": "wait", "wait_seconds": 30},
        "on_unknown": {"policy": "retry", "upstream_retention_seconds": 86400},
        "retention": {"response_seconds": 86400, "key_seconds": 2592000, "unknown_seconds": 7776000},
        "max_request_bytes": 10485760,
    }
    assert (sms["match"]["host"], sms["match"]["methods"], sms["guarded_methods"]) == (None, None, ["PATCH", "POST"])
    assert (sms["key"]["source"], sms["key"]["pointer"]) == ("body", "/id")
    assert b"secret.upstream" not in heard.body
    assert str(stage.upstream.port).encode() not in heard.body


def test_it_is_read_and_nothing_else_whatever_the_routes_cover(at_edge: Begin) -> None:
    stage = at_edge("policy: {methods: [POST, GET], key: {required: true}}")
    whole = stage.send("GET", PATH, body=None)
    head = stage.send("HEAD", f"{PATH}?x=1", body=None)
    assert (head.status, head.body, head.get("content-length")) == (200, b"", str(len(whole.body)))
    for method in ("POST", "PUT", "DELETE"):
        refused = stage.send(method, PATH, key="a")
        assert (refused.told, refused.get("allow")) == ("405 - unsupported", "GET, HEAD")
    assert stage.upstream.log == []


@pytest.mark.parametrize("path", [f"{PATH}/more", "/.well-known/other", f"{PATH}x"])
def test_other_paths_beside_it_are_the_routes(at_edge: Begin, path: str) -> None:
    stage = at_edge()
    stage.upstream.then(Play(answer(200, b"theirs")))
    assert stage.send("GET", path, body=None).body == b"theirs"
