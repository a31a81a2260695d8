"""A replay is the first call's answer: its bytes, its fields in their order and multiplicity, whatever the framing."""

import json

import pytest

from tests.conftest import Begin
from tests.raw import exchange
from tests.stage import Heard
from tests.upstream import Play, answer, chunked

# What a replay may differ in: who says it, and the cookie that belongs to the first caller alone.
MARKS = {"idempotency-status", "idempotent-replayed", "idempotency-expires", "set-cookie", "connection"}
BINARY = bytes(range(256)) * 64
REPEATED = (
    ("X-B", "2"),
    ("X-A", "1"),
    ("X-B", "1"),
    ("Link", "<a>"),
    ("X-Empty", ""),
    ("Date", "Mon, 01 Jan 2024 00:00:00 GMT"),
)

ANSWERS = {
    "small": answer(201, b"{}"),
    "binary": answer(200, BINARY, ("Content-Type", "application/octet-stream")),
    "chunked": chunked(201, b"a", BINARY, b"\r\n0\r\n\r\n", fields=REPEATED),
    "repeated fields": answer(200, b"x", *REPEATED),
    "field bytes": answer(200, b"x", ("X-Latin", "caf\xe9"), ("X-Json", json.dumps({"a": [1]}))),
    "content coding": answer(200, b"\x1f\x8b\x08not really", ("Content-Encoding", "gzip")),
    "empty body": answer(200, b""),
    "204": b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n",
    "303 with location": answer(303, b"", ("Location", "/charges/1")),
    "1xx first": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + answer(201, b"after"),
    "ends with the connection": answer(200, b"to the end", length=False),
    "a trailer": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Trailer: 1\r\n\r\n",
    "cookie": answer(200, b"x", ("Set-Cookie", "a=b"), ("Set-Cookie", "c=d")),
}


def lasting(heard: Heard) -> list[tuple[str, str]]:
    return [field for field in heard.headers if field[0].lower() not in MARKS]


@pytest.mark.parametrize("data", ANSWERS.values(), ids=ANSWERS)
def test_every_replay_equals_the_first_answer(begin: Begin, data: bytes) -> None:
    stage = begin()
    stage.upstream.then(Play(data))
    first = stage.post("k")
    assert first.get("idempotency-status") == "executed"
    for _ in range(2):
        replay = stage.post("k")
        assert replay.get("idempotency-status") == "replayed"
        assert (replay.status, replay.body, lasting(replay)) == (first.status, first.body, lasting(first))
    assert stage.upstream.count("k") == 1


def test_a_guarded_head_replays_its_fields_without_a_body(begin: Begin) -> None:
    stage = begin("policy: {methods: [HEAD]}")
    stage.upstream.then(Play(b"HTTP/1.1 200 OK\r\nContent-Length: 42\r\nX-A: 1\r\n\r\n"))
    first = stage.send("HEAD", "/charges", key="k", body=None)
    replay = stage.send("HEAD", "/charges", key="k", body=None)
    assert (first.told, replay.told) == ("200 executed", "200 replayed")
    assert lasting(first) == lasting(replay)
    assert first.get("content-length") == "42"
    assert first.body == replay.body == b""


def test_a_guarded_head_of_a_resource_of_unknown_length_claims_none(begin: Begin) -> None:
    stage = begin("policy: {methods: [HEAD]}")
    stage.upstream.then(Play(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))
    for told in ("200 executed", "200 replayed"):
        heard = stage.send("HEAD", "/charges", key="k", body=None)
        assert (heard.told, heard.get("content-length")) == (told, None)


def test_a_large_answer_within_the_limit_is_kept_whole(begin: Begin) -> None:
    stage = begin()
    large = BINARY * 400
    stage.upstream.then(Play(answer(201, large)))
    assert stage.post("k").body == large
    assert stage.post("k").body == large


@pytest.mark.parametrize("size", [0, 1, 70_000, 1024 * 1024 + 1, 3 * 1024 * 1024])
def test_a_request_body_arrives_whole_and_is_fingerprinted_whole(begin: Begin, size: int) -> None:
    stage = begin()
    body = (BINARY * (size // len(BINARY) + 1))[:size]
    assert stage.post("k", body).told == "201 executed"
    assert stage.upstream.log[0].body == body
    assert stage.post("k", body).told == "201 replayed"
    assert stage.post("k", body + b"x").told == "422 mismatch key-reused"


def test_a_chunked_request_is_the_same_request_as_one_with_a_length(begin: Begin) -> None:
    stage = begin()
    head = b"POST /charges HTTP/1.1\r\nHost: x\r\nConnection: close\r\nIdempotency-Key: k\r\n"
    heard = exchange(stage.port, head + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")
    assert b"201" in heard.split(b"\r\n")[0]
    assert stage.upstream.log[0].all("content-length") == ["6"]
    assert stage.post("k", b"abcdef").told == "201 replayed"


def test_unguarded_bodies_stream_both_ways(begin: Begin) -> None:
    stage = begin()
    large = BINARY * 300
    stage.upstream.then(Play(chunked(200, large)))
    heard = stage.send("PUT", "/files/1", body=large)
    assert (heard.told, heard.body) == ("200 unguarded", large)
    assert stage.upstream.log[0].body == large
