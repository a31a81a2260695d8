"""A listening socket and the uvicorn server behind it, started and stopped by whoever composes the gateway.

uvicorn's own ``serve`` owns signals and prints banners; here it only serves.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from typing import Any

import uvicorn

from gateway.edge.wire import GuardedProtocol
from gateway.errors import ConfigInvalid

BACKLOG = 2048

# At the end of the grace: how long answers already given may take to leave, in seconds.
LAST_WORDS = 0.5

# How long TLS may take to say goodbye to a caller who does not answer, in seconds.
FAREWELL = 2.0


def bind(host: str, port: int, option: str) -> socket.socket:
    """A socket that listens, or ``ConfigInvalid`` with what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except (OSError, OverflowError) as fault:
        listening.close()
        raise ConfigInvalid(f"{option}: cannot listen on {host}:{port}: {_why(fault)}") from fault
    listening.setblocking(False)
    return listening


def _why(fault: OSError | OverflowError) -> str:
    match fault:
        case OSError(errno=errno.EADDRINUSE):
            return "the address is in use. Stop the process that uses it, or choose another port."
        case OSError(errno=errno.EACCES):
            return "permission denied. Choose a port above 1023, or run with the right to use this one."
        case OSError(errno=errno.EADDRNOTAVAIL) | socket.gaierror():
            return "this machine has no such address. Choose one that it has, or 0.0.0.0 for all."
        case _:
            return f"{fault}."


def address_of(listening: socket.socket) -> str:
    """``host:port`` as bound."""
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Listener:
    """One listener: ``start`` serves; ``close``, ``finish`` and ``end`` are its orderly end, step by step."""

    def __init__(
        self,
        app: Callable[..., Any],
        listening: socket.socket,
        protocol: type[GuardedProtocol],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._socket = listening
        self._protocol = protocol
        self._looking: asyncio.TimerHandle | None = None
        self._pace = protocol.pace
        self._tls = tls
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=protocol,
                ws="none",
                loop="none",
                lifespan="off",
                interface="asgi3",
                access_log=False,
                log_config=None,
                proxy_headers=False,
                server_header=False,
                date_header=False,
            )
        )

    @property
    def address(self) -> str:
        """``host:port`` as bound."""
        return address_of(self._socket)

    async def start(self) -> None:
        """Serves from now on."""
        config = self._server.config
        config.load()
        self._server.lifespan = config.lifespan_class(config)
        loop = asyncio.get_running_loop()
        plain = self._tls is None
        server = await loop.create_server(
            self._connection,
            sock=self._socket,
            backlog=BACKLOG,
            ssl=self._tls,
            # A handshake is the first thing that a caller may draw out.
            ssl_handshake_timeout=None if plain else self._pace.head,
            ssl_shutdown_timeout=None if plain else FAREWELL,
        )
        self._server.servers = [server]
        self._looking = loop.call_later(self._pace.every, self._look, loop, loop.time())

    def _connection(self) -> GuardedProtocol:
        server = self._server
        return self._protocol(config=server.config, server_state=server.server_state, app_state={})

    def _look(self, loop: asyncio.AbstractEventLoop, before: float) -> None:
        """Looks after every connection. A loop that stood still was the gateway's fault, and is no caller's time."""
        now = loop.time()
        for connection in tuple(self._server.server_state.connections):
            if isinstance(connection, GuardedProtocol):
                connection.look(min(now - before, 2 * self._pace.every))
        self._looking = loop.call_later(self._pace.every, self._look, loop, now)

    def retire(self) -> None:
        """Serves on; from now on each connection ends behind its next answer."""
        self._protocol.retiring = True

    def close(self) -> None:
        """Accepts no more; idle connections end now, others with what they carry."""
        for server in self._server.servers:
            server.close()
        self._socket.close()
        for connection in list(self._server.server_state.connections):
            connection.shutdown()

    async def finish(self, grace: float, hurry: asyncio.Event | None = None) -> None:
        """Returns when the last connection has ended, at the latest after ``grace`` seconds or at ``hurry``."""
        ended = asyncio.create_task(self._all_ended())
        hurried = asyncio.create_task((hurry or asyncio.Event()).wait())
        await asyncio.wait([ended, hurried], timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        hurried.cancel()

    async def end(self) -> None:
        """Lets what was just said be heard, then breaks off every connection that is left."""
        await self.finish(LAST_WORDS)
        state = self._server.server_state
        for connection in list(state.connections):
            connection.transport.abort()
        if state.tasks:
            _, busy = await asyncio.wait(list(state.tasks), timeout=LAST_WORDS)
            for task in busy:
                task.cancel()
        if self._looking is not None:
            self._looking.cancel()

    async def stop(self, grace: float) -> None:
        """All three in turn."""
        self.close()
        await self.finish(grace)
        await self.end()

    async def _all_ended(self) -> None:
        state = self._server.server_state
        while state.connections or state.tasks:  # noqa: ASYNC110 - uvicorn tells nobody when one ends
            await asyncio.sleep(0.02)
