"""What must be true of decisions (laws 12 and 13 of ``protocol.decisions``) and of who asks (``registry.Inquiries``).

Judged by what the world saw: which fence was shown, what the upstream said, what came after. Refuses to judge whether a
decision is right; an operator may err, and that is his leave.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import combinations

from gateway.policies.reconciling import ENOUGH, Reconcile
from gateway.protocol.decisions import Decision
from gateway.protocol.dossier import RECONCILER
from gateway.protocol.model import Complete, Completed, NotKept, Record, Released, StoredResponse, Unknown
from gateway.protocol.outcomes import Outcome
from tests.simulation.chronicle import Call, Ruled, Said
from tests.simulation.facts import Facts, whole

_SETTLEMENTS = frozenset({"complete", "release", "mark unknown"})


def d1_decided_once(facts: Facts) -> Iterator[str]:
    """A decision takes effect on what is unknown, under the fence that was shown; repeated it is the same one."""
    for record_id, rulings in facts.told.ruled.items():
        slot = facts.told.slots[record_id]
        holds: Ruled | None = None
        for ruled in rulings:
            decision = ruled.decision
            if decision is not None and ruled.after != ruled.before:
                yield from _made(slot, ruled, decision)
            elif decision is not None:
                own = holds is not None and holds.owner == ruled.owner
                if own != (ruled.word == "Decided"):
                    yield f"{slot}: a decision at {ruled.at:.3f} hears {ruled.word}, and its own holds: {own}"
            if ruled.after != ruled.before:
                holds = ruled if decision is not None else None
            elif ruled.word == "" or (holds is not None and ruled.before != holds.after):
                # Time has made something else of it.
                holds = None


def _made(slot: str, ruled: Ruled, decision: Decision) -> Iterator[str]:
    before, after = ruled.before, ruled.after
    if not isinstance(before, Unknown) or before.fence != decision.fence:
        yield f"{slot}: decided at {ruled.at:.3f} under fence {decision.fence}, where it was {_brief(before)}"
    elif after is None or (after.fence, ruled.word) != (decision.fence + 1, "Decided"):
        yield f"{slot}: decided at {ruled.at:.3f} to be {_brief(after)}, under no fence of its own"
    elif not _is_made_of(after, decision):
        yield f"{slot}: decided at {ruled.at:.3f}, and is {_brief(after)}, which nobody has decided"


def _is_made_of(after: Record, decision: Decision) -> bool:
    if isinstance(decision.word, Complete):
        return isinstance(after, Completed) and after.answer == decision.word.answer
    return isinstance(after, Released)


def _brief(record: Record | None) -> str:
    return "nothing" if record is None else f"{type(record).__name__} under fence {record.fence}"


def d2_nothing_settles_after_it(facts: Facts) -> Iterator[str]:
    """A call settles under the newest grant of its key alone, and after a decision under none that was before it."""
    for record_id, rulings in facts.told.ruled.items():
        newest, is_decided = b"", False
        for ruled in rulings:
            facts.told.reached["settlement after a decision"] += is_decided and ruled.event in _SETTLEMENTS
            if ruled.word in ("granted", "Decided"):
                newest, is_decided = ruled.owner, ruled.word == "Decided"
            elif ruled.event in _SETTLEMENTS and ruled.word == "settled" and ruled.owner != newest:
                slot = facts.told.slots[record_id]
                yield f"{slot}: call {ruled.call} settles at {ruled.at:.3f} under a grant that is not the newest"


def d3_resolved_is_replayed(facts: Facts) -> Iterator[str]:
    """What was resolved is what every later call gets."""
    for slot in facts.records:
        for ruled in facts.decisions(slot):
            record = ruled.after
            if isinstance(record, Completed):
                for call in facts.told.calls:
                    if call.slot == slot and _is_later(facts, call, ruled):
                        yield from _heard(facts, call, record)


def _is_later(facts: Facts, call: Call, ruled: Ruled) -> bool:
    """Whether the record stood as decided all the time that the call was judged in."""
    changed = [
        each.at
        for each in facts.rulings(call)
        if each.at >= ruled.at and each is not ruled and each.before == ruled.after and each.after != ruled.after
    ]
    assert isinstance(ruled.after, Completed)
    until = min([facts.seconds(ruled.after.replay_until), *changed])
    return call.begun > ruled.at and call.reply is not None and call.replied < until


def _heard(facts: Facts, call: Call, record: Completed) -> Iterator[str]:
    outcome, response = call.reply.outcome if call.reply else None, whole(call)
    if outcome in (Outcome.EXECUTED, Outcome.UNKNOWN) and not facts.passed(call):
        yield f"call {call.number} was told {outcome}, after {call.slot} had been resolved"
    elif outcome is Outcome.REPLAYED and isinstance(record.answer, StoredResponse) and response != record.answer:
        yield f"call {call.number} was replayed another answer than the one that {call.slot} was resolved with"


def d4_found_is_what_was_told(facts: Facts) -> Iterator[str]:
    """A reconciler settles with the answer that the upstream told it."""
    for slot in facts.records:
        for ruled in facts.decisions(slot):
            if ruled.decision is None or ruled.decision.by != RECONCILER or not isinstance(ruled.after, Completed):
                continue
            answer = ruled.after.answer
            told = [said.done.answer for said in _said(facts, slot, ruled) if said.done is not None]
            if isinstance(answer, NotKept):
                is_told = any(each.status == answer.status for each in told)
            else:
                is_told = any((each.status, each.body) == (answer.status, answer.body) for each in told)
            if not is_told:
                yield f"{slot} was settled by a reconciler at {ruled.at:.3f} with an answer that it was not told"


def d5_freed_with_proof(facts: Facts) -> Iterator[str]:
    """A reconciler frees a key when the upstream did not know the call so often in a row, after the quiet period."""
    for slot in facts.records:
        for ruled in facts.releases(slot):
            if ruled.decision is None or ruled.decision.by != RECONCILER or not isinstance(ruled.before, Unknown):
                continue
            quiet = ruled.before.since + _reconcile(facts, slot).quiet_period
            # Clocks round to microseconds.
            since = facts.seconds(quiet - timedelta(milliseconds=1))
            last = _noted(facts, slot, ruled, ruled.before)[-ENOUGH:]
            if len(last) < ENOUGH or any(said.done or not said.is_clear or said.at < since for said in last):
                yield f"{slot} was freed by a reconciler at {ruled.at:.3f}, not found so often in a row"


def _noted(facts: Facts, slot: str, by: Ruled, record: Unknown) -> list[Said]:
    """What the upstream had said of the call to workers that lived to note it, or to decide by it."""
    since = facts.seconds(record.since) - 0.001
    noted: list[Said] = []
    takings = [
        each
        for each in facts.told.taken
        if (each.id, each.fence) == (record.id, record.fence) and since <= each.at <= by.at
    ]
    for taken in takings:
        over = facts.told.let_go.get(taken.taken, by.at if taken is takings[-1] else 0)
        own = [said for said in _said(facts, slot, by) if said.gateway == taken.gateway and taken.at <= said.at <= over]
        noted += own[-1:]
    return noted


def _said(facts: Facts, slot: str, by: Ruled) -> list[Said]:
    """What the upstream had said of the call by then."""
    call = facts.last_granted(slot, by.at)
    return [
        said
        for said in facts.told.said
        if said.at <= by.at and (said.key, said.caller) == (f"key-{call.key}", call.caller)
    ]


def _reconcile(facts: Facts, slot: str) -> Reconcile:
    chosen = facts.policy(facts.last_granted(slot, facts.at_end)).reconcile
    assert chosen is not None
    return chosen


def d6_one_worker(facts: Facts) -> Iterator[str]:
    """Of any number of reconcilers one alone has a record, until it gives it back or its work is over."""
    for first, second in combinations(facts.told.taken, 2):
        over = min(first.until, facts.told.let_go.get(first.taken, first.until))
        if (first.id, first.fence) == (second.id, second.fence) and second.at < over - 0.001:
            yield f"{facts.told.slots[first.id]} was taken at {first.at:.3f} and again at {second.at:.3f}"


LAWS: tuple[Callable[[Facts], Iterator[str]], ...] = (
    d1_decided_once,
    d2_nothing_settles_after_it,
    d3_resolved_is_replayed,
    d4_found_is_what_was_told,
    d5_freed_with_proof,
    d6_one_worker,
)
