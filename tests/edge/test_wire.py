"""What two parsers could read differently is refused, the connection is closed, and nothing behind it is read.

Each bad request is followed, in the same segment, by a canary that must not reach the upstream.
"""

import select
import threading
import time

import pytest

from tests.conftest import Begin
from tests.raw import connect, exchange, hang_up, read_to_end
from tests.stage import Stage
from tests.upstream import Play, answer, chunked

CANARY = b"POST /canary HTTP/1.1\r\nHost: x\r\nIdempotency-Key: canary\r\nContent-Length: 0\r\n\r\n"
POST = b"POST /charges HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\n"


def get(target: bytes) -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n"


AMBIGUOUS = {
    "length and chunked": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "two lengths in one": POST + b"Content-Length: 0, 0\r\n\r\n",
    "a signed length": POST + b"Content-Length: +0\r\n\r\n",
    "a hexadecimal length": POST + b"Content-Length: 0x0\r\n\r\n",
    "a negative length": POST + b"Content-Length: -1\r\n\r\n",
    "a length of 2^63": POST + b"Content-Length: 9223372036854775808\r\n\r\n",
    "a length of 16 digits": POST + b"Content-Length: 0000000000000000\r\n\r\n",
    "gzip and chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "chunked with a tail": POST + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    "chunked with a tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a bad chunk size": POST + b"Transfer-Encoding: chunked\r\n\r\nx\r\n0\r\n\r\n",
    "a chunk size with a sign": POST + b"Transfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n",
    "a chunk without its line end": POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab0\r\n\r\n",
    "a field name with a space": POST + b"Content-Length : 0\r\n\r\n",
    "a folded field": POST + b"X-A: 1\r\n folded\r\nContent-Length: 0\r\n\r\n",
    "bare line feeds": POST.replace(b"\r\n", b"\n") + b"Content-Length: 0\n\n",
    "a control byte in a value": POST + b"X-A: a\x01b\r\nContent-Length: 0\r\n\r\n",
    "a NUL in a value": POST + b"X-A: a\x00b\r\nContent-Length: 0\r\n\r\n",
    "a carriage return in a value": POST + b"X-A: a\rb\r\nContent-Length: 0\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "an empty host": b"GET / HTTP/1.1\r\nHost: \r\n\r\n",
    "a host with a user": b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "a host with a path": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "a target at another authority": get(b"@evil/x"),
    "an absolute target": get(b"http://evil/x"),
    "a network-path target": get(b"//evil/x"),
    "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "a fragment": get(b"/a#b"),
    "a target with a high byte": get(b"/\xc3\xa9"),
    "dot segments": get(b"/pub/../admin"),
    "a dot segment at the end": get(b"/pub/.."),
    "a single dot": get(b"/./admin"),
    "encoded dot segments": get(b"/pub/%2e%2e/admin"),
    "half encoded dots": get(b"/pub/.%2E/admin"),
    "an encoded slash": get(b"/pub%2fadmin"),
    "an encoded backslash": get(b"/pub%5Cadmin"),
    "a backslash": get(b"/pub\\admin"),
    "an encoded NUL": get(b"/pub%00"),
    "a percent sign that encodes nothing": get(b"/%zz"),
    "a lone percent sign": get(b"/a%"),
    "connection names the key": POST + b"Connection: close, Idempotency-Key\r\nContent-Length: 0\r\n\r\n",
    "connection names the credentials": POST + b"Connection: Authorization\r\nContent-Length: 0\r\n\r\n",
    "connection names the host": POST + b"Connection: host\r\nContent-Length: 0\r\n\r\n",
    "connection names the length": POST + b"Connection: Content-Length\r\nContent-Length: 0\r\n\r\n",
    "connection names a scope field": POST + b"Connection: X-Api-Key\r\nContent-Length: 0\r\n\r\n",
    "an underscore twin of the key": POST + b"Idempotency_Key: other\r\nContent-Length: 0\r\n\r\n",
    "an underscore twin of a scope field": POST + b"X_Api_Key: other\r\nContent-Length: 0\r\n\r\n",
    "an underscore twin of the length": POST + b"Content_Length: 50\r\nContent-Length: 0\r\n\r\n",
    "an underscore twin of chunked": POST + b"Transfer_Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    "an underscore twin of the content type": POST + b"Content_Type: a/b\r\nContent-Length: 0\r\n\r\n",
    "an underscore twin of the host": POST + b"X_Forwarded-Host: evil\r\nContent-Length: 0\r\n\r\n",
    "chunked with a space behind": POST + b"Transfer-Encoding: chunked \r\n\r\n0\r\n\r\n",
    "a length with a space in it": POST + b"Content-Length: 0 0\r\n\r\n",
    "an unknown expectation": POST + b"Expect: 200-ok\r\nContent-Length: 0\r\n\r\n",
    "a version of the future": b"GET / HTTP/3.0\r\nHost: x\r\n\r\n",
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


def status_and_rest(heard: bytes) -> tuple[int, bytes]:
    head, _, rest = heard.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), rest


def arrived(stage: Stage) -> list[str]:
    return [logged.line for logged in stage.upstream.log]


@pytest.mark.parametrize("data", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_ambiguous_http_is_refused_and_the_connection_closed(stage: Stage, data: bytes) -> None:
    before = len(stage.upstream.log)
    heard = exchange(stage.port, data + CANARY)
    status, rest = status_and_rest(heard)
    assert status == 400
    assert b"urn:idempotency-gateway:problem:bad-request" in rest
    assert b"connection: close" in heard.lower()
    assert b"HTTP/1.1 " not in rest, "one refusal, and nothing after it"
    assert len(stage.upstream.log) == before


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (get(b"/" + b"a" * 9000), 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 17_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(101)) + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 1_000_000, 431),
        (b"GET /" + b"a" * 1_000_000, 414),
        (b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", 405),
        (b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n", 501),
    ],
)
def test_what_is_too_large_or_not_carried_is_refused_before_it_is_buffered(
    stage: Stage, data: bytes, status: int
) -> None:
    before = len(stage.upstream.log)
    heard = exchange(stage.port, data + CANARY)
    assert status_and_rest(heard)[0] == status
    assert len(stage.upstream.log) == before


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
