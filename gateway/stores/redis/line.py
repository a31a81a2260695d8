"""One connection for everybody: commands go out as they come, answers come back in the same order.

Knows futures and their order. Commands of one turn of the loop, and those that arrive while a write waits for the
network, go out in one write; nobody waits for anybody's answer. Whoever stops waiting leaves a gap that its answer
still fills, so a cancelled call can never hand its answer to another one. Where the order could be in doubt (silence,
an answer to nothing, a broken connection) the line ends, and all who wait hear ``NoReply``: their commands may have
been executed. Nothing is sent again here.
"""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError

from gateway.errors import StoreUnavailable
from gateway.stores.redis.connecting import hang_up
from gateway.stores.redis.faults import NoReply, ends_connection, translated

Word: TypeAlias = bytes | str | int
Reply: TypeAlias = Any


class Line:
    """A connection, while it lasts."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection
        self._unwritten: deque[tuple[tuple[Word, ...], asyncio.Future[Reply]]] = deque()
        self._expected: deque[asyncio.Future[Reply]] = deque()
        self._wanted = asyncio.Event()
        # When the last answer came, or the first command after it went.
        self._heard = 0.0
        self._fault: StoreUnavailable | None = None
        self._life = asyncio.create_task(self._live())

    @property
    def ended(self) -> bool:
        """Whether another one is needed."""
        return self._fault is not None

    def ask(self, *words: Word) -> asyncio.Future[Reply]:
        """The answer to one command, once it comes."""
        if self._fault is not None:
            raise self._fault
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._unwritten.append((words, answer))
        self._wanted.set()
        return answer

    def end(self, fault: StoreUnavailable) -> None:
        """Tells all who wait, and closes the connection."""
        if self._fault is not None:
            return
        self._fault = fault
        for answer in (*self._expected, *(answer for _, answer in self._unwritten)):
            if not answer.done():
                answer.set_exception(fault)
        self._life.cancel()

    def end_if_silent(self, patience: float) -> None:
        """Ends the line where an answer is due and none has come for so long: a busy server may be slow, not silent."""
        if self._expected and asyncio.get_running_loop().time() - self._heard >= patience:
            self.end(NoReply("the Redis does not answer in time"))

    async def close(self) -> None:
        """Ends the line, and returns when its connection is closed."""
        self.end(StoreUnavailable("the store is closed"))
        await asyncio.wait([self._life])

    async def _live(self) -> None:
        writing = asyncio.create_task(self._write())
        try:
            await self._read()
        except (RedisError, OSError) as error:
            fault = translated(error)
            self.end(fault if isinstance(fault, StoreUnavailable) else NoReply(str(fault)))
        finally:
            writing.cancel()
            await hang_up(self._connection)

    async def _write(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            # One whose caller has gone before it was written is not written.
            batch = [each for each in self._unwritten if not each[1].done()]
            self._unwritten.clear()
            if not self._expected:
                self._heard = asyncio.get_running_loop().time()
            self._expected.extend(answer for _, answer in batch)
            pieces = [piece for words, _ in batch for piece in self._connection.pack_command(*words)]
            try:
                await self._connection.send_packed_command(pieces, check_health=False)
            except (RedisError, OSError) as error:
                self.end(NoReply(str(translated(error))))
                return

    async def _read(self) -> None:
        while True:
            reply, fault = None, None
            try:
                reply = await self._connection.read_response(timeout=math.inf, disconnect_on_error=False)
            except ResponseError as error:
                fault = error
            if not self._expected:
                self.end(NoReply("the Redis answered what nobody asked"))
                return
            self._heard = asyncio.get_running_loop().time()
            answer = self._expected.popleft()
            if not answer.done():
                if fault is None:
                    answer.set_result(reply)
                else:
                    answer.set_exception(translated(fault))
            if fault is not None and ends_connection(fault):
                raise fault


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

    async def ask(self, *words: Word) -> Reply:
        """The answer to one command; ``NoReply`` where the line fell silent, and is given up."""
        try:
            line = self._line if self._line is not None and not self._line.ended else await self._opened()
        except StoreUnavailable as fault:
            # Before there is a line, nothing is asked on it.
            fault.unsure = False
            raise
        answer = line.ask(*words)
        try:
            while not answer.done():
                await asyncio.wait({answer}, timeout=self._patience)
                line.end_if_silent(self._patience)
            return answer.result()
        finally:
            # Whoever asked may have gone; others may hear of the silence that made him go.
            answer.cancel()
            line.end_if_silent(self._patience)

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
                line = Line(await self._connect())
                try:
                    self._prepared(await asyncio.gather(*(line.ask(*words) for words in self._prepare)))
                except BaseException:
                    line.end(NoReply("the line was given up before it was ready"))
                    raise
                return line
        except TimeoutError:
            raise NoReply("the Redis does not answer in time") from None
