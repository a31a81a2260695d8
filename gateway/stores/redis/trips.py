"""What the parts of the store ask with: one command, one answer, one trip."""

from collections.abc import Awaitable
from typing import Protocol

from gateway.stores.redis.line import Reply, Word
from gateway.stores.redis.scripts import Script

__all__ = ["Ask", "Reply", "Word", "run"]


class Ask(Protocol):
    """Asks one command once."""

    def __call__(self, *words: Word) -> Awaitable[Reply]:
        """The answer; a fault of ``StoreUnavailable``'s kind where there is none."""
        ...


def run(ask: Ask, script: Script, key: bytes | None, *arguments: Word) -> Awaitable[Reply]:
    """The answer of a script that was loaded when the line was opened."""
    keys: tuple[Word, ...] = (0,) if key is None else (1, key)
    return ask("EVALSHA", script.sha, *keys, *arguments)
