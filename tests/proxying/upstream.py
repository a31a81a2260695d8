"""An upstream that does what it is told, byte for byte, on raw sockets in the test's own loop.

A script is an async function over one ``Line``, an accepted connection; the n-th connection runs the n-th script, and
the last script serves all that follow. What was asked is kept in ``requests`` as raw bytes, in order of arrival.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from gateway.policies.routing import Target, Timeouts


class Line:
    """One accepted connection. Methods without ``await`` act at once, before the loop of the hop can notice."""

    def __init__(self, sock: socket.socket, requests: list[bytes]) -> None:
        self._sock = sock
        self._requests = requests
        self._heard = bytearray()
        self._loop = asyncio.get_running_loop()

    async def request(self) -> bytes:
        """Reads one request, head and body, and records it. A connection that ends first raises ``EOFError``."""
        while (end := self._heard.find(b"\r\n\r\n") + 4) < 4:
            await self._more()
        fields = bytes(self._heard[:end]).lower()
        if b"transfer-encoding: chunked" in fields:
            while not self._heard.endswith(b"0\r\n\r\n"):
                await self._more()
        elif b"content-length: " in fields:
            length = int(fields.split(b"content-length: ")[1].split(b"\r\n")[0])
            while len(self._heard) < end + length:
                await self._more()
        self._requests.append(bytes(self._heard))
        self._heard.clear()
        return self._requests[-1]

    async def _more(self) -> None:
        data = await self._loop.sock_recv(self._sock, 65536)
        if not data:
            raise EOFError
        self._heard += data

    async def readable(self) -> None:
        """Returns when bytes have arrived, without reading them."""
        ready = asyncio.Event()
        self._loop.add_reader(self._sock.fileno(), ready.set)
        await ready.wait()
        self._loop.remove_reader(self._sock.fileno())

    async def everything(self) -> bytes:
        """All bytes until the hop has ended the connection."""
        heard = bytearray(self._heard)
        try:
            while data := await self._loop.sock_recv(self._sock, 65536):
                heard += data
        except ConnectionError:
            pass
        return bytes(heard)

    async def hung_up(self) -> None:
        """Returns when the hop has ended the connection."""
        await self.everything()

    async def say(self, data: bytes) -> None:
        await self._loop.sock_sendall(self._sock, data)

    def say_now(self, data: bytes) -> None:
        self._sock.send(data)

    def finish(self) -> None:
        """Sends the end of file, and goes on reading."""
        self._sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()

    def close(self) -> None:
        self._sock.close()


Script = Callable[[Line], Awaitable[None]]


@dataclass(slots=True)
class Upstream:
    """The listening side: where it is, what it heard, how many connections came."""

    port: int
    requests: list[bytes] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    def target(
        self,
        *,
        keep_alive: float = 30,
        max_connections: int = 256,
        connect: float = 5,
        idle: float = 5,
        scheme: str = "http",
    ) -> Target:
        return Target(
            scheme,
            "127.0.0.1",
            self.port,
            timeouts=Timeouts(connect=timedelta(seconds=connect), idle=timedelta(seconds=idle)),
            keep_alive=timedelta(seconds=keep_alive),
            max_connections=max_connections,
        )


def replies(*answers: bytes) -> Script:
    """Answers one request after the other with the given bytes, then waits to be left."""

    async def script(line: Line) -> None:
        for answer in answers:
            await line.request()
            await line.say(answer)
        await line.hung_up()

    return script


async def _serve(listener: socket.socket, upstream: Upstream, scripts: tuple[Script, ...]) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as running:
        while True:
            sock, _ = await loop.sock_accept(listener)
            sock.setblocking(False)
            line = Line(sock, upstream.requests)
            script = scripts[min(len(upstream.lines), len(scripts) - 1)]
            upstream.lines.append(line)
            running.create_task(_play(script, line))


async def _play(script: Script, line: Line) -> None:
    try:
        await script(line)
    except (EOFError, ConnectionError):
        return  # the hop has hung up: for the test to judge, not for the script
    finally:
        line.close()


@asynccontextmanager
async def serving(*scripts: Script) -> AsyncGenerator[Upstream, None]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        upstream = Upstream(listener.getsockname()[1])
        server = asyncio.create_task(_serve(listener, upstream, scripts))
        try:
            yield upstream
        finally:
            server.cancel()
            await asyncio.wait([server])
