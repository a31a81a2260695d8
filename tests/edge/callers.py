"""Callers that take their time."""

import select
import socket
import time
from collections.abc import Callable

from tests.raw import read_to_end
from tests.stage import Stage

LARGE = bytes(range(256)) * 40_000


def drip(connection: socket.socket, piece: bytes, every: float) -> bytes:
    """Sends ``piece`` again and again until the other side answers or closes; what it said."""
    while not select.select([connection], [], [], every)[0]:
        connection.sendall(piece)
    return read_to_end(connection)


def too_slow(stage: Stage, at: str) -> float:
    return stage.metric(f'idempotency_gateway_too_slow_total{{at="{at}"}}')


def reader(port: int, request: bytes) -> socket.socket:
    """A caller that has asked and does not read; the kernel takes little for it."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(20)
    connection.connect(("127.0.0.1", port))
    connection.sendall(request)
    return connection


def until(holds: Callable[[], bool]) -> None:
    """Returns when it holds; asking costs a call, so nothing spins."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "it never came to that"
