"""One connection for everybody: commands go out as they come, answers come back in the same order.

Knows futures and their order. Commands of one turn of the loop, and those that arrive while a write waits for the
network, go out in one write; nobody waits for anybody's answer. Whoever stops waiting leaves a gap that its answer
still fills, so a cancelled call can never hand its answer to another one. Where the order could be in doubt (silence,
an answer to nothing, a broken connection) the line ends, and all who wait hear ``NoReply``: their commands may have
been executed. Nothing is sent again here.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from gateway.errors import StoreUnavailable
from gateway.stores.redis.faults import NoReply, ends_connection, translated
from gateway.stores.redis.wire import Reply, Wire, Word, packed

__all__ = ["Line", "Lines", "Reply", "Word"]


class Line:
    """A connection, while it lasts. ``patience``: seconds of silence that are borne where an answer is due."""

    def __init__(self, connection: AbstractConnection, patience: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._patience = patience
        self._unwritten: list[tuple[bytes, asyncio.Future[Reply]]] = []
        self._expected: deque[asyncio.Future[Reply]] = deque()
        # When the last answer came, or the first command after it went.
        self._heard_at = 0.0
        self._silence: asyncio.TimerHandle | None = None
        self._fault: StoreUnavailable | None = None
        self._closing: asyncio.Task[None] | None = None
        self._wire = Wire(connection, self._heard, self._lost, self._write)

    @property
    def ended(self) -> bool:
        """Whether another one is needed."""
        return self._fault is not None

    def ask(self, words: Sequence[Word]) -> asyncio.Future[Reply]:
        """The answer to one command, once it comes."""
        if self._fault is not None:
            raise self._fault
        if not self._unwritten:
            self._loop.call_soon(self._write)
        answer: asyncio.Future[Reply] = self._loop.create_future()
        self._unwritten.append((packed(words), answer))
        return answer

    def end(self, fault: StoreUnavailable) -> None:
        """Tells all who wait, and closes the connection."""
        if self._fault is not None:
            return
        self._fault = fault
        if self._silence is not None:
            self._silence.cancel()
        for answer in (*self._expected, *(answer for _, answer in self._unwritten)):
            if not answer.done():
                answer.set_exception(fault)
        self._unwritten.clear()
        self._closing = self._loop.create_task(self._wire.close())

    async def close(self) -> None:
        """Ends the line, and returns when its connection is closed."""
        self.end(StoreUnavailable("the store is closed"))
        if self._closing is not None:
            await asyncio.wait([self._closing])

    def _write(self) -> None:
        if self._wire.full or self._fault is not None:
            return
        # One whose caller has gone before it was written is not written.
        batch = [each for each in self._unwritten if not each[1].done()]
        self._unwritten.clear()
        if not batch:
            return
        if not self._expected:
            self._heard_at = self._loop.time()
        self._expected.extend([answer for _, answer in batch])
        self._wire.write(b"".join([command for command, _ in batch]))
        if self._silence is None:
            self._silence = self._loop.call_at(self._heard_at + self._patience, self._listen)

    def _listen(self) -> None:
        """Ends the line where an answer is due and none has come for so long: a busy server may be slow, not silent."""
        self._silence = None
        if not self._expected:
            return
        if self._loop.time() - self._heard_at >= self._patience:
            self.end(NoReply("the Redis does not answer in time"))
        else:
            self._silence = self._loop.call_at(self._heard_at + self._patience, self._listen)

    def _heard(self, reply: Reply | RedisError) -> None:
        if self._fault is not None:
            return
        if not self._expected:
            self.end(NoReply("the Redis answered what nobody asked"))
            return
        self._heard_at = self._loop.time()
        answer = self._expected.popleft()
        if not isinstance(reply, RedisError):
            if not answer.done():
                answer.set_result(reply)
            return
        if not answer.done():
            answer.set_exception(translated(reply))
        if ends_connection(reply):
            self._lost(reply)

    def _lost(self, error: Exception) -> None:
        fault = translated(error)
        self.end(fault if isinstance(fault, StoreUnavailable) else NoReply(str(fault)))


class Lines:
    """The line in use, and another when it ends."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[AbstractConnection]],
        prepare: Sequence[tuple[Word, ...]],
        patience: float,
        prepared: Callable[[Sequence[Reply]], None] = lambda _: None,
    ) -> None:
        """``prepare``: asked on each new line first; ``patience``: seconds of silence that are borne.

        ``prepared``: told the answers to ``prepare`` before anything else is asked on that line.
        """
        self._connect = connect
        self._prepare = prepare
        self._patience = patience
        self._prepared = prepared
        self._line: Line | None = None
        self._opening: asyncio.Task[Line] | None = None
        self._closed = False

    def ask(self, *words: Word) -> Awaitable[Reply]:
        """The answer to one command; ``NoReply`` where the line fell silent, and is given up.

        Whoever stops waiting for it may have gone; others hear of the silence that made him go.
        """
        line = self._line
        if line is None or line.ended:
            return self._ask_another(words)
        return line.ask(words)

    async def _ask_another(self, words: Sequence[Word]) -> Reply:
        try:
            line = await self._opened()
        except StoreUnavailable as fault:
            # Before there is a line, nothing is asked on it.
            fault.unsure = False
            raise
        return await line.ask(words)

    async def close(self) -> None:
        """Afterwards nothing is asked."""
        self._closed = True
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        if self._line is not None:
            await self._line.close()

    async def _opened(self) -> Line:
        """A new line, opened once for all who want it; one of them who gives up does not end it for the others."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
            self._opening.add_done_callback(self._opening_done)
        return await asyncio.shield(self._opening)

    def _opening_done(self, opening: asyncio.Task[Line]) -> None:
        self._opening = None
        # Looked at here, for all who wanted it may have gone.
        if not opening.cancelled() and opening.exception() is None:
            self._line = opening.result()

    async def _open(self) -> Line:
        try:
            async with asyncio.timeout(self._patience):
                line = Line(await self._connect(), self._patience)
                try:
                    self._prepared(await asyncio.gather(*(line.ask(words) for words in self._prepare)))
                except BaseException:
                    line.end(NoReply("the line was given up before it was ready"))
                    raise
                return line
        except TimeoutError:
            raise NoReply("the Redis does not answer in time") from None
