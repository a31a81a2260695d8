"""The invariants of a run, each a check over the logs: I1 to I9 of the list of faults.

Pure: knows what the contract promises, and only what no fault excuses is a violation. Refuses to know timing: a slow
machine violates nothing. Each check is shown to fail on a doctored log.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.chaos.logs import Arrival, Attempt, Fault, Harm, Logs, OneKey, Way, by_key

# Never replayed; and what frames one message (RFC 9112), which differs with the connection.
_OF_ONE_ANSWER = frozenset({"set-cookie", "connection", "keep-alive", "transfer-encoding", "content-length"})
# How long a grant may last: the routes' total time-out and the gateway's own margin.
LEASE = 13.0


@dataclass(frozen=True, slots=True)
class Violation:
    """What must never be; ``key`` is empty where it is no key's story."""

    law: str
    key: str
    what: str


Check = Callable[[OneKey, Logs], Iterator[Violation]]


def violations(logs: Logs) -> list[Violation]:
    """All that is wrong with a run."""
    found = [Violation("I9", "", f"a secret was found in {leak}") for leak in logs.leaks]
    found += [Violation("own", "", said) for said in logs.faults_of_ours]
    for one in by_key(logs):
        for check in CHECKS:
            found += check(one, logs)
    return found


def sent_once(one: OneKey, logs: Logs) -> Iterator[Violation]:
    """I1: at most one request that was not turned away; more only by ``retry``, marked, and never after an answer."""
    if one.way is not Way.RETRY and len(one.sent) > 1:
        yield Violation("I1", one.key, f"sent {len(one.sent)} times")
    done = [each for each in one.attempts if _is_answer(each)]
    for again in one.sent[1:] if one.way is Way.RETRY else ():
        attempt = _attempt_of(one, again)
        # A process that stood still on the very point of sending finishes its one send, whoever took over meanwhile.
        unmarked = attempt is not None and attempt.heard is not None and not attempt.heard.again
        if attempt is not None and unmarked and not _met(attempt, logs.faults, {Harm.CRASH}, 0.0):
            yield Violation("I1", one.key, f"#{again.attempt} was sent again, and not marked")
        if any(each.ended < again.at for each in done):
            yield Violation("I1", one.key, f"#{again.attempt} was sent after somebody had the answer")


def one_answer(one: OneKey, _: Logs) -> Iterator[Violation]:
    """I2: whoever is told an answer is told the one that was executed; and who is told "executed" was sent."""
    whole = [each.answer for each in one.sent if each.answer]
    answers = [(status, _repeated(fields), body) for status, fields, body in whole]
    for attempt in one.attempts:
        if not _is_answer(attempt) or attempt.heard is None:
            continue
        if (attempt.heard.status, _repeated(attempt.heard.fields), attempt.heard.body) not in answers:
            yield Violation("I2", one.key, f"#{attempt.number} heard {attempt.told}, which nobody executed")
        if attempt.heard.outcome == "executed" and attempt.number not in [each.attempt for each in one.sent]:
            yield Violation("I2", one.key, f"#{attempt.number} heard of its own execution, and had none")
        if attempt.heard.outcome == "replayed" and any(name == "set-cookie" for name, _ in attempt.heard.fields):
            yield Violation("I2", one.key, f"#{attempt.number} heard somebody's Set-Cookie again")


def nothing_sent(one: OneKey, _: Logs) -> Iterator[Violation]:
    """I3: a gateway's 503 means that this call sent nothing; with "not-executed", nor did any before it."""
    for attempt in one.attempts:
        if attempt.heard is None or attempt.heard.status != 503 or not attempt.heard.by_gateway:
            continue
        if any(each.attempt == attempt.number for each in one.arrivals):
            yield Violation("I3", one.key, f"#{attempt.number} was told 503, and sent")
        earlier = [each for each in one.sent if each.at < attempt.begun]
        if attempt.heard.outcome == "not-executed" and earlier:
            yield Violation("I3", one.key, f"#{attempt.number} was told that nothing was, after #{earlier[0].attempt}")


