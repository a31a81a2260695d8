"""What two parsers could read differently is refused, the connection is closed, and nothing behind it is read.

Each bad request is followed, in the same segment, by a canary that must not reach the upstream.
"""

import select
import threading
import time

import pytest

from tests.conftest import Begin
from tests.edge.corpus import CANARY, POST, get, status_and_rest
from tests.raw import connect, exchange, hang_up, read_to_end
from tests.stage import Stage
from tests.upstream import Play, answer, chunked


def arrived(stage: Stage) -> list[str]:
    return [logged.line for logged in stage.upstream.log]


def test_trailers_are_never_read_as_fields_even_in_the_segment_of_the_head(begin: Begin) -> None:
    stage = begin("policy: {key: {required: true}}")
    head = (
        b"POST /charges HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
    )
    heard = exchange(stage.port, head + b"Idempotency-Key: late\r\nAuthorization: late\r\n\r\n")
    assert b"key-missing" in heard
    assert stage.upstream.log == []


def test_trailers_do_not_reach_the_upstream(begin: Begin) -> None:
    stage = begin()
    head = POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
    heard = exchange(stage.port, head + b"X-Late: 1\r\nHost: evil\r\n\r\n")
    assert status_and_rest(heard)[0] == 201
    assert stage.upstream.log[0].all("x-late") == []


def test_pipelined_calls_are_answered_in_their_order(begin: Begin) -> None:
    stage = begin()
    one = POST + b"Content-Length: 1\r\n\r\n1"
    two = POST.replace(b": k\r\n", b": l\r\nConnection: close\r\n") + b"Content-Length: 1\r\n\r\n2"
    heard = exchange(stage.port, one + two)
    assert heard.count(b"HTTP/1.1 201") == 2
    assert heard.index(b'{"id":1}') < heard.index(b'{"id":2}')
    assert [logged.key for logged in stage.upstream.log] == ["k", "l"]


def test_a_refusal_never_stands_in_for_the_answer_to_the_call_before_it(begin: Begin) -> None:
    stage = begin()
    heard = exchange(
        stage.port, POST + b"Content-Length: 0\r\n\r\n" + b"GET //evil HTTP/1.1\r\nHost: x\r\n\r\n" + CANARY
    )
    assert status_and_rest(heard)[0] == 201
    assert heard.count(b"HTTP/1.1 ") == 1, "the connection ends behind the good call's answer"
    assert arrived(stage) == ["POST /charges HTTP/1.1"]


def test_nothing_behind_a_closing_request_is_executed(begin: Begin) -> None:
    stage = begin()
    heard = exchange(stage.port, POST + b"Connection: close\r\nContent-Length: 0\r\n\r\n" + CANARY)
    assert heard.count(b"HTTP/1.1 ") == 1
    assert arrived(stage) == ["POST /charges HTTP/1.1"]


