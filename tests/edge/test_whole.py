"""An answer written at once is written only where it is plain: as many lines as fields, and its length said."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from gateway.edge.whole import write
from gateway.protocol.headers import Header


@dataclass
class Flow:
    write_paused: bool = False


@dataclass
class Cycle:
    """What of uvicorn's cycle is used, as a transport too, and as the event that ends a wait."""

    disconnected: bool = False
    response_started: bool = False
    response_complete: bool = False
    waiting_for_100_continue: bool = True
    keep_alive: bool = True
    flow: Flow = field(default_factory=Flow)
    scope: dict[str, Any] = field(default_factory=lambda: {"method": "POST"})
    written: bytes = b""
    happened: list[str] = field(default_factory=list[str])

    @property
    def transport(self) -> "Cycle":
        return self

    message_event = transport

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.happened.append("closed")

    def set(self) -> None:
        self.happened.append("told")

    def on_response(self) -> None:
        self.happened.append("over")


def written(cycle: Cycle, *fields: Header, body: bytes = b"{}", close: bool = False) -> bool:
    data = write(cast("RequestResponseCycle", cycle), 201, fields, body, close=close)
    assert data == cycle.written
    return bool(data)


LENGTH = (b"Content-Length", b"2")


def test_a_plain_answer_is_one_write() -> None:
    cycle = Cycle()
    assert written(cycle, (b"X-A", b"1"), LENGTH, (b"X-A", b"2"))
    assert cycle.written == b"HTTP/1.1 201 Created\r\nx-a: 1\r\ncontent-length: 2\r\nx-a: 2\r\n\r\n{}"
    assert (cycle.happened, cycle.response_complete, cycle.keep_alive) == (["told", "over"], True, True)


@pytest.mark.parametrize("close", [True, False])
def test_a_connection_that_ends_says_so_once_and_is_closed(*, close: bool) -> None:
    cycle = Cycle(keep_alive=close)
    assert written(cycle, LENGTH, *([(b"Connection", b"close")] if close else []), close=close)
    assert cycle.written.count(b"connection: close\r\n") == 1
    assert cycle.happened == ["told", "closed", "over"]


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [(b"X-Content-Length", b"2")],
        [(b"Content-Length", b"3")],
        [LENGTH, (b"X", b"1\r\nSet-Cookie: a=b")],
        [LENGTH, (b"X", b"1\nSet-Cookie: a=b")],
        [LENGTH, (b"X", b"1\r")],
        [LENGTH, (b"X\r\nY", b"1")],
        [LENGTH, (b"X", b"\0")],
        [LENGTH, (b"X", b"\x1b[2J")],
    ],
)
def test_what_is_not_plain_is_not_written_at_once(fields: list[Header]) -> None:
    cycle = Cycle()
    assert not written(cycle, *fields)
    assert (cycle.written, cycle.happened, cycle.response_started) == (b"", [], False)


@pytest.mark.parametrize(
    "cycle",
    [
        Cycle(disconnected=True),
        Cycle(response_started=True),
        Cycle(flow=Flow(write_paused=True)),
        Cycle(scope={"method": "HEAD"}),
    ],
)
def test_nothing_is_written_where_nobody_takes_it_or_an_answer_has_begun(cycle: Cycle) -> None:
    assert not written(cycle, LENGTH)
    assert cycle.written == b""
