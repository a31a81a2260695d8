"""The three logs of a run: what the callers heard, what the upstream saw, what the store keeps; and the faults.

Knows what each log says, in frozen values. Refuses to know how it was written and what is right. Instants are seconds
since the run began.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

# In every secret of a run, and nowhere else: who finds this word outside of a call has found a secret.
CANARY = "c4n4ry"

Fields = tuple[tuple[str, str], ...]


class Way(StrEnum):
    """The routes, each by the first word of its path and of its keys."""

    HOLD = "hold"
    WAIT = "wait"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer: ``outcome`` is its ``Idempotency-Status``, ``fields`` its end-to-end fields in order, less the marks;
    ``by_gateway``: the gateway made it; ``again``: sent again by policy; ``callers``: whose canaries are in it."""

    status: int
    outcome: str
    problem: str = ""
    by_gateway: bool = False
    again: bool = False
    fields: Fields = ()
    body: str = ""
    callers: frozenset[int] = frozenset()

    @property
    def told(self) -> str:
        return " ".join(word for word in (str(self.status), self.outcome, self.problem) if word)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call of a caller, under a number that the upstream logs too; ``payload`` is the digest of its body.
    ``heard`` is ``None`` where it was cut off, hung up, or met nobody."""

    number: int
    key: str
    caller: int
    payload: str
    gateway: int
    begun: float
    ended: float
    heard: Heard | None

    @property
    def told(self) -> str:
        return "nothing" if self.heard is None else self.heard.told


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request as the upstream logged it before it answered. ``executed``: it acted; ``turned_away``: it said that
    it did not; neither: it hung up on it unread, or (``retry``) recognised the key. ``answer``: status, fields and body
    digest of what it sent whole."""

    attempt: int
    key: str
    payload: str
    at: float
    mood: str
    executed: bool = False
    turned_away: bool = False
    answer: tuple[int, Fields, str] | None = None


class Harm(StrEnum):
    """What a fault can do to a call."""

    CRASH = "crash"  # A gateway ends, or stands still.
    STORE = "store"  # The authority is out of reach, or slow.
    UPSTREAM = "upstream"  # The upstream takes no calls.
    FRONT = "front"  # Redis is away, old or slow: costs time, and explains nothing.


@dataclass(frozen=True, slots=True)
class Fault:
    """One injected fault; ``gateways``: whom it can have touched."""

    kind: str
    harm: Harm
    gateways: frozenset[int]
    begun: float
    ended: float


@dataclass(frozen=True, slots=True)
class Kept:
    """A row of the store: its state, turned by time, and its fence."""

    state: str
    fence: int


@dataclass(frozen=True, slots=True)
class Logs:
    """All of it.

    ``records``: the store at ``over``, when the faults were over and so was every lease; ``at_last``: at the very end.
    ``leaks``: where a canary was found. ``faults_of_ours``: what no gateway may say of itself.
    """

    attempts: Sequence[Attempt]
    arrivals: Sequence[Arrival]
    faults: Sequence[Fault]
    records: Mapping[str, Kept]
    at_last: Mapping[str, Kept]
    over: float
    leaks: Sequence[str] = ()
    faults_of_ours: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class OneKey:
    """What the logs say of one key, each in order of time."""

    key: str
    attempts: Sequence[Attempt]
    arrivals: Sequence[Arrival]
    record: Kept | None
    at_last: Kept | None

    @property
    def way(self) -> Way:
        return Way(self.key.partition("-")[0])

    @property
    def sent(self) -> Sequence[Arrival]:
        """What reached the upstream and was not turned away: executed, or nobody can know."""
        return [each for each in self.arrivals if not each.turned_away]


@dataclass(slots=True)
class _Pages:
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    arrivals: list[Arrival] = field(default_factory=list[Arrival])


def by_key(logs: Logs) -> Iterator[OneKey]:
    """The logs, key by key."""
    pages: dict[str, _Pages] = {key: _Pages() for key in (*logs.records, *logs.at_last)}
    for attempt in sorted(logs.attempts, key=lambda each: each.begun):
        pages.setdefault(attempt.key, _Pages()).attempts.append(attempt)
    for arrival in sorted(logs.arrivals, key=lambda each: each.at):
        pages.setdefault(arrival.key, _Pages()).arrivals.append(arrival)
    for key, page in pages.items():
        yield OneKey(key, page.attempts, page.arrivals, logs.records.get(key), logs.at_last.get(key))


def story(one: OneKey, faults: Sequence[Fault]) -> list[str]:
    """Everything that the logs say of a key, and the faults meanwhile, in order of time, for people."""
    lines = [(0.0, f"the story of {one.key}")]
    for each in one.attempts:
        call = f"#{each.number} of caller {each.caller} to gateway {each.gateway}, payload {each.payload[:8]}"
        lines += [(each.begun, f"call {call}"), (each.ended, f"  heard by #{each.number}: {each.told}")]
    for arrival in one.arrivals:
        lines.append((arrival.at, f"  upstream: #{arrival.attempt}, payload {arrival.payload[:8]}: {arrival.mood}"))
    if one.attempts:
        first, last = one.attempts[0].begun, max(each.ended for each in one.attempts)
        for fault in faults:
            if fault.begun <= last and fault.ended >= first:
                met = ", ".join(map(str, sorted(fault.gateways))) or "none"
                lines.append((fault.begun, f"    fault: {fault.kind}, until {fault.ended:.3f}, gateways {met}"))
    kept = [f"store when the leases were over: {one.record}", f"store at last: {one.at_last}"]
    return [f"{at:9.3f}  {line}" for at, line in sorted(lines, key=lambda each: each[0])] + kept
