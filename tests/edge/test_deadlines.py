"""How slow a caller may be at each step, and what becomes of one that is slower: it loses its connection, nothing else.

Deadlines here are short, and only ever waited for; nothing is measured but that they come.
"""

import select
import threading
import time

import pytest

from tests.conftest import Begin
from tests.edge.callers import LARGE, drip, reader, too_slow, until
from tests.edge.corpus import POST, get, status_and_rest
from tests.raw import connect, read_to_end
from tests.upstream import Play, answer

SHORT = "downstream: {timeout: {head: 400ms, body: 400ms, total: 1500ms, answer: 400ms, idle: 400ms}}"


@pytest.mark.parametrize("said", [b"", b"\r\n"], ids=["silence", "empty lines"])
def test_a_connection_on_which_no_request_begins_is_closed(at_edge: Begin, said: bytes) -> None:
    stage = at_edge(SHORT)
    with connect(stage.port) as connection:
        assert drip(connection, said, 0.05) == b""
    assert too_slow(stage, "silent") == 1


def test_a_head_that_never_ends_is_answered_408(at_edge: Begin) -> None:
    stage = at_edge(SHORT)
    with connect(stage.port) as connection:
        connection.sendall(POST)
        status, rest = status_and_rest(drip(connection, b"X-A: 1\r\n", 0.05))
    assert status == 408
    assert b"request-overdue" in rest
    assert b'"retryable": true' in rest
    assert too_slow(stage, "head") == 1
    assert stage.upstream.log == []


def test_the_second_head_of_a_connection_has_its_deadline_too(at_edge: Begin) -> None:
    stage = at_edge(SHORT)
    with connect(stage.port) as connection:
        connection.sendall(get(b"/") + b"GET /half HTTP/1.1\r\n")
        heard = drip(connection, b"X-A: 1\r\n", 0.05)
    assert heard.startswith(b"HTTP/1.1 201")
    assert heard.count(b"HTTP/1.1 408") == 1
    assert len(stage.upstream.log) == 1


def test_a_connection_between_calls_is_closed_when_it_is_idle(at_edge: Begin) -> None:
    stage = at_edge(SHORT)
    with connect(stage.port) as connection:
        connection.sendall(get(b"/"))
        assert status_and_rest(drip(connection, b"", 5))[0] == 201
    assert [too_slow(stage, at) for at in ("silent", "head", "body", "answer")] == [0, 0, 0, 0]


def test_a_guarded_body_that_drips_claims_nothing(at_edge: Begin) -> None:
    stage = at_edge(SHORT)
    with connect(stage.port) as connection:
        connection.sendall(POST + b"Content-Length: 1000\r\n\r\n")
        status, rest = status_and_rest(drip(connection, b"x", 0.05))
    assert (status, b"Nothing was sent" in rest) == (408, True)
    assert too_slow(stage, "body") == 1
    assert stage.post("k").told == "201 executed", "the key is free: no claim before the body is whole"
    assert [logged.body for logged in stage.upstream.log] == [b"{}"]


def test_what_came_fast_at_first_is_no_credit(at_edge: Begin) -> None:
    stage = at_edge(SHORT.replace("total: 1500ms", "total: 1h"))
    with connect(stage.port) as connection:
        connection.sendall(POST + b"Content-Length: 3000000\r\n\r\n" + b"x" * 2_000_000)
        assert status_and_rest(drip(connection, b"x", 0.05))[0] == 408
    assert stage.upstream.log == []


def test_a_body_that_flows_is_bounded_by_its_total(at_edge: Begin) -> None:
    stage = at_edge(SHORT)
    with connect(stage.port) as connection:
        connection.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        begun = time.monotonic()
        assert status_and_rest(drip(connection, b"400\r\n" + b"x" * 1024 + b"\r\n", 0.05))[0] == 408
        assert time.monotonic() - begun > 1.5
    assert stage.upstream.log == []


def test_an_unguarded_body_that_drips_ends_its_call_upstream(at_edge: Begin) -> None:
    stage = at_edge(SHORT)
    with connect(stage.port) as connection:
        connection.sendall(b"PUT /file HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        status, rest = status_and_rest(drip(connection, b"x", 0.05))
    assert (status, b"may have reached the upstream" in rest, b'"retryable": false' in rest) == (408, True, True)
    assert stage.upstream.log == [], "it never looked whole there"


def test_a_body_that_nobody_takes_in_is_not_late(at_edge: Begin) -> None:
    """The upload waits for the upstream, which is slow to connect or to read: that is no fault of its caller."""
    stage = at_edge(SHORT.replace("total: 1500ms", "total: 30s"))
    gate = threading.Event()
    stage.upstream.then(Play(answer(200, b"x" * 100), gate=gate))
    first = POST + b"Content-Length: 2\r\n\r\n{}"
    second = POST.replace(b": k", b": l\r\nConnection: close") + b"Content-Length: 1000\r\n\r\n"
    with connect(stage.port) as connection:
        connection.sendall(first + second + b"x" * 100)
        stage.upstream.wait_for(1)
        assert not select.select([connection], [], [], 1.2)[0], "three times the deadline of a body"
        gate.set()
        connection.sendall(b"x" * 900)
        heard = read_to_end(connection)
    assert heard.count(b"HTTP/1.1 20") == 2
    assert [logged.key for logged in stage.upstream.log] == ["k", "l"]


@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"], ids=["kept", "closing"])
def test_a_reader_that_stands_still_loses_its_connection_and_holds_no_claim(at_edge: Begin, more: bytes) -> None:
    stage = at_edge(SHORT)
    stage.upstream.then(Play(answer(201, LARGE)))
    with reader(stage.port, POST + more + b"Content-Length: 2\r\n\r\n{}") as connection:
        stage.upstream.wait_for(1)
        retry = stage.post("k")
        while retry.status == 409:
            retry = stage.post("k")
        assert (retry.told, retry.body) == ("201 replayed", LARGE)
        until(lambda: too_slow(stage, "answer") == 1)
        with pytest.raises(ConnectionResetError):
            read_to_end(connection)
    assert len(stage.upstream.log) == 1


def test_a_reader_that_trickles_loses_its_connection_and_its_unguarded_call(at_edge: Begin) -> None:
    stage = at_edge(SHORT)
    stage.upstream.then(Play(answer(200, LARGE)[:3_000_000], then="hang"))
    with reader(stage.port, get(b"/large")) as connection:
        until(lambda: not connection.recv(1) or stage.upstream.left.wait(0.05))
    assert stage.upstream.left.is_set(), "the call ends with its caller"
    assert too_slow(stage, "answer") == 1


def test_a_reader_that_keeps_pace_gets_a_long_answer_whole(at_edge: Begin) -> None:
    stage = at_edge(SHORT)
    stage.upstream.then(Play(answer(200, LARGE)))
    with reader(stage.port, get(b"/large").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")) as connection:
        pieces, begun = [b""], time.monotonic()
        while piece := connection.recv(65536):
            pieces.append(piece)
            if time.monotonic() - begun < 1.2:
                select.select([], [], [], 0.05)
    assert status_and_rest(b"".join(pieces)) == (200, LARGE)
    assert too_slow(stage, "answer") == 0
