"""What must be true of every history (the invariants I1 to I8), judged by what the world saw, never by what was meant.

These are the laws of keys and their records; ``hearing`` has those of what callers are told. Refuses to know how the
gateway keeps them. Each gives one sentence for each breach.
"""

from collections.abc import Callable, Collection, Iterator
from datetime import timedelta
from itertools import combinations, pairwise

from gateway.protocol.model import Completed, InFlight, Origin, Record, RecordId, StoredResponse, Unknown
from gateway.protocol.outcomes import Outcome
from gateway.protocol.terms import Meaning, OnUnknown
from tests.simulation import decided, hearing
from tests.simulation.chronicle import Call, Ruled, Sent
from tests.simulation.facts import UNDER_WAY, Facts
from tests.simulation.history import Ended

# Seconds in which a call that nobody held up is answered.
PATIENCE = 60.0
# Seconds, at most, from a store's return until what it did not hear before is told to it again, and heard.
ASKED_AGAIN = 10.0


def breaches(ended: Ended) -> list[str]:
    """Every breach of a history, in the order of the laws."""
    facts = Facts(ended)
    return [f"{law.__name__}: {breach}" for law in (*LAWS, *hearing.LAWS, *decided.LAWS) for breach in law(facts)]


def i0_no_fault_of_its_own(facts: Facts) -> Iterator[str]:
    """Nothing is raised that nobody expects."""
    yield from facts.told.faults


def i1_sent_once(facts: Facts) -> Iterator[str]:
    """Of each key at most one first byte, but by a policy's leave."""
    for slot, sendings in facts.sent.items():
        for first, second in combinations(sendings, 2):
            if not facts.may_follow(first, second):
                yield f"{slot}: {_sent(first)} and {_sent(second)}, without leave"


def _sent(sent: Sent) -> str:
    return f"call {sent.call.number} was sent at {sent.at:.3f}"


def i1_executed_once(facts: Facts) -> Iterator[str]:
    """Of each key at most one execution."""
    for slot, done in facts.effects.items():
        for first, second in pairwise(done):
            if facts.same_operation(first, second):
                yield f"{slot}: executed at {first.at:.3f} and again at {second.at:.3f}"
            facts.told.reached["executed again by a decision's leave"] += facts.freed(first.call, second.call)


def i4_second_payload(facts: Facts) -> Iterator[str]:
    """No second payload under a used key."""
    for slot, done in facts.effects.items():
        for first, second in combinations(done, 2):
            if facts.same_operation(first, second) and first.call.payload != second.call.payload:
                yield f"{slot}: executed with payload {first.call.payload!r} and with {second.call.payload!r}"


def i6_settled(facts: Facts) -> Iterator[str]:
    """When the faults have ended, nothing stays in flight longer than its lease."""
    for record_id, slot in facts.told.slots.items():
        if isinstance(facts.database.current(record_id), InFlight):
            yield f"{slot} is still in flight long after the last fault"


def i6_answered(facts: Facts) -> Iterator[str]:
    """Whoever stays is answered, unless the process was ended."""
    for call in facts.told.calls:
        if call.reply is None and not call.cut and not call.left and facts.at_end - call.begun > PATIENCE:
            yield f"call {call.number} was never answered"


def i7_unknown_for_a_cause(facts: Facts) -> Iterator[str]:
    """Unknown only if a byte may have left, or somebody was kept from giving the grant back; such are counted."""
    for record_id, slot in facts.told.slots.items():
        for record in _unknowns(facts, record_id):
            if not _may_have_left(facts, slot, record):
                facts.told.reached["false unknown"] += 1
                if not _hindered(facts, record_id, record):
                    yield f"{slot} is unknown ({record.reason}), though nothing was sent and nobody was hindered"


def _unknowns(facts: Facts, record_id: RecordId) -> Collection[Unknown]:
    """Every unknown that the key ever was, one a grant; a second attempt's has its cause in the first one's."""
    seen = [record for ruled in facts.told.ruled.get(record_id, []) for record in (ruled.before, ruled.after)]
    seen.append(facts.database.current(record_id))
    return {record.owner: record for record in seen if isinstance(record, Unknown) and not record.taken_over}.values()


def _may_have_left(facts: Facts, slot: str, record: Unknown) -> bool:
    since = record.first_sent_at - timedelta(seconds=1)
    until = record.since + timedelta(seconds=UNDER_WAY)
    return any(since <= facts.database.instant(sent.at) <= until for sent in facts.sent[slot])


