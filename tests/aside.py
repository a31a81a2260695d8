"""A server of streams in a thread of its own, which has ended with every connection when its block has."""

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextmanager
def aside(handle: Handle, port: int = 0, context: ssl.SSLContext | None = None) -> Generator[int]:
    """The port on loopback where ``handle`` serves, over TLS where ``context`` is given."""
    loop = asyncio.new_event_loop()
    started, stop, bound = threading.Event(), asyncio.Event(), [0]
    # A loop knows a connection only while it is read or written, and a task not at all: those that wait are kept here.
    under_way: set[asyncio.Task[Any] | None] = set()
    writers: WeakSet[asyncio.StreamWriter] = WeakSet()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        under_way.add(task)
        writers.add(writer)
        try:
            await handle(reader, writer)
        finally:
            under_way.discard(task)

    async def serve() -> None:
        server = await asyncio.start_server(accepted, "127.0.0.1", port, limit=1 << 20, ssl=context)
        bound[0] = server.sockets[0].getsockname()[1]
        started.set()
        await stop.wait()
        server.close()
        await _end(writers)

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(10)
    try:
        yield bound[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


async def _end(writers: WeakSet[asyncio.StreamWriter]) -> None:
    """One that was accepted at the last moment begins only now; what was not taken by then is not waited for."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in others:
            task.cancel()
        await asyncio.wait(others)
    for writer in list(writers):
        writer.transport.abort()
    for _ in range(3):
        await asyncio.sleep(0)
