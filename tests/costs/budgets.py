"""What each course may cost, as it was written down with the code, and what is said where it costs something else.

Knows numbers and their growth. A course that costs more fails, and shows which functions grew; one that costs much less
fails too, until the lower number is written down, so that no later change spends it unseen. Each version of Python
counts its own instructions, and has a file of its own.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.costs.counting import ByFunction, Counted

FILE = Path(__file__).parent / f"budgets-{sys.version_info.major}.{sys.version_info.minor}.tsv"
WRITE = "python -m tests.costs --write"

# Parts of a budget: how much more is no growth worth a word, and how much less is worth writing down. Counts do not
# waver, so that little is much: whoever looks through a request's fields once more is told.
GROWTH = 0.01
SHRINKAGE = 0.02
# Blocks are what caches and free lists happen to keep, give or take.
BLOCKS = 4

# Functions below this, in instructions a call, are written down together.
SMALL = 40
OTHERS = "(others)"
_GROWERS = 12


@dataclass(frozen=True, slots=True)
class Budget:
    """The totals, and how the instructions were spread."""

    instructions: int
    entries: int
    blocks: int
    cyclic: int
    functions: ByFunction


def budget_of(counted: Counted) -> Budget:
    """A budget of just what was counted."""
    shown = {name: cost for name, cost in counted.functions.items() if cost[1] >= SMALL}
    rest = [cost for cost in counted.functions.values() if cost[1] < SMALL]
    shown[OTHERS] = sum(entries for entries, _ in rest), sum(instructions for _, instructions in rest)
    return Budget(counted.instructions, counted.entries, counted.blocks, counted.cyclic, shown)


def write(counted: Mapping[str, Counted]) -> None:
    """Makes budgets of what was counted."""
    lines = ["course\tfunction\tentries\tinstructions"]
    for course, budget in ((name, budget_of(each)) for name, each in counted.items()):
        lines.append(f"{course}\t(left behind: blocks, cyclic objects)\t{budget.blocks}\t{budget.cyclic}")
        lines += [f"{course}\t{name}\t{cost[0]}\t{cost[1]}" for name, cost in sorted(budget.functions.items())]
    FILE.write_text("\n".join(lines) + "\n")


def read() -> Mapping[str, Budget]:
    """The budgets that were written down; none for a version of Python that has no file."""
    if not FILE.exists():
        return {}
    rows: dict[str, dict[str, tuple[int, int]]] = {}
    for line in FILE.read_text().splitlines()[1:]:
        course, function, first, second = line.split("\t")
        rows.setdefault(course, {})[function] = int(first), int(second)
    return {course: _budget(functions) for course, functions in rows.items()}


def _budget(rows: dict[str, tuple[int, int]]) -> Budget:
    (left,) = [name for name in rows if name.startswith("(left behind")]
    blocks, cyclic = rows.pop(left)
    entries, instructions = (sum(row[part] for row in rows.values()) for part in (0, 1))
    return Budget(instructions, entries, blocks, cyclic, rows)


def complaint(course: str, budget: Budget | None, counted: Counted) -> str:
    """What is wrong with the cost of a course, and what to do; empty where it is as budgeted."""
    if budget is None:
        return f"{course}: no budget for it in {FILE.name}; write one: {WRITE}"
    now = budget_of(counted)
    if now.instructions > budget.instructions * (1 + GROWTH):
        verb, advice = "takes more than its budget", f"Make it cheaper; or, where it is worth it, say so and {WRITE}"
    elif now.blocks > budget.blocks + BLOCKS or now.cyclic > budget.cyclic:
        verb, advice = (
            "leaves more behind than its budget",
            f"Find what holds it; or, where it must, say so and {WRITE}",
        )
    elif now.instructions < budget.instructions * (1 - SHRINKAGE) or now.cyclic < budget.cyclic:
        verb, advice = "takes less than its budget", f"Keep what was won: {WRITE}"
    else:
        return ""
    lines = [f"{course} {verb}. {advice}.", *_totals(budget, now), *_growers(budget, now)]
    return "\n".join(lines)


def _totals(was: Budget, now: Budget) -> Iterator[str]:
    yield f"{'was':>8}{'is':>8}{'change':>9}"
    for name in ("instructions", "entries", "blocks", "cyclic"):
        yield _row(getattr(was, name), getattr(now, name), f"{name} a call")


def _growers(was: Budget, now: Budget) -> Iterator[str]:
    names = was.functions.keys() | now.functions.keys()
    none = (0, 0)
    moved = {name: (was.functions.get(name, none)[1], now.functions.get(name, none)[1]) for name in names}
    ranked = sorted(moved.items(), key=lambda each: (-abs(each[1][1] - each[1][0]), each[0]))
    for name, (before, after) in ranked[:_GROWERS]:
        if before != after:
            yield _row(before, after, name)


def _row(was: int, now: int, name: str) -> str:
    return f"{was:>8,}{now:>8,}{now - was:>+9,}  {name}"


def table(counted: Mapping[str, Counted]) -> Iterator[str]:
    """What everything costs, for people."""
    yield f"{'':36}{'instructions':>13}{'entries':>9}{'blocks':>8}{'cyclic':>8}"
    for course, each in counted.items():
        yield f"{course:36}{each.instructions:>13,}{each.entries:>9,}{each.blocks:>8}{each.cyclic:>8}"


# Whose instructions are told apart: the gateway's own by room, and these libraries'. All others are small.
_LIBRARIES = ("uvicorn", "sqlalchemy", "asyncpg")


def rooms(counted: Mapping[str, Counted]) -> list[str]:
    """Instructions of each course by room and library, for people; where most is spent first."""
    spent = {name: _by_room(each) for name, each in counted.items()}
    ranked = [room for room, _ in sum(spent.values(), Counter[str]()).most_common()]
    width = max(map(len, spent))
    lines = [" " * width + "".join(f"{room:>12}" for room in ranked)]
    return lines + [
        f"{name:<{width}}" + "".join(f"{each[room]:>12,}" for room in ranked) for name, each in spent.items()
    ]


def _by_room(counted: Counted) -> Counter[str]:
    found: Counter[str] = Counter()
    for function, (_, instructions) in counted.functions.items():
        library, _, rest = function.partition(".")
        room = rest.partition(".")[0] if library == "gateway" else library if library in _LIBRARIES else "Python"
        found[room] += instructions
    return found
