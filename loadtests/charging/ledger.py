"""What customers were told of each charge, and what is wrong with what they are told next.

Pure: knows what the gateway promises a customer, and the upstream's own count at the end. Refuses to know Locust.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# Not an answer yet, and not wrong: the key is busy, nothing was sent, nobody knows, or the upstream turned it away.
NOT_YET = frozenset({"in-flight", "not-executed", "unavailable", "unknown"})
ANSWERED = frozenset({"executed", "replayed"})


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, ``Idempotency-Status`` and body as a customer hears them."""

    status: int
    outcome: str
    body: bytes


@dataclass
class Ledger:
    """The first answer to each key, whoever heard it."""

    answers: dict[str, Answer] = field(default_factory=dict[str, Answer])
    replays: int = 0
    differed: list[str] = field(default_factory=list[str])

    def charged(self, key: str, answer: Answer, *, known: bool) -> str:
        """What is wrong with an answer to a charge, or to its retry; empty: nothing. ``known``: it was answered before
        this call began."""
        if answer.outcome in NOT_YET:
            lost = known and answer.outcome != "unavailable"
            return f"{answer.status} {answer.outcome} to a charge that has an answer: {key}" if lost else ""
        if answer.outcome not in ANSWERED:
            return f"{answer.status} {answer.outcome or 'without a mark'}, which is no answer to a charge: {key}"
        first = self.answers.setdefault(key, answer)
        self.replays += answer.outcome == "replayed"
        if (first.status, first.body) != (answer.status, answer.body):
            self.differed.append(key)
            return f"a replay differed: {key}"
        return ""

    def reused(self, key: str, answer: Answer) -> str:
        """What is wrong with an answer to another charge under a key that was answered."""
        if (answer.status, answer.outcome) == (422, "mismatch"):
            return ""
        return f"{answer.status} {answer.outcome} to another charge under a used key: {key}"

    def verdict(self, executions: Mapping[str, int]) -> Sequence[str]:
        """What is wrong with the whole run; ``executions``: the upstream's own count by key."""
        twice = [f"{key} was executed {times} times" for key, times in executions.items() if times > 1]
        never = [f"{key} was answered, and not executed" for key in self.answers if not executions.get(key)]
        differed = [f"a replay of {key} differed" for key in self.differed]
        nothing = [] if self.replays else ["nothing was replayed: this run shows nothing"]
        return [*twice, *never, *differed, *nothing]
