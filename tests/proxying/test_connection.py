"""One connection alone: an answer that overtakes its own request in the transport's buffer ends the connection."""

import asyncio
import socket

import pytest

from gateway.proxying.answer import HopAnswer
from gateway.proxying.connection import Connection
from gateway.proxying.reading import Reading
from tests.proxying.conftest import Run
from tests.proxying.conversation import OK


class _Keeping:
    """A keeper that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def recycle(self, connection: Connection) -> None:
        self.told.append("recycle")

    def forget(self, connection: Connection) -> None:
        self.told.append("forget")


class _Holding(asyncio.Transport):
    """A transport that holds back the last ``unsent`` bytes of what it was given."""

    def __init__(self, sock: socket.socket, unsent: int) -> None:
        super().__init__({"socket": sock})
        self._unsent = unsent

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert len(data) > self._unsent

    def get_write_buffer_size(self) -> int:
        return self._unsent

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        self._unsent = 0


@pytest.mark.parametrize(("unsent", "told"), [(0, ["recycle"]), (1, ["forget"])])
def test_a_connection_is_used_again_only_when_its_request_has_left(run: Run, unsent: int, told: list[str]) -> None:
    async def conversation() -> None:
        keeper = _Keeping()
        connection = Connection(keeper)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            connection.connection_made(_Holding(ours, unsent))
            answer = HopAnswer(connection, Reading("POST"), 1)
            connection.start(answer, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            connection.data_received(OK)
            assert keeper.told == told
            assert await answer.whole(10) == b"ok"

    run(conversation())
