"""The keys of an issuer, kept as they are published: read at the start, when they grow old, and for a new key's name.

One reading at a time, whoever wants it; a call waits for it ``PATIENCE`` at most. While the issuer does not answer, the
keys count on until they are ``max_age`` old; then there are none, and no token is verified. Refuses to know a token.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from gateway.callers.jwk import LARGEST_SET, IssuerKeys, read_keys
from gateway.policies.reconciling import Question, Told
from gateway.policies.routing import Target
from gateway.policies.tokens import KeyPlace, Tokens
from gateway.ports import Inquirer, Observer
from gateway.protocol.observations import InternalFault, TokenKeysRead, TokenKeysUnread

# Seconds: for which a call waits for keys; between two readings for the sake of names that are not known, which anybody
# can make up; and until the next after one that failed.
PATIENCE, PAUSE, AGAIN = 1.0, 10.0, 5.0

# For one reading altogether.
_LONGEST = timedelta(seconds=10)

# What one reading gives; ``ValueError`` with a sentence where it gives nothing.
Reading = Callable[[], Awaitable[bytes]]


class TokenKeys:
    """The keys of one issuer. ``generation`` changes with them."""

    def __init__(self, tokens: Tokens, reading: Reading, observer: Observer) -> None:
        self.generation = 0
        self._algorithms = tokens.algorithms
        self._refresh = tokens.keys.refresh.total_seconds()
        self._max_age = tokens.keys.max_age.total_seconds()
        self._reading = reading
        self._observer = observer
        self._document = b""
        self._keys: IssuerKeys = {}
        self._read_at = self._tried_at = float("-inf")
        self._fault = "never read"
        self._under_way: asyncio.Task[None] | None = None

    @property
    def usable(self) -> bool:
        """Whether there are keys that are not too old."""
        return bool(self._keys) and time.monotonic() - self._read_at < self._max_age

    async def find(self, name: str, algorithm: str) -> Any:  # noqa: ANN401 - a key, as the library has it
        """The key, or ``None`` where the issuer has no such one; ``LookupError`` where that cannot be known."""
        if (found := self._found(name, algorithm)) is not None:
            return found
        if self._under_way is not None or time.monotonic() - self._tried_at >= PAUSE:
            await asyncio.wait([self._read()], timeout=PATIENCE)
        if (found := self._found(name, algorithm)) is not None:
            return found
        if self._fault or self._under_way is not None:
            raise LookupError
        return None

    def _found(self, name: str, algorithm: str) -> Any:  # noqa: ANN401 - see above
        return self._keys.get((name, algorithm)) if self.usable else None

    async def keep_reading(self) -> None:
        """Reads them again and again; never ends by itself."""
        try:
            while True:
                await asyncio.wait([self._read()])
                await asyncio.sleep(min(AGAIN, self._refresh) if self._fault else self._refresh)
        finally:
            if self._under_way is not None:
                self._under_way.cancel()
                await asyncio.wait([self._under_way])

    def _read(self) -> asyncio.Task[None]:
        """The reading that is under way, or a new one."""
        if self._under_way is None:
            self._under_way = asyncio.create_task(self._take_in())
        return self._under_way

    async def _take_in(self) -> None:
        try:
            self._put_in(await self._reading())
        except ValueError as fault:
            self._failed(str(fault))
        except Exception as fault:  # noqa: BLE001 - told, and tried again
            self._observer.observe(InternalFault("", fault))
            self._failed("a fault of the gateway's own")
        finally:
            self._tried_at = time.monotonic()
            self._under_way = None

    def _put_in(self, document: bytes) -> None:
        """A set without a usable key counts too: an issuer may have taken back all of them."""
        if document != self._document:
            keys = read_keys(document, self._algorithms)
            if keys != self._keys:
                self._observer.observe(TokenKeysRead(len({name for name, _ in keys})))
            self._document, self._keys = document, keys
            self.generation += 1
        self._read_at = time.monotonic()
        if self._keys:
            self._fault = ""
        else:
            self._failed(f"the set has no key with a kid that is for {' or '.join(self._algorithms)}")

    def _failed(self, fault: str) -> None:
        if fault != self._fault:
            self._observer.observe(TokenKeysUnread(fault))
        self._fault = fault


def reading(place: KeyPlace, inquirer: Inquirer) -> Reading:
    """How the keys are read, as they are published."""
    return partial(_of_file, place.place) if place.target is None else partial(_of_url, place, place.target, inquirer)


async def _of_file(path: str) -> bytes:
    try:
        return await asyncio.to_thread(content_of, path)
    except OSError as fault:
        raise ValueError(f"the file cannot be read: {fault.strerror}") from None


def content_of(path: str) -> bytes:
    """What a file with keys holds; ``ValueError`` where that is too much."""
    with Path(path).open("rb") as file:
        content = file.read(LARGEST_SET + 1)
    if len(content) > LARGEST_SET:
        raise ValueError("the file is larger than 256KiB")
    return content


async def _of_url(place: KeyPlace, target: Target, inquirer: Inquirer) -> bytes:
    """No proxy, no redirect (laws A1 to A3 of ``ports.Inquirer``)."""
    told = await inquirer.ask(target, Question("GET", place.place, (), _LONGEST), LARGEST_SET)
    if not isinstance(told, Told):
        raise ValueError(f"no answer: {told.reason}")
    if told.status != 200:
        raise ValueError(f"the answer has status {told.status}")
    return told.body
