"""Answers so large that to compress, to seal and to open them would hold up every other call: a thread does it.

Knows sizes. zstd, AES and BLAKE2 let go of the interpreter while they work, so that the loop goes on meanwhile; for a
small answer the way to a thread and back would cost more than the work.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from gateway.protocol.model import Complete, NotKept, Settlement, StoredResponse

Result = TypeVar("Result")

# Bytes of a body. What is done with so many takes about a millisecond.
LARGE = 256 * 1024


def size_of(answer: StoredResponse | NotKept) -> int:
    """The bytes of the body that is kept."""
    return len(answer.body) if isinstance(answer, StoredResponse) else 0


def kept_by(settlement: Settlement) -> int:
    """Those that a settlement brings along."""
    return size_of(settlement.answer) if isinstance(settlement, Complete) else 0


async def aside(size: int, work: Callable[[], Result]) -> Result:
    """``work``, in a thread where it is about ``size`` bytes that are many."""
    return work() if size < LARGE else await asyncio.to_thread(work)
