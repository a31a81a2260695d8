"""What a history's chronicle tells, put so that laws can be said in few words.

Knows what a policy gives leave for, and for how long a key is remembered. Refuses to judge.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from gateway.policies.policy import Policy
from gateway.protocol.model import Identity, Record, RecordId, Released, StoredResponse
from gateway.protocol.terms import OnStoreDown, OnUnknown
from tests.simulation.chronicle import Call, Executed, Ruled, Sent
from tests.simulation.history import Ended

# A request may be on its way for so many seconds, and execute then.
UNDER_WAY = 40.0
# What a hint in front, or a front whose clock is late, may say of a record that has changed since.
STALE = 5.0


class Facts:
    """One history, asked."""

    def __init__(self, ended: Ended) -> None:
        self.told = ended.chronicle
        self.database = ended.around.database
        self.fronts = ended.around.fronts
        self.troubles = ended.around.wire.troubles
        self.recent = ended.script.recent
        self.at_end = ended.around.loop.time()
        self._routes = ended.script.routes
        self._decisions: dict[str, list[Ruled]] = {}
        self.records: dict[str, RecordId] = {slot: record_id for record_id, slot in self.told.slots.items()}
        self.sent: defaultdict[str, list[Sent]] = defaultdict(list)
        for sent in self.told.sent:
            self.sent[sent.call.slot].append(sent)
        self.effects: defaultdict[str, list[Executed]] = defaultdict(list)
        for done in self.told.executed:
            if done.effect:
                self.effects[done.call.slot].append(done)

    def policy(self, call: Call) -> Policy:
        """The policy of the call's route."""
        return self._routes[call.key].policy

    @property
    def lease(self) -> float:
        """Every route's, in seconds."""
        return self._routes[0].lease.total_seconds()

    def is_remembered(self, call: Call, since: float, now: float) -> bool:
        """Whether the key of a call that was sent at ``since`` must be known still."""
        retention = self.policy(call).retention
        return now - since < (min(retention.response, retention.unknown) + retention.key).total_seconds() - UNDER_WAY

    def may_follow(self, first: Sent, second: Sent) -> bool:
        """Whether a policy gave leave to send again, or the key had been forgotten by then."""
        if self.passed(first.call, second.call) or not self.is_remembered(first.call, first.at, second.at):
            return True
        if self.proved_unexecuted(first, second.at) or self.freed(first.call, second.call):
            return True
        policy = self.policy(first.call)
        if "retry" not in second.call.choices or policy.terms.on_unknown is not OnUnknown.RETRY:
            return False
        assert policy.upstream_retention is not None
        return second.at <= first.at + policy.upstream_retention.total_seconds()

    def passed(self, *calls: Call) -> bool:
        """Whether one of them was sent unguarded, by the operator's choice."""
        return any(
            "pass" in call.choices and self.policy(call).terms.on_store_down is OnStoreDown.PASS for call in calls
        )

    def proved_unexecuted(self, sent: Sent, by: float) -> bool:
        """Whether a status that the policy takes as proof came back, to a first attempt."""
        policy = self.policy(sent.call)
        return "retry" not in sent.call.choices and any(
            heard.call is sent.call
            and heard.status in policy.terms.not_executed
            and heard.at <= by
            and (heard.whole or not policy.keep_body)
            for heard in self.told.heard
        )

    def same_operation(self, first: Executed, second: Executed) -> bool:
        """Whether the key had to keep the second one from being executed."""
        if self.passed(first.call, second.call) or self.freed(first.call, second.call):
            return False
        return self.is_remembered(first.call, first.at, second.at)

    def decisions(self, slot: str) -> list[Ruled]:
        """Those that changed the record, in order."""
        if slot not in self._decisions:
            rulings = self.told.ruled.get(self.records[slot], [])
            self._decisions[slot] = [each for each in rulings if each.decision and each.after != each.before]
        return self._decisions[slot]

    def releases(self, slot: str) -> list[Ruled]:
        """The decisions by which the key was free again."""
        return [each for each in self.decisions(slot) if isinstance(each.after, Released)]

    def freed(self, one: Call, other: Call) -> bool:
        """Whether a decision gave leave for the later one of two: sent after it, by a grant that came after it."""
        releases = self.releases(one.slot)
        if not releases or one is other:
            return False
        first, *_, last = sorted(
            (sent for sent in self.sent[one.slot] if sent.call in (one, other)), key=lambda sent: sent.at
        )
        granted = [
            each.at for each in self.rulings(last.call) if each.call == last.call.number and each.word == "granted"
        ]
        return any(first.at <= each.at <= granted[0] for each in releases if granted)

    def behind(self, response: StoredResponse) -> Executed | None:
        """The execution that an answer tells of, if it is that answer."""
        number, _, _ = response.body.removeprefix(b"#").partition(b" ")
        if not number.isdigit() or int(number) >= len(self.told.executed):
            return None
        done = self.told.executed[int(number)]
        return done if (done.answer.status, done.answer.body) == (response.status, response.body) else None

    def seconds(self, instant: datetime) -> float:
        """When in the history the database's clock shows ``instant``."""
        return (instant - self.database.instant(0)).total_seconds()

    def last_granted(self, slot: str, by: float) -> Call:
        """Whose call had the key last."""
        granted = [each for each in self.told.ruled[self.records[slot]] if each.word == "granted" and each.at <= by]
        return self.told.owners[granted[-1].owner]

    def rulings(self, call: Call) -> list[Ruled]:
        """What the authority said of the call's key, in order."""
        return self.told.ruled.get(self.records[call.slot], [])

    def released_at(self, call: Call) -> float:
        """When the authority ruled on what the call gave back; where it did not, when its caller was told."""
        own = (ruled.at for ruled in self.rulings(call) if ruled.call == call.number and ruled.event == "release")
        return min([call.replied, *own])

    def identities(self, call: Call) -> Iterator[Identity]:
        """Whose record it was while the call was judged."""
        last: Record | None = None
        for ruled in self.rulings(call):
            if ruled.at < call.begun - STALE:
                last = ruled.after
            elif ruled.at <= call.replied:
                yield from _identity(ruled.before)
                yield from _identity(ruled.after)
        yield from _identity(last)


def whole(call: Call) -> StoredResponse | None:
    """The answer that the call was given, where it is no stream."""
    reply = call.reply
    return reply.response if reply is not None and isinstance(reply.response, StoredResponse) else None


def _identity(record: Record | None) -> Iterator[Identity]:
    if record is not None and not isinstance(record, Released):
        yield record.identity
