"""Attacks that are no bad grammar: late fields, bombs, poisoned keys, twins of a route's own fields."""

import gzip
import threading
from contextlib import suppress

import pytest

from tests.conftest import Begin
from tests.edge.corpus import CANARY, POST, get, status_and_rest
from tests.raw import connect, exchange, read_to_end
from tests.upstream import Play, answer

CHUNKED = POST.replace(b"Idempotency-Key: k\r\n", b"") + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
LATE = b"Idempotency-Key: late\r\nAuthorization: late\r\nHost: evil\r\n\r\n"


@pytest.mark.parametrize("apart", [False, True], ids=["in one segment", "in a segment of their own"])
def test_trailers_are_never_read_as_fields(at_edge: Begin, *, apart: bool) -> None:
    stage = at_edge()
    with connect(stage.port) as connection:
        head = CHUNKED.replace(b"Host: x", b"Host: x\r\nConnection: close")
        for piece in (head, LATE) if apart else (head + LATE,):
            connection.sendall(piece)
        heard = read_to_end(connection)
    assert b"idempotency-status: unguarded" in heard.lower()
    (logged,) = stage.upstream.log
    assert (logged.all("idempotency-key"), logged.all("authorization"), logged.body) == ([], [], b"a")


def test_a_scope_that_comes_late_is_none(at_edge: Begin) -> None:
    stage = at_edge()
    late = POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nAuthorization: B\r\n\r\n"
    assert b"executed" in exchange(stage.port, late)
    assert stage.post("k", b"{}").told == "201 replayed", "both calls had no credentials"
    assert stage.post("k", b"{}", ("Authorization", "B")).told == "409 mismatch caller-changed"


@pytest.mark.parametrize("name", [b"X_Tenant", b"x-tenant", b"X_Order-Kind", b"Order_Key", b"Up_Key"])
def test_a_field_of_the_routes_own_has_no_twin_and_is_not_taken_away(at_edge: Begin, name: bytes) -> None:
    stage = at_edge(
        "policy: {key: {header: Order-Key}, scope: {headers: [X-Tenant]}, upstream_key: {header: Up-Key},"
        " fingerprint: {headers: [X-Order-Kind]}}"
    )
    field = b"Connection: X-Tenant" if name == b"x-tenant" else name + b": other"
    call = POST.replace(b"Idempotency-Key", b"X-Tenant: t\r\nOrder-Key") + field + b"\r\nContent-Length: 0\r\n\r\n"
    heard = exchange(stage.port, call + CANARY)
    assert status_and_rest(heard)[0] == 400
    assert stage.upstream.log == []


def test_an_unclear_call_poisons_nothing_for_the_right_one(at_edge: Begin) -> None:
    stage = at_edge()
    for bad in (b"X-Long: " + b"a" * 17_000, b"Idempotency_Key: k", b"Connection: Authorization", b"TE : x"):
        assert status_and_rest(exchange(stage.port, POST + bad + b"\r\nContent-Length: 2\r\n\r\n{}"))[0] in (400, 431)
    assert exchange(stage.port, POST.replace(b"/charges", b"/a/..") + b"Content-Length: 2\r\n\r\n{}")[9:12] == b"400"
    assert exchange(stage.port, POST + b"Content-Length: 99999999\r\n\r\n{}")[9:12] == b"413"
    assert stage.post("k").told == "201 executed"
    assert stage.post("k").told == "201 replayed"
    assert len(stage.upstream.log) == 1


def test_a_bomb_is_never_opened_on_either_way(at_edge: Begin) -> None:
    bomb = gzip.compress(bytes(50_000_000), 9)
    assert len(bomb) < 64 * 1024
    stage = at_edge("policy: {request: {max_body: 64KiB}, response: {max_body: 64KiB}}")
    stage.upstream.then(Play(answer(201, bomb, ("Content-Encoding", "gzip"), ("Content-Type", "application/json"))))
    for told in ("201 executed", "201 replayed"):
        heard = stage.post("k", bomb, ("Content-Encoding", "gzip"), ("Content-Type", "application/json"))
        assert (heard.told, heard.body) == (told, bomb)
        assert heard.all("content-encoding") == ["gzip"]
    assert stage.upstream.log[0].body == bomb


