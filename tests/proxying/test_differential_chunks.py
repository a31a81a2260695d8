"""Chunked answers against h11's reading: sizes, extensions, line ends and trailers in every shape that servers send.

What the hop takes, h11 takes as the same answer; what the grammar of RFC 9112, section 7.1 allows, the hop takes.
"""

from itertools import pairwise

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from tests.proxying.test_differential import by_h11, by_the_hop

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

_LINE_ENDS = st.sampled_from([b"\r\n"] * 40 + [b"\n", b"\r", b"\n\r", b" \r\n", b"\r\r\n", b""])
_SIGNS = st.sampled_from([b""] * 40 + [b"+", b"-", b"0x", b"0X", b" ", b"\t", b"0", b"000", b"_", b"\xef\xbc\x90"])
_BEHIND = st.sampled_from([b""] * 40 + [b" ", b"\t", b"_", b"0_", b"h", b".", b",", b"\x00", b"\x0b"])
_EXTENSIONS = st.sampled_from(
    [b""] * 20
    + [b";", b";a", b";a=b", b';a="b;c"', b';a="b\\"c"', b"; a = b", b" ;a", b"\t;a", b";a=\x01", b";\x7f", b";a\xff"]
    + [b";a=b;c", b";;", b";a\x00", b";a\rb", b";" + b"x" * 1200, b"a=b", b":a"]
)
_TRAILERS = st.sampled_from(
    [b""] * 20
    + [b"X-Late: 1\r\n", b"X-Late:\r\n", b"X-Late: a\tb\r\nY: \xff\r\n", b"x:1\r\n" * 40]
    + [
        b"X-Late: a\r\n b\r\n",
        b" X-Late: a\r\n",
        b"X-Late : a\r\n",
        b"X-Late\r\n",
        b": a\r\n",
        b"X-Late: a\n",
        b"X: \x01\r\n",
    ]
    + [b"Content-Length: 5\r\n", b"Content-Length: +5\r\n", b"Content-Length: 5\r\nContent-Length: 6\r\n"]
    + [
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Host: x\r\n",
        b"X(y): z\r\n",
        b"X: a\x00\r\n",
    ]
)


@st.composite
def _chunk(draw: st.DrawFn, content: bytes) -> bytes:
    size = draw(st.sampled_from([b"%x", b"%X"])) % (len(content) + draw(st.sampled_from([0] * 40 + [1, -1])))
    line = draw(_SIGNS) + size + draw(_BEHIND) + draw(_EXTENSIONS) + draw(_LINE_ENDS)
    return line + content + draw(_LINE_ENDS)


@st.composite
def _bodies(draw: st.DrawFn) -> bytes:
    pieces = draw(st.lists(st.binary(min_size=1, max_size=20), max_size=3))
    chunks = b"".join(draw(_chunk(piece)) for piece in pieces)
    last = draw(_SIGNS) + b"0" + draw(_BEHIND) + draw(_EXTENSIONS) + draw(_LINE_ENDS)
    return (
        chunks
        + last
        + draw(_TRAILERS)
        + draw(_LINE_ENDS)
        + draw(st.sampled_from([b"", b"", b"HTTP/1.1 200 OK\r\n\r\n"]))
    )


@settings(max_examples=300, deadline=None)
@given(body=_bodies(), cuts=st.lists(st.integers(1, 200), max_size=4))
@example(body=b"0\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", cuts=[])
@example(body=b"0\r\nContent-Length: +5\r\n\r\n", cuts=[])
@example(body=b"0\r\nTransfer-Encoding: gzip\r\n\r\n", cuts=[])
def test_what_the_hop_takes_of_chunks_h11_reads_as_the_same_answer(body: bytes, cuts: list[int]) -> None:
    data = HEAD + body
    edges = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})
    ours = by_the_hop("GET", [data[start:end] for start, end in pairwise(edges)])
    event("taken" if ours else "refused")
    if ours is not None:
        assert ours == by_h11("GET", data)


GOOD = [
    b"5\r\nhello\r\n0\r\n\r\n",
    b"05\r\nhello\r\n000\r\n\r\n",
    b'5;a;b=c;d="e;f"\r\nhello\r\n0;last\r\n\r\n',
    b"5\r\nhello\r\n0\r\nX-Late: 1\r\nX-Empty:\r\nX-Bytes: \xff\r\n\r\n",
    b"a\r\n0\r\n\r\nHTTP/\r\n0\r\n\r\n",
]


@pytest.mark.parametrize("body", GOOD)
def test_what_the_grammar_allows_is_taken(body: bytes) -> None:
    ours = by_the_hop("GET", [HEAD + body])
    assert ours is not None
    assert ours == by_h11("GET", HEAD + body)
