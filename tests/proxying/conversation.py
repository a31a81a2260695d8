"""What most conversations with the hop begin with: a hop that is closed afterwards, and a request."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager

from gateway.ports import Outgoing
from gateway.proxying.hop import Hop

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def hopping() -> AsyncGenerator[Hop, None]:
    hop = Hop()
    try:
        yield hop
    finally:
        await hop.close()


def asking(
    method: str = "POST",
    body: Iterable[bytes] | AsyncIterator[bytes] | None = (b"pay",),
    *,
    headers: tuple[tuple[bytes, bytes], ...] = (),
    target: bytes = b"/charges",
    length: int | None = None,
) -> Outgoing:
    return Outgoing(method, target, headers, body, length)
