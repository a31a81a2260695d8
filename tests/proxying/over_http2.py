"""What conversations over HTTP/2 begin with: a hop that is closed afterwards, a target, an upstream's misbehaviour.

The upstream is ``tests.http2upstream``, in a thread of its own (fixture ``peer``); it logs a request before it answers.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from gateway.policies.routing import Target, Timeouts
from gateway.ports import Outgoing
from gateway.proxying.http2.hop import Http2Hop
from tests.http2upstream import Conversation
from tests.upstream import Logged, answer

OK = answer(200, b"ok")
Misbehaviour = Callable[[Conversation, int, Logged], bool]


def target(
    port: int,
    *,
    connect: float = 5,
    idle: float = 5,
    keep_alive: float = 30,
    most: int = 256,
    believe_refusals: bool = True,
) -> Target:
    return Target(
        "http",
        "127.0.0.1",
        port,
        timeouts=Timeouts(connect=timedelta(seconds=connect), idle=timedelta(seconds=idle)),
        keep_alive=timedelta(seconds=keep_alive),
        max_connections=most,
        http2=True,
        believe_refusals=believe_refusals,
    )


@asynccontextmanager
async def hopping() -> AsyncGenerator[Http2Hop, None]:
    hop = Http2Hop()
    try:
        yield hop
    finally:
        await hop.close()


async def whole(hop: Http2Hop, to: Target, request: Outgoing) -> bytes | None:
    return await (await hop.send(to, request)).whole(1 << 20)


def says(*fields: tuple[bytes, bytes]) -> Misbehaviour:
    """An answer of these fields and nothing else."""

    def misbehave(talk: Conversation, stream: int, _: Logged) -> bool:
        talk.engine.send_headers(stream, fields, end_stream=True)
        return True

    return misbehave


def frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return len(content).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + content
