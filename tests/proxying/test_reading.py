"""What the hop accepts as an answer and what it refuses, whatever the slices."""

import pytest

from gateway.errors import OutcomeUnknown
from gateway.proxying.http1 import MAX_FIELDS, MAX_HEAD
from gateway.proxying.reading import MAX_INFORMATIONAL, Reading

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

MALFORMED = {
    "length and coding": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "coding and length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
    "length twice, the same": HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
    "length twice, different": HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
    "length as a list": HEAD + b"Content-Length: 5, 5\r\n\r\n",
    "length with a sign": HEAD + b"Content-Length: +5\r\n\r\n",
    "length below zero": HEAD + b"Content-Length: -1\r\n\r\n",
    "length in hexadecimal": HEAD + b"Content-Length: 0x5\r\n\r\n",
    "length of nothing": HEAD + b"Content-Length:\r\n\r\n",
    "length of 16 digits": HEAD + b"Content-Length: 0000000000000005\r\n\r\n",
    "other coding": HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
    "two codings": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    "two coding fields": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "coding with a control byte": HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n",
    "coding in 1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "folded field": HEAD + b"A: b\r\n c\r\n\r\n",
    "folded first field": HEAD + b" A: b\r\n\r\n",
    "control byte in a value": HEAD + b"A: \x01\r\n\r\n",
    "NUL in a value": HEAD + b"A: \x00\r\n\r\n",
    "delete in a value": HEAD + b"A: \x7f\r\n\r\n",
    "control byte in the reason": b"HTTP/1.1 200 O\x01K\r\n\r\n",
    "bare line feed": HEAD + b"A: b\nC: d\r\n\r\n",
    "bare carriage return": HEAD + b"A: b\rC: d\r\n\r\n",
    "space before the colon": HEAD + b"Content-Length : 5\r\n\r\n",
    "field without a name": HEAD + b": b\r\n\r\n",
    "field without a colon": HEAD + b"A\r\n\r\n",
    "name that is no token": HEAD + b"A(b): c\r\n\r\n",
    "version 1.2": b"HTTP/1.2 200 OK\r\n\r\n",
    "version 2.0": b"HTTP/2.0 200 OK\r\n\r\n",
    "version 0.9": b"HTTP/0.9 200 OK\r\n\r\n",
    "lower case": b"http/1.1 200 OK\r\n\r\n",
    "another protocol": b"RTSP/1.0 200 OK\r\n\r\n",
    "empty line first": b"\r\nHTTP/1.1 200 OK\r\n\r\n",
    "only empty lines": b"\r\n\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "status 0": b"HTTP/1.1 000 OK\r\n\r\n",
    "status 600": b"HTTP/1.1 600 OK\r\n\r\n",
    "status 101": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "upgrade": b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "too many informational answers": b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_INFORMATIONAL + 1) + HEAD,
    "too many fields": HEAD + b"A: b\r\n" * (MAX_FIELDS + 1) + b"\r\n",
    "head too long": HEAD + b"A: " + b"b" * MAX_HEAD + b"\r\n\r\n",
    "head without an end": HEAD + b"A: " + b"b" * MAX_HEAD,
    "chunk size of nothing": CHUNKED + b"\r\n",
    "chunk size that is none": CHUNKED + b"x\r\n",
    "chunk size with a sign": CHUNKED + b"+5\r\nhello\r\n",
    "chunk size with 0x": CHUNKED + b"0x5\r\nhello\r\n",
    "chunk size with a space": CHUNKED + b"5 \r\nhello\r\n",
    "chunk size too large": CHUNKED + b"1" * 16 + b"\r\n",
    "chunk size without a carriage return": CHUNKED + b"5\nhello\r\n",
    "chunk extension with a control byte": CHUNKED + b"5;\x01\r\nhello\r\n",
    "chunk extension without an end": CHUNKED + b"5;" + b"x" * 2000,
    "chunk longer than its size": CHUNKED + b"5\r\nhello!\r\n",
    "chunk that ends in a bare line feed": CHUNKED + b"5\r\nhello\n",
    "trailer that is no field": CHUNKED + b"0\r\nA\r\n\r\n",
    "trailer that is folded": CHUNKED + b"0\r\nA: b\r\n c\r\n\r\n",
    "trailer with a control byte": CHUNKED + b"0\r\nA: \x01\r\n\r\n",
    "trailer with a length": CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n",
    "trailer with a coding": CHUNKED + b"0\r\nX-A: b\r\ntransfer-encoding: chunked\r\n\r\n",
    "length with a point": HEAD + b"Content-Length: 5.0\r\n\r\n",
    "length with an underscore": HEAD + b"Content-Length: 5_0\r\n\r\n",
    "length in other digits": HEAD + b"Content-Length: \xef\xbc\x95\r\n\r\n",
    "length on a folded line": HEAD + b"Content-Length:\r\n 5\r\n\r\n",
    "length with a second one folded below": HEAD + b"Content-Length: 5\r\n 6\r\n\r\n",
    "coding on a folded line": HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n",
    "coding in quotes": HEAD + b'Transfer-Encoding: "chunked"\r\n\r\n',
    "coding with a parameter": HEAD + b"Transfer-Encoding: chunked;q=1\r\n\r\n",
    "coding twice in one": HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n",
    "head of bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 0\n\r\n\r\n",
    "chunk size with an underscore": CHUNKED + b"1_0\r\nhello\r\n",
    "chunk size with a space before its extension": CHUNKED + b"5 ;a\r\nhello\r\n",
    "chunk size below zero": CHUNKED + b"-5\r\nhello\r\n",
    "trailers too long": CHUNKED + b"0\r\n" + b"A: b\r\n" * 12000 + b"\r\n",
    "end without a carriage return": CHUNKED + b"0\r\n\n",
}


