"""What happened in a history: facts for the checker, and, where it is to be told, a transcript for people.

Everything is noted by the world outside the gateway, or at its ports: what was sent, ruled, written, answered.
"""

from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

from gateway.protocol.commands import Reply
from gateway.protocol.decisions import Decision
from gateway.protocol.model import Identity, Record, RecordId, StoredResponse

# The call in whose course something happens, wherever it leads.
CALL: ContextVar[int | None] = ContextVar("call", default=None)


@dataclass(slots=True, eq=False)
class Call:
    """One request as a gateway took it in. ``slot``: the key, and the caller where callers are kept apart."""

    number: int
    slot: str
    key: int
    caller: str
    payload: str
    at: int
    gateway: str
    begun: float
    identity: Identity
    reply: Reply | None = None
    replied: float = 0.0
    choices: list[str] = field(default_factory=list)
    # Whether the process that had it came to its end before it, or was told to hurry.
    cut: bool = False
    # Whether the server ended what served it, because its caller had gone.
    left: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """A first byte that left."""

    at: float
    call: Call


@dataclass(slots=True, eq=False)
class Executed:
    """What the upstream did. ``effect`` is false where it turned the request away."""

    number: int
    at: float
    call: Call
    answer: StoredResponse
    effect: bool = True


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer that reached a gateway: its head, or all of it."""

    at: float
    call: Call
    status: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Ruled:
    """What the authority made of a record: ``event`` and ``word`` are those of the table of the record's law."""

    at: float
    event: str
    word: str
    before: Record | None
    after: Record | None
    owner: bytes
    call: int | None
    # What somebody had decided, where this is what became of that.
    decision: Decision | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What the upstream answered to a gateway about a key of a caller: an execution, that it knows of none
    (``None``), or nothing that says anything (``is_clear`` is false)."""

    at: float
    gateway: str
    key: str
    caller: str
    done: Executed | None
    is_clear: bool = True


@dataclass(frozen=True, slots=True)
class Taken:
    """A record that one worker alone may ask about, under its taking ``taken``, until ``until``."""

    at: float
    id: RecordId
    gateway: str
    fence: int
    taken: bytes
    until: float


@dataclass(slots=True)
class Chronicle:
    """Everything of one history."""

    now: Callable[[], float]
    telling: bool = False
    lines: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    executed: list[Executed] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    ruled: dict[RecordId, list[Ruled]] = field(default_factory=dict)
    slots: dict[RecordId, str] = field(default_factory=dict)
    # Whose claims are made by which owner token.
    owners: dict[bytes, Call] = field(default_factory=dict)
    # Called when one of the script's moments has come for a call.
    moment: Callable[[str, Call], None] = field(default=lambda *_: None)
    # When the operator heard that an answer is gone, copies included.
    # When, which, and by way of which gateway.
    forgotten: list[tuple[float, RecordId, str]] = field(default_factory=list)
    # Answers that an operator made up.
    invented: list[StoredResponse] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    # When the work under a taking was given back.
    let_go: dict[bytes, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    # Which gateway did nothing from when until when: crashes, pauses and ends of processes.
    stops: list[tuple[int, float, float]] = field(default_factory=list)
    reached: Counter[str] = field(default_factory=Counter)
    exchange: Counter[tuple[str, str]] = field(default_factory=Counter)
    record: Counter[tuple[str, str]] = field(default_factory=Counter)
    _last: tuple[str, str] = ("", "")
    _again: int = 0

    def tell(self, who: str, what: str) -> None:
        """A line of the transcript; what repeats itself is counted."""
        if not self.telling:
            return
        if self._last == (who, what):
            self._again += 1
            return
        if self._again:
            self.lines.append(f"{'':9}  {'':11} {self._again} times more")
        self._last, self._again = (who, what), 0
        self.lines.append(f"{self.now():9.3f}  {who:<11} {what}")