def test_an_expectation_is_met_here_and_not_passed_on(begin: Begin) -> None:
    stage = begin()
    with connect(stage.port) as connection:
        connection.sendall(POST + b"Connection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert read_to_end(connection).startswith(b"HTTP/1.1 201")
    assert stage.upstream.log[0].all("expect") == []


def test_a_connection_serves_one_call_after_another(begin: Begin) -> None:
    stage = begin()
    with connect(stage.port) as connection:
        for body in (b"1", b"2", b"3"):
            connection.sendall(POST.replace(b": k", b": k" + body) + b"Content-Length: 1\r\n\r\n" + body)
            heard = b""
            while not heard.endswith(b'{"id":%s}' % body):
                heard += connection.recv(65536)
            assert heard.startswith(b"HTTP/1.1 201")


def test_an_old_client_gets_an_answer_that_ends_with_the_connection_instead_of_chunks(begin: Begin) -> None:
    stage = begin()
    stage.upstream.then(Play(chunked(200, b"abc", b"def")))
    heard = exchange(stage.port, b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
    assert heard.endswith(b"\r\n\r\nabcdef")
    assert b"connection: close" in heard.lower()
    assert b"chunked" not in heard.lower()
    assert b"content-length" not in heard.lower()


@pytest.mark.parametrize("key", [b"k ", b"k\t", b" \tk \t", b'"k" ', b'"k"\t'])
def test_white_space_around_a_value_is_no_part_of_it(begin: Begin, key: bytes) -> None:
    stage = begin()
    for host, length, caller in ((b"x", b"0", b"A"), (b"x \t", b"0 ", b"A\t ")):
        heard = exchange(
            stage.port,
            b"POST /charges HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nIdempotency-Key: %s\r\nAuthorization: %s\r\n"
            b"Content-Length: %s\r\n\r\n" % (host, key, caller, length),
        )
        assert status_and_rest(heard)[0] == 201
    assert stage.post("k", b"", ("Authorization", "A")).told == "201 replayed"
    assert len(stage.upstream.log) == 1


def test_an_unguarded_call_ends_with_its_caller_at_whatever_it_waits(begin: Begin) -> None:
    stage = begin()
    events = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"
    for play in (Play(then="hang"), Play(events, then="hang")):
        before = len(stage.upstream.log)
        stage.upstream.left.clear()
        stage.upstream.then(play)
        with connect(stage.port) as connection:
            connection.sendall(get(b"/events"))
            stage.upstream.wait_for(before + 1)
            heard = b""
            while play.data and b"data: 1" not in heard:
                heard += connection.recv(1000)
        assert stage.upstream.left.wait(10)


def test_an_old_client_hears_a_stream_as_it_comes_and_its_end_is_the_connections(begin: Begin) -> None:
    stage = begin()
    stage.upstream.then(
        Play(chunked(200, b"data: 1\n\n", fields=(("Content-Type", "text/event-stream"),))[:-5], "hang")
    )
    with connect(stage.port) as connection:
        connection.sendall(b"GET /events HTTP/1.0\r\nHost: x\r\n\r\n")
        heard = b""
        while b"data: 1" not in heard:
            heard += connection.recv(1000)
    assert stage.upstream.left.wait(10)
    assert b"connection: close" in heard


def test_an_old_client_sees_a_broken_answer_as_a_broken_connection(begin: Begin) -> None:
    stage = begin()
    stage.upstream.then(Play(chunked(200, b"abc")[:-5]))
    with pytest.raises(ConnectionResetError):
        exchange(stage.port, b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")


def test_an_old_client_gets_a_guarded_answer_too_large_to_keep(begin: Begin) -> None:
    stage = begin("policy: {response: {max_body: 1KiB}}")
    large = bytes(range(256)) * 50_000
    stage.upstream.then(Play(chunked(201, large)))
    heard = exchange(stage.port, POST.replace(b"1.1", b"1.0") + b"Content-Length: 0\r\n\r\n")
    assert status_and_rest(heard) == (201, large)


def test_calls_in_a_pipeline_hear_that_their_caller_left(begin: Begin, caplog: pytest.LogCaptureFixture) -> None:
    stage = begin()
    gate = threading.Event()
    stage.upstream.then(Play(answer(200, b"x" * 3_000_000), gate=gate))
    calls = b"".join(POST.replace(b": k", b": k%d" % n) + b"Content-Length: 0\r\n\r\n" for n in range(5))
    hang_up(stage.port, calls, when=lambda: stage.upstream.wait_for(1))
    gate.set()
    while stage.send("POST", "/charges", key="k0", body=b"").status == 409:
        pass
    assert [logged.key for logged in stage.upstream.log] == ["k0"], "what waits behind is not begun for nobody"
    assert caplog.records == []


def test_an_upload_that_flows_is_not_overdue(begin: Begin) -> None:
    stage = begin("upstream: {timeout: {connect: 100ms, response: 400ms, total: 10s}}")
    with connect(stage.port) as connection:
        connection.sendall(b"PUT /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 8\r\n\r\n")
        begun = time.monotonic()
        for _ in range(8):
            connection.sendall(b"x")
            select.select([connection], [], [], 0.1)
        assert time.monotonic() - begun > 0.4
        assert read_to_end(connection).startswith(b"HTTP/1.1 201")
    assert stage.upstream.log[0].body == b"x" * 8