def _hindered(facts: Facts, record_id: RecordId, record: Unknown) -> bool:
    """Whether something kept whoever had the key from giving it back within its lease."""
    grant = next(each for each in facts.told.ruled[record_id] if each.word == "granted" and each.owner == record.owner)
    (call,) = [call for call in facts.told.calls if call.number == grant.call]
    over = grant.at + facts.lease
    stopped = any(where == call.at and at <= over and until >= call.begun for where, at, until in facts.told.stops)
    # A store that is there again in time is told: whoever has something to tell asks every few seconds. One whose
    # record does not open is not asked twice.
    silent = any(
        each.at <= over and each.until > (call.begun if each.where == "damage" else over - ASKED_AGAIN)
        for each in facts.troubles
        if each.where != "front"
    )
    # The late grant of a call that was sent unguarded instead must not look unused: it was sent.
    return stopped or silent or call.cut or facts.passed(call)


def i7_what_was_heard_is_written(facts: Facts) -> Iterator[str]:
    """A whole answer that says "executed", heard by a gateway that lives on, is brought to the store."""
    damaged = any(trouble.where == "damage" for trouble in facts.troubles)
    for heard in facts.told.heard:
        call = heard.call
        meaning = facts.policy(call).terms.meaning(heard.status, taken_over="retry" in call.choices)
        owed = meaning is Meaning.EXECUTED and heard.whole and not call.cut and not facts.passed(call)
        if owed and not damaged and not _final(facts, call) and not _written(facts, call):
            yield f"call {call.number} was answered in full at {heard.at:.3f}, and {call.slot} never heard of it"


def _final(facts: Facts, call: Call) -> bool:
    """Whether the caller was told, once and for all, that nobody knows (``fail``)."""
    failing = facts.policy(call).terms.on_unknown is OnUnknown.FAIL
    return failing and call.reply is not None and call.reply.outcome is Outcome.UNKNOWN


def _written(facts: Facts, call: Call) -> bool:
    return any(ruled.call == call.number and ruled.event == "complete" for ruled in facts.rulings(call))


def i8_completed(facts: Facts) -> Iterator[str]:
    """Every completed record has its execution."""
    for record_id, rulings in facts.told.ruled.items():
        for ruled in rulings:
            if isinstance(ruled.after, Completed) and not isinstance(ruled.before, Completed):
                yield from _executed_for(facts, facts.told.slots[record_id], ruled, ruled.after)


def _executed_for(facts: Facts, slot: str, ruled: Ruled, record: Completed) -> Iterator[str]:
    answer = record.answer
    if answer in facts.told.invented and ruled.decision is not None:
        return
    if not isinstance(answer, StoredResponse):
        if not any(done.call.slot == slot and done.at <= ruled.at for done in facts.told.executed):
            yield f"{slot} is complete, and was never executed"
    elif answer.origin is Origin.UPSTREAM:
        done = facts.behind(answer)
        if done is None or done.call.slot != slot or done.at > ruled.at:
            yield f"{slot} is complete with an answer that was never given for it"
        elif not done.effect and any(
            call.number == ruled.call and "retry" in call.choices for call in facts.told.calls
        ):
            yield f"{slot} is complete with a second attempt's answer, which says nothing of the first"


def i8_unsettled_is_kept(facts: Facts) -> Iterator[str]:
    """Only what was settled is ever purged; what was forgotten was complete, unknown, or free."""
    for record_id, rulings in facts.told.ruled.items():
        for ruled in rulings:
            if ruled.after is None and not _is_over(facts, ruled.before, ruled.at):
                yield f"{facts.told.slots[record_id]} was purged at {ruled.at:.3f} before its time"


def _is_over(facts: Facts, before: Record | None, at: float) -> bool:
    """Whether time had made nothing of the record: a tombstone's time, or that of what was to become one."""
    if before is None:
        return True
    if isinstance(before, InFlight):
        ends = before.lease_until + before.retention.unknown + before.retention.key
        return ends <= facts.database.instant(at)
    return before.forget_at <= facts.database.instant(at)


LAWS: tuple[Callable[[Facts], Iterator[str]], ...] = (
    i0_no_fault_of_its_own,
    i1_sent_once,
    i1_executed_once,
    i4_second_payload,
    i6_settled,
    i6_answered,
    i7_unknown_for_a_cause,
    i7_what_was_heard_is_written,
    i8_completed,
    i8_unsettled_is_kept,
)
