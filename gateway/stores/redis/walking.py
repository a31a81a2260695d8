"""A walk over every record, in steps that claims get in between: what is asked once in a rotation has no index.

Knows that whatever is there from the beginning of a walk to its end is met on it (SCAN), and that a record may be met
twice. Refuses to know what a record says.
"""

from collections.abc import AsyncIterator, Sequence

from gateway.stores.redis.layout import PREFIX
from gateway.stores.redis.trips import Ask

# Keys looked at in one step, some tenths of a millisecond.
_STEP = 500
_LENGTH = len(PREFIX) + 32

# Where a walk begins and ends.
FIRST = b"0"


async def made_with(ask: Ask, name: bytes) -> bool:
    """Whether there are records whose ids begin so."""
    async for keys in record_keys(ask, name):
        if keys:
            return True
    return False


async def record_keys(ask: Ask, name: bytes = b"") -> AsyncIterator[Sequence[bytes]]:
    """The keys of records whose ids begin so, step by step; a step may bring none."""
    cursor = FIRST
    while True:
        cursor, keys = await some_keys(ask, cursor, _STEP, name)
        yield keys
        if cursor == FIRST:
            return


async def some_keys(ask: Ask, cursor: bytes, count: int, name: bytes = b"") -> tuple[bytes, Sequence[bytes]]:
    """One step, of about ``count`` keys: where the next one begins (``FIRST``: there is none), and those of records."""
    pattern = PREFIX + b"".join(b"\\" + bytes([each]) for each in name) + b"*"
    cursor, keys = await ask("SCAN", cursor, "MATCH", pattern, "COUNT", count)
    return cursor, [key for key in keys if len(key) == _LENGTH]