def test_a_large_upload_is_told_that_it_is_too_large_while_it_is_still_sending(at_edge: Begin) -> None:
    stage = at_edge("policy: {request: {max_body: 64KiB}}")
    with connect(stage.port) as connection:
        connection.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b"a" * 65536 + b"\r\n")
        connection.sendall(b"1\r\na\r\n")
        heard = connection.recv(65536)
        connection.sendall(b"10000\r\n" + b"a" * 65536 + b"\r\n0\r\n\r\n" + CANARY)
        heard += read_to_end(connection)
    assert status_and_rest(heard)[0] == 413
    assert heard.count(b"HTTP/1.1 4") == 1
    assert stage.upstream.log == []


def test_a_caller_of_http_1_0_is_not_told_to_continue(at_edge: Begin) -> None:
    stage = at_edge()
    heard = exchange(
        stage.port, get(b"/").replace(b"1.1", b"1.0").replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
    )
    assert heard.startswith(b"HTTP/1.1 201")


def test_a_body_in_single_bytes_is_a_body(at_edge: Begin) -> None:
    stage = at_edge()
    body = b"".join(b"1;ext\r\n%c\r\n" % (97 + n % 26) for n in range(30_000))
    with connect(stage.port) as connection:
        connection.sendall(POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + body[:100_001])
        connection.sendall(body[100_001:] + b"0\r\nX-Late: 1\r\n\r\n")
        assert read_to_end(connection).startswith(b"HTTP/1.1 201")
    assert len(stage.upstream.log[0].body) == 30_000


def test_what_follows_a_body_that_was_announced_shorter_is_no_request(at_edge: Begin) -> None:
    stage = at_edge()
    heard = exchange(stage.port, POST + b"Content-Length: 2\r\n\r\n{}{}" + CANARY)
    assert (heard.count(b"HTTP/1.1 "), status_and_rest(heard)[0]) == (1, 201)
    assert [logged.body for logged in stage.upstream.log] == [b"{}"]


def test_a_request_in_a_body_that_was_announced_longer_is_no_request(at_edge: Begin) -> None:
    stage = at_edge()
    assert exchange(stage.port, POST + b"Content-Length: 999\r\n\r\n" + CANARY, half_close=True) == b""
    assert stage.post("k").told == "201 executed", "half a body claims nothing"
    assert [logged.line for logged in stage.upstream.log] == ["POST /charges HTTP/1.1"]


def test_an_expectation_said_twice_is_met_once(at_edge: Begin) -> None:
    stage = at_edge()
    twice = b"Expect: 100-continue\r\nExpect: 100-Continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\n"
    with connect(stage.port) as connection:
        connection.sendall(POST + twice)
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert read_to_end(connection).startswith(b"HTTP/1.1 201")


def test_a_hundred_thousand_calls_in_a_pipeline_are_begun_one_after_another_and_end_with_their_caller(
    at_edge: Begin,
) -> None:
    stage = at_edge("downstream: {max_calls: 2}")
    gate = threading.Event()
    stage.upstream.then(Play(answer(200), gate=gate, then="keep"))
    calls = get(b"/pipeline") * 100_000

    def crowd() -> None:
        with connect(stage.port) as connection, suppress(ConnectionError):
            connection.sendall(calls)
            connection.recv(65536)

    crowding = stage.pool.submit(crowd)
    stage.upstream.wait_for(1)
    assert stage.post("k").told == "201 executed", "the pipeline takes one place of the two"
    gate.set()
    crowding.result(20)
    before = len(stage.upstream.log)
    assert stage.post("l").told == "201 executed"
    assert before < 50_000, "what its caller did not wait for was not begun"