def _feed(reading: Reading, data: bytes, slice_: int) -> None:
    for start in range(0, len(data), slice_):
        reading.feed(data[start : start + slice_])


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
@pytest.mark.parametrize("slice_", [1, 7, 1 << 20])
def test_what_can_be_read_in_two_ways_is_refused_in_any_slices(data: bytes, slice_: int) -> None:
    if len(data) > 5000 and slice_ == 1:
        slice_ = 1000
    reading = Reading("GET")
    with pytest.raises(OutcomeUnknown) as fault:
        _feed(reading, data, slice_)
    assert fault.value.reason == "malformed"


WHOLE = {
    "length": (HEAD + b"Content-Length: 5\r\n\r\nhello", b"hello"),
    "length with zeros": (HEAD + b"Content-Length: 005\r\n\r\nhello", b"hello"),
    "length of zero": (HEAD + b"Content-Length: 0\r\n\r\n", b""),
    "chunks": (CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    "chunk sizes in capitals and with zeros": (CHUNKED + b"00A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    "chunks with line ends in them": (CHUNKED + b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n"),
    "chunks with trailers": (CHUNKED + b"1;a=b\r\nx\r\n0;c\r\nA: b\r\nC:\r\n\r\n", b"x"),
    "coding in capitals": (HEAD + b"Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", b""),
    "after informational answers": (b"HTTP/1.1 102 P\r\n\r\n" * 3 + HEAD + b"Content-Length: 1\r\n\r\nx", b"x"),
    "bytes beyond ASCII in a value": (HEAD + b"A: \xe4\r\nContent-Length: 1\r\n\r\nx", b"x"),
}


@pytest.mark.parametrize(("data", "body"), WHOLE.values(), ids=WHOLE.keys())
def test_an_answer_is_complete_with_its_last_byte_in_any_two_slices(data: bytes, body: bytes) -> None:
    for at in range(len(data)):
        reading = Reading("GET")
        for piece in (data[:at], data[at:-1]):
            if piece:
                reading.feed(piece)
            assert not reading.complete
        reading.feed(data[-1:])
        assert (reading.complete, reading.excess, reading.take()) == (True, False, body)


@pytest.mark.parametrize("extra", [b"\r\n", b"\n", b"\0", b"HTTP/1.1 200 OK\r\n\r\n"])
@pytest.mark.parametrize(("data", "body"), WHOLE.values(), ids=WHOLE.keys())
def test_bytes_after_an_answer_are_seen_and_are_no_part_of_it(data: bytes, body: bytes, extra: bytes) -> None:
    reading = Reading("GET")
    reading.feed(data + extra)
    assert (reading.complete, reading.excess, reading.take()) == (True, True, body)
