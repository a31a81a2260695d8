"""Raw sockets, for callers that do not behave."""

import socket
import struct
from collections.abc import Callable

TIMEOUT = 20


def connect(port: int) -> socket.socket:
    """A connection to loopback."""
    return socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)


def exchange(port: int, data: bytes, *, half_close: bool = False) -> bytes:
    """Sends ``data`` and returns everything until the other side closes."""
    with connect(port) as connection:
        connection.sendall(data)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        return read_to_end(connection)


def read_to_end(connection: socket.socket) -> bytes:
    """Everything until the other side closes."""
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def hang_up(port: int, data: bytes, when: Callable[[], None]) -> None:
    """Sends ``data``, waits for ``when`` and resets the connection without reading."""
    with connect(port) as connection:
        connection.sendall(data)
        when()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def cut_short(port: int, data: bytes) -> bytes:
    """Sends ``data`` and no more; what was heard when the other side had closed too."""
    return exchange(port, data, half_close=True)