def one_payload(one: OneKey, _: Logs) -> Iterator[Violation]:
    """I4: under one key one payload is sent, and only who sent that one is told its answer."""
    payloads = {each.payload for each in one.sent}
    if len(payloads) > 1:
        yield Violation("I4", one.key, "two payloads were sent")
    for attempt in one.attempts:
        if _is_answer(attempt) and attempt.payload not in payloads:
            yield Violation("I4", one.key, f"#{attempt.number} was told another payload's answer")


def nobody_elses(one: OneKey, _: Logs) -> Iterator[Violation]:
    """I5: nothing of another caller's in an answer."""
    for attempt in one.attempts:
        if attempt.heard is not None and attempt.heard.callers - {attempt.caller}:
            yield Violation("I5", one.key, f"#{attempt.number} of caller {attempt.caller} heard of another caller")


def none_in_flight(one: OneKey, logs: Logs) -> Iterator[Violation]:
    """I6: when the faults and the leases are over, nothing is in flight."""
    for record in (one.record, one.at_last):
        if record is not None and record.state == "in-flight":
            yield Violation("I6", one.key, "in flight when every lease was over")
    for attempt in one.attempts:
        if attempt.begun > logs.over and attempt.heard is not None and attempt.heard.outcome == "in-flight":
            yield Violation("I6", one.key, f"#{attempt.number} met another call when nobody called any more")


def known_reason(one: OneKey, logs: Logs) -> Iterator[Violation]:
    """I7: unknown only where a byte may have left, or a crash or a lost store fell between claim and send."""
    if why_unknown(one, logs.faults) == "no reason":
        yield Violation("I7", one.key, "unknown, though nothing was sent and nothing failed")
    for attempt in one.attempts:
        heard = attempt.heard
        if heard is None or not heard.by_gateway or heard.status != 502:
            continue
        arrived = any(each.attempt == attempt.number for each in one.arrivals)
        if not arrived and not _met(attempt, logs.faults, {Harm.CRASH, Harm.UPSTREAM}, 0.0):
            yield Violation("I7", one.key, f"#{attempt.number} was told 502, and never arrived")


def remembered(one: OneKey, _: Logs) -> Iterator[Violation]:
    """I8: a completed record has its execution, and one that may have been executed is never free again."""
    executions = sum(each.executed for each in one.arrivals)
    state = None if one.at_last is None else one.at_last.state
    if state == "completed" and executions != 1:
        yield Violation("I8", one.key, f"completed, with {executions} executions")
    if one.sent and state in (None, "released"):
        yield Violation("I8", one.key, f"sent, and the store says {state or 'nothing'}")


CHECKS: Sequence[Check] = (
    sent_once,
    one_answer,
    nothing_sent,
    one_payload,
    nobody_elses,
    none_in_flight,
    known_reason,
    remembered,
)


def why_unknown(one: OneKey, faults: Sequence[Fault]) -> str:
    """Why a key ended unknown; empty where it did not. All but ``executed`` are false unknowns."""
    if one.record is None or one.record.state != "unknown":
        return ""
    if one.sent:
        return "executed" if any(each.executed for each in one.sent) else "hung up on, unread"
    if any(each.heard is not None and each.heard.status == 504 for each in one.attempts):
        return "timed out, unread"
    for harm, reason in _REASONS.items():
        if any(_met(each, faults, {harm}, LEASE) for each in one.attempts):
            return reason
    return "no reason"


_REASONS = {
    Harm.CRASH: "a gateway ended before it sent",
    Harm.UPSTREAM: "the upstream went away",
    Harm.STORE: "a grant that came too late",
}


def _met(attempt: Attempt, faults: Sequence[Fault], harms: set[Harm], reach: float) -> bool:
    """Whether a fault touched the attempt's gateway, from its begin until so long after its end."""
    return any(
        fault.harm in harms
        and attempt.gateway in fault.gateways
        and fault.begun <= attempt.ended + reach
        and fault.ended >= attempt.begun
        for fault in faults
    )


def _is_answer(attempt: Attempt) -> bool:
    return attempt.heard is not None and attempt.heard.outcome in ("executed", "replayed")


def _attempt_of(one: OneKey, arrival: Arrival) -> Attempt | None:
    return next((each for each in one.attempts if each.number == arrival.attempt), None)


def _repeated(fields: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [each for each in fields if each[0] not in _OF_ONE_ANSWER]
