"""What an upstream says in HTTP/2, good and bad, is heard the same in one piece and byte by byte."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterable

from h2.exceptions import H2Error
from hpack import Encoder

from gateway.errors import NotProcessed, OutcomeUnknown
from gateway.proxying.http2.hearing import Hearing
from gateway.proxying.http2.stream import Stream
from gateway.proxying.http2.traffic import Traffic
from tests.proxying.over_http2 import frame

_REQUEST = [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/")]
_FIELDS = [
    (b":status", b"200"),
    (b":status", b"103"),
    (b":status", b"101"),
    (b":status", b""),
    (b"content-length", b"3"),
    (b"content-length", b"x"),
    (b"a", b"b"),
    (b"", b""),
    (b":path", b"/"),
    (b"set-cookie", b"\xff"),
]
Heard = tuple[str, list[tuple[object, ...]]]


class _Wire:
    """A connection that takes everything."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.writable = asyncio.Event()
        self.writable.set()

    def write(self, data: bytes) -> None: ...

    def freed(self) -> None: ...

    def allows(self, calls: int) -> None: ...

    def leaves(self) -> None: ...


def _said(chance: random.Random) -> bytes:
    """Frames of every kind in any order, most of them such as a server sends, some of them with bytes changed."""
    encoder = Encoder()

    def head() -> bytes:
        fields = [_FIELDS[0] if chance.random() < 0.6 else chance.choice(_FIELDS)]
        return encoder.encode([*fields, *chance.choices(_FIELDS[1:], k=chance.randrange(3))])

    def number(*choices: int) -> bytes:
        return chance.choice(choices).to_bytes(4)

    def settings() -> bytes:
        each = (chance.randrange(9).to_bytes(2) + number(0, 1, 100, 16384, 1 << 31) for _ in range(chance.randrange(3)))
        return b"".join(each)

    makers: list[Callable[[], bytes]] = [
        lambda: bytes(chance.randrange(5)),  # DATA
        head,
        lambda: bytes(5),  # PRIORITY
        lambda: number(0, 7, 8),  # RST_STREAM
        settings,
        lambda: number(2) + head(),  # PUSH_PROMISE
        lambda: bytes(8),  # PING
        lambda: number(0, 1, 3, (1 << 31) - 1) + bytes(4),  # GOAWAY
        lambda: number(0, 1, (1 << 31) - 1),  # WINDOW_UPDATE
        head,  # CONTINUATION
        lambda: b"anything",
    ]
    said = bytearray(frame(4, 0, 0, b""))
    if chance.random() < 0.5:
        said += frame(1, chance.choice([4, 5]), chance.choice([1, 3, 5]), encoder.encode(_FIELDS[:1]))
    for _ in range(chance.randrange(1, 8)):
        kind = chance.choice([0, 0, 1, 1, 1, *range(len(makers))])
        connection = kind in (4, 6, 7) and chance.random() < 0.9
        stream = 0 if connection else chance.choice([1, 1, 1, 1, 3, 5, 0, 7])
        flags = 0 if connection else chance.choice([0, 1, 4, 4, 5, 5, chance.randrange(256)])
        said += frame(kind, flags, stream, makers[kind]())
    for _ in range(chance.choice([0, 0, 1, 3])):
        said[chance.randrange(len(said))] = chance.randrange(256)
    return bytes(said)


def _heard(slices: Iterable[bytes]) -> Heard:
    """What became of a connection, and of three calls on it."""
    wire = _Wire()
    traffic = Traffic(wire)
    hearing = Hearing(traffic, wire)
    streams = [Stream(traffic, method, 1, believes=True) for method in ("POST", "HEAD", "POST")]
    for stream in streams:
        traffic.admit(stream, _REQUEST, last=True)
        traffic.start(stream, None, None)
    how = "in order"
    try:
        for each in slices:
            hearing.hear(each)
    except (OutcomeUnknown, H2Error) as fault:
        how = type(fault).__name__
    return how, [_became(stream) for stream in streams]


def _became(stream: Stream) -> tuple[object, ...]:
    reading, fault = stream.reading, stream.answer._fault
    assert not (isinstance(fault, NotProcessed) and stream.begun), "answered, and believed to be unprocessed"
    return reading.head, reading.complete, reading.peek(), type(fault).__name__, str(fault)


def test_frames_are_heard_the_same_in_whatever_slices_they_come() -> None:
    async def conversations() -> None:
        seen: Counter[str] = Counter()
        for seed in range(800):
            said = _said(random.Random(seed))
            at_once = _heard([said])
            assert _heard(said[at : at + 1] for at in range(len(said))) == at_once, seed
            seen[at_once[0]] += 1
            seen.update("whole" if complete else str(fault) for _, complete, _, fault, _ in at_once[1])
        assert min(seen[each] for each in ("in order", "ProtocolError", "NotProcessed", "whole", "NoneType")) > 40, seen

    asyncio.run(conversations())
