"""Counts what the interpreter executes for one call: instructions and function entries, by function.

Knows frames and their code. The same course of things executes the same instructions on any machine and under any load,
which no clock does. Refuses to know what is called: who measures says which files are the instrument's own.
"""

import gc
import statistics
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

# Entries (a coroutine that goes on counts as one) and instructions.
Cost = tuple[int, int]
ByFunction = dict[str, Cost]


@dataclass(frozen=True, slots=True)
class Counted:
    """What one call costs. ``blocks`` of memory are left behind by it; ``cyclic`` objects of those only the collector
    of cycles would free."""

    functions: ByFunction
    blocks: int
    cyclic: int

    @property
    def entries(self) -> int:
        """All functions entered."""
        return sum(entries for entries, _ in self.functions.values())

    @property
    def instructions(self) -> int:
        """All instructions executed."""
        return sum(instructions for _, instructions in self.functions.values())


class Tracer:
    """Counts in this thread while it is entered; ``own`` says which files are the instrument's."""

    def __init__(self, own: Callable[[str], bool]) -> None:
        self._own = own
        self._entries: Counter[str] = Counter()
        self._instructions: Counter[str] = Counter()
        self._names: dict[Any, str | None] = {}

    def __enter__(self) -> "Tracer":
        sys.settrace(self._entered)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def counted(self) -> ByFunction:
        """What was counted so far."""
        return {name: (entries, self._instructions[name]) for name, entries in self._entries.items()}

    def _entered(self, frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
        code = frame.f_code
        if code not in self._names:
            own = self._own(code.co_filename)
            self._names[code] = None if own else f"{frame.f_globals.get('__name__')}.{code.co_qualname}"
        name = self._names[code]
        if name is None or event != "call":
            return None
        self._entries[name] += 1
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        instructions = self._instructions

        def executed(_frame: FrameType, happened: str, _: object) -> Any:  # noqa: ANN401 - itself
            if happened == "opcode":
                instructions[name] += 1
            return executed

        return executed


async def counted(call: Callable[[], Awaitable[None]], own: Callable[[str], bool], times: int) -> Counted:
    """The middle one of ``times`` calls: what happens beside a call now and then is no part of it.

    ``call`` has come to its end, everywhere, when it returns, and has been made often enough before.
    """
    traced: list[ByFunction] = []
    for _ in range(times):
        tracer = Tracer(own)
        with tracer:
            await call()
        traced.append(tracer.counted())
    traced.sort(key=lambda functions: sum(instructions for _, instructions in functions.values()))
    return Counted(traced[len(traced) // 2], *await _left_behind(call, times))


async def _left_behind(call: Callable[[], Awaitable[None]], times: int) -> tuple[int, int]:
    """Blocks of memory that a call leaves behind, and objects that only the collector of cycles frees."""
    gc.collect()
    gc.disable()
    try:
        blocks: list[int] = []
        for _ in range(2 * times):
            before = sys.getallocatedblocks()
            await call()
            blocks.append(sys.getallocatedblocks() - before)
        cyclic = gc.collect() // (2 * times)
    finally:
        gc.enable()
    return round(_middle(blocks)), cyclic


def _middle(numbers: Sequence[int]) -> float:
    return statistics.median(numbers)
