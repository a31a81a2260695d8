"""The hop's reading of an answer against h11's: whatever the hop takes as whole, h11 reads as the same answer.

The hop may refuse more; there is nothing that it takes and h11 refuses.
"""

from dataclasses import dataclass
from itertools import pairwise

import h11
from hypothesis import event, given, settings
from hypothesis import strategies as st

from gateway.errors import OutcomeUnknown
from gateway.proxying.reading import Reading


@dataclass(frozen=True, slots=True)
class Read:
    """An answer as a reader understood it; header names in lower case."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def by_the_hop(method: str, pieces: list[bytes]) -> Read | None:
    reading = Reading(method)
    try:
        for piece in pieces:
            reading.feed(piece)
            if reading.complete:
                break
        else:
            reading.end()
    except OutcomeUnknown:
        return None
    assert reading.head is not None
    return Read(
        reading.head.status,
        tuple(_as_h11_writes(name.lower(), value) for name, value in reading.head.headers),
        reading.take(),
    )


def _as_h11_writes(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """h11 turns the one coding it knows into lower case; the hop leaves values as they came."""
    return (name, value.lower()) if name == b"transfer-encoding" else (name, value)


def by_h11(method: str, data: bytes) -> Read:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "upstream")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    connection.receive_data(b"")
    body = b""
    status = 0
    headers: tuple[tuple[bytes, bytes], ...] = ()
    while not isinstance(got := connection.next_event(), h11.EndOfMessage):
        if isinstance(got, h11.Response):
            status, headers = got.status_code, tuple(got.headers)
        elif isinstance(got, h11.Data):
            body += bytes(got.data)
        else:
            assert isinstance(got, h11.InformationalResponse), got
    return Read(status, headers, body)


_TOKENS = st.sampled_from(
    [b"X-A", b"x-b", b"Content-Type", b"Set-Cookie", b"Date", b"Connection", b"Keep-Alive", b"!x~"]
)
_VALUES = st.one_of(
    st.sampled_from([b"", b"close", b"keep-alive", b"a, b", b"a  b", b"\xe4\xff", b"a\tb"]),
    st.text("abc 0;=,", max_size=8).map(str.encode),
)
_FRAMINGS = st.sampled_from(
    [
        b"",
        b"Content-Length: 5\r\n",
        b"content-length:0\r\n",
        b"Content-Length:  005 \r\n",
        b"Content-Length: 5\r\nContent-Length: 5\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"transfer-encoding: CHUNKED\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: identity\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: -5\r\n",
        b"Content-Length: 0x5\r\n",
        b"Content-Length: 5_0\r\n",
        b"Content-Length: 5 5\r\n",
        b"Content-Length: 5;\r\n",
        b"Content-Length: 5.0\r\n",
        b"Content-Length: \xef\xbc\x95\r\n",
        b"Content-Length: 5\n",
        b"Content-Length: 5\r\n 6\r\n",
        b"Content-Length:\r\n 5\r\n",
        b"Content-Length : 5\r\n",
        b"X: 1\r\n Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\n",
        b"Transfer-Encoding:\r\n chunked\r\n",
        b"Transfer-Encoding: chunked, chunked\r\n",
        b"Transfer-Encoding: chunked;q=1\r\n",
        b'Transfer-Encoding: "chunked"\r\n',
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding : chunked\r\n",
    ]
)
_BODIES = st.sampled_from(
    [
        b"",
        b"hello",
        b"hello, world",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"5;a=b\r\nhello\r\n00\r\nX-Late: 1\r\n\r\n",
        b"1\r\nh\r\n4\r\nello\r\n0;last\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
        b"0\r\n\r\n",
    ]
)


@st.composite
def _answers(draw: st.DrawFn) -> bytes:
    informational = draw(
        st.sampled_from([b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 E\r\nLink: x\r\n\r\n"])
    )
    version = draw(st.sampled_from([b"1.1", b"1.1", b"1.0"]))
    status = draw(st.sampled_from([b"200 OK", b"201 Created", b"204 No Content", b"304 Not Modified", b"503 ", b"500"]))
    fields = b"".join(b"%b: %b\r\n" % field for field in draw(st.lists(st.tuples(_TOKENS, _VALUES), max_size=4)))
    return b"%bHTTP/%b %b\r\n%b%b\r\n%b" % (informational, version, status, fields, draw(_FRAMINGS), draw(_BODIES))


@st.composite
def _mutated(draw: st.DrawFn) -> bytes:
    data = draw(_answers())
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        gone = draw(st.sampled_from([0, 0, 1, 1, 2, 5]))
        new = draw(
            st.one_of(
                st.sampled_from([b"", b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b":", b"0", b"5", b";"]),
                st.binary(max_size=2),
            )
        )
        data = data[:at] + new + data[at + gone :]
    return data


@settings(max_examples=200, deadline=None)
@given(
    method=st.sampled_from(["GET", "GET", "POST", "HEAD"]),
    data=_mutated(),
    cuts=st.lists(st.integers(1, 200), max_size=4),
)
def test_what_the_hop_takes_as_whole_h11_reads_as_the_same_answer(method: str, data: bytes, cuts: list[int]) -> None:
    edges = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})
    pieces = [data[start:end] for start, end in pairwise(edges)]
    ours = by_the_hop(method, pieces)
    event("taken" if ours else "refused")
    if ours is not None:
        assert ours == by_h11(method, data)
