"""What callers may be told (the invariants I2, I3 and I5, and what an operator was promised), judged for every answer.

Refuses to know what the gateway meant: an answer is compared with what the upstream did, and with whose record it was.
"""

from collections.abc import Callable, Iterator

from gateway.protocol.model import Completed, Origin, StoredResponse
from gateway.protocol.outcomes import Outcome
from gateway.protocol.terms import OnUnknown
from tests.simulation.chronicle import Call, Executed
from tests.simulation.facts import Facts, whole
from tests.simulation.gateway import LONGEST

_OF_ONES_OWN = (Outcome.IN_FLIGHT, Outcome.REPLAYED, Outcome.EXPIRED)


def i2_every_answer_was_given(facts: Facts) -> Iterator[str]:
    """What is told as executed or replayed is, byte for byte, what the upstream answered for that key."""
    for call in facts.told.calls:
        response, outcome = whole(call), call.reply.outcome if call.reply else None
        if response is None or outcome not in (Outcome.EXECUTED, Outcome.REPLAYED):
            continue
        if response.origin is Origin.GATEWAY:
            failing = facts.policy(call).terms.on_unknown is OnUnknown.FAIL and response.status in (502, 504)
            if outcome is Outcome.EXECUTED or not failing:
                yield f"call {call.number} heard an answer of the gateway's own as {outcome}"
            continue
        yield from _was_given(facts, call, response)


def _was_given(facts: Facts, call: Call, response: StoredResponse) -> Iterator[str]:
    if any(isinstance(each.after, Completed) and each.after.answer == response for each in facts.decisions(call.slot)):
        # The answer of a decision, which has laws of its own.
        return
    done = facts.behind(response)
    if done is None or done.call.slot != call.slot:
        yield f"call {call.number} heard {response.body[:40]!r}, which nobody executed for {call.slot}"
        return
    replayed = call.reply is not None and call.reply.outcome is Outcome.REPLAYED
    if replayed and response.headers != tuple(each for each in done.answer.headers if each[0] != b"Set-Cookie"):
        yield f"call {call.number} was replayed other fields than the first call's: {response.headers}"


def i2_one_answer(facts: Facts) -> Iterator[str]:
    """All who are told of one operation are told the same."""
    told: dict[str, tuple[Call, Executed]] = {}
    for call in sorted(facts.told.calls, key=lambda call: call.replied):
        response = whole(call)
        done = None if response is None else facts.behind(response)
        if done is None or call.reply is None or call.reply.outcome not in (Outcome.EXECUTED, Outcome.REPLAYED):
            continue
        earlier, before = told.get(call.slot, (call, done))
        # Remembered from its execution on at least, however late it was told first.
        same = before is done or facts.freed(before.call, done.call)
        if not same and facts.is_remembered(call, before.at, call.replied):
            yield f"calls {earlier.number} and {call.number} with {call.slot} heard different answers"
        told[call.slot] = call, done


def i3_refused_calls_sent_nothing(facts: Facts) -> Iterator[str]:
    """503: this call sent nothing, and with "not-executed" no call with its key was executed."""
    for call in facts.told.calls:
        response = whole(call)
        if response is None or response.origin is not Origin.GATEWAY or response.status != 503:
            continue
        if any(sent.call is call for sent in facts.sent[call.slot]):
            yield f"call {call.number} was answered 503 and sent"
        if call.reply is not None and call.reply.outcome is Outcome.NOT_EXECUTED:
            yield from _none_was_executed(facts, call)


def _none_was_executed(facts: Facts, call: Call) -> Iterator[str]:
    by = facts.released_at(call)
    for sent in facts.sent[call.slot]:
        counts = sent.at < by and facts.is_remembered(call, sent.at, by) and not facts.passed(sent.call)
        # Somebody's word that it was not executed.
        counts = counts and not any(sent.at <= each.at <= by for each in facts.releases(call.slot))
        if counts and not facts.proved_unexecuted(sent, by):
            yield (
                f"call {call.number} was told that no call with {call.slot} was executed, though call "
                f"{sent.call.number} was sent at {sent.at:.3f}"
            )


def i5_canaries(facts: Facts) -> Iterator[str]:
    """No byte of one caller's answer in another's."""
    for call in facts.told.calls:
        response = whole(call)
        foreign = response is not None and b"canary-" in response.body.replace(f"canary-{call.caller} ".encode(), b"")
        if response is not None and foreign:
            yield f"call {call.number} of {call.caller} heard {response.body[:40]!r}"


def i5_own_request(facts: Facts) -> Iterator[str]:
    """What a call hears of its key was said of its own request; "mismatch" only where there was another."""
    for call in facts.told.calls:
        outcome = None if call.reply is None else call.reply.outcome
        if outcome in _OF_ONES_OWN and call.identity not in facts.identities(call):
            yield f"call {call.number} was told {outcome!s} of another request"
        if outcome is Outcome.MISMATCH and all(known == call.identity for known in facts.identities(call)):
            yield f"call {call.number} was told of a mismatch, and there was no other request"


def forgotten_is_gone(facts: Facts) -> Iterator[str]:
    """An answer of which the operator heard that it is gone, copies included, is replayed to nobody; save by another
    gateway, which may have lost the word of it, for as long as that keeps what it replayed."""
    if facts.fronts is not None and facts.fronts.was_split:
        # Another Redis than the one that was told may hold it until that one is told, too.
        return
    for heard, record_id, gateway in facts.told.forgotten:
        for call in facts.told.calls:
            at = heard + LONGEST if facts.recent and call.gateway != gateway else heard
            late = call.slot == facts.told.slots.get(record_id) and call.begun > at
            anew = any(at < sent.at < call.replied for sent in facts.sent[call.slot])
            if late and not anew and call.reply is not None and call.reply.outcome is Outcome.REPLAYED:
                yield f"call {call.number} was replayed an answer that the operator had been told is gone"


LAWS: tuple[Callable[[Facts], Iterator[str]], ...] = (
    i2_every_answer_was_given,
    i2_one_answer,
    i3_refused_calls_sent_nothing,
    i5_canaries,
    i5_own_request,
    forgotten_is_gone,
)
