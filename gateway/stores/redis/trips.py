"""What the parts of the store ask with: one command, one answer, one trip."""

from collections.abc import Awaitable, Sequence
from typing import Protocol

from gateway.stores.redis.line import Reply, Word
from gateway.stores.redis.scripts import Script

__all__ = ["Ask", "Reply", "Word", "run", "run_over"]


class Ask(Protocol):
    """Asks one command once."""

    def __call__(self, *words: Word) -> Awaitable[Reply]:
        """The answer; a fault of ``StoreUnavailable``'s kind where there is none."""
        ...


def run(ask: Ask, script: Script, key: bytes | None, *arguments: Word) -> Awaitable[Reply]:
    """The answer of a script that was loaded when the line was opened."""
    keys: tuple[Word, ...] = (0,) if key is None else (1, key)
    return ask("EVALSHA", script.sha, *keys, *arguments)


def run_over(ask: Ask, script: Script, keys: Sequence[bytes], *arguments: Word) -> Awaitable[Reply]:
    """The same for a script that takes any number of keys."""
    return ask("EVALSHA", script.sha, len(keys), *keys, *arguments)
