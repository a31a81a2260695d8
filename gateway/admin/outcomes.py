"""What a verb can come to, as values: for the API a status, for the page a sentence, for the audit a word."""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from gateway.admin.problems import Fault
from gateway.protocol.dossier import State


@dataclass(frozen=True, slots=True)
class Held:
    """The decision holds, under its own ``fence``; ``replay_until``: until when a resolved answer is replayed."""

    fence: int
    replay_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Erased:
    """No answer is left in the store. ``copies_gone``: nor in front of it."""

    copies_gone: bool


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no such record."""


@dataclass(frozen=True, slots=True)
class Overtaken:
    """Nothing was done: the record is ``state`` under ``fence``, and the verb was for one with the fence ``shown``.
    ``same``: of the same call of the key."""

    verb: str
    state: State
    fence: int
    shown: int
    same: bool = True


@dataclass(frozen=True, slots=True)
class Underway:
    """Nothing was done: the call is in flight, for ``seconds`` more at most."""

    fence: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """Nothing was done: what was said cannot be an answer."""

    faults: tuple[Fault, ...]


Outcome = Held | Erased | Absent | Overtaken | Underway | Rejected


def word_for(outcome: Outcome) -> str:
    """How the audit calls it."""
    match outcome:
        case Held() | Erased():
            return "done"
        case Absent():
            return "absent"
        case Overtaken():
            return "moved"
        case Underway():
            return "in-flight"
        case Rejected():
            return "invalid"
        case _:
            assert_never(outcome)
