"""The law of one request, walked State x Event against a literal table, and the promises it makes to a caller."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.protocol.commands import Ask, Command, Reply, Send, SendUnguarded, Settle, Streamed, Wait
from gateway.protocol.events import (
    Answered,
    CallerGone,
    CallLost,
    ClaimJudged,
    Event,
    GraceOver,
    MayHaveChanged,
    NothingSent,
    RecordDamaged,
    ResponseOverdue,
    SettlementOverdue,
    SettlementWritten,
    StoreDown,
    WaitOver,
)
from gateway.protocol.exchange import (
    Call,
    Calling,
    Claiming,
    Done,
    Finishing,
    ImpossibleEvent,
    Listening,
    Passing,
    Settling,
    State,
    Waiting,
    step,
)
from gateway.protocol.model import (
    AnswerNotKept,
    Busy,
    CallerChanged,
    Complete,
    Granted,
    KeyExpired,
    MarkUnknown,
    Mismatch,
    Moved,
    NotKept,
    Origin,
    Refusal,
    Release,
    Replay,
    Settled,
    StoredResponse,
    Undecided,
)
from gateway.protocol.outcomes import Outcome
from gateway.protocol.terms import OnConflict, OnStoreDown, OnUnknown, Terms
from tests.protocol.samples import ANSWER, NOW, SECOND, grant

CALL = Call("urn:test", Terms())
FAILING = replace(CALL, terms=Terms(on_unknown=OnUnknown.FAIL))
PATIENT = replace(CALL, terms=Terms(on_conflict=OnConflict.WAIT, on_store_down=OnStoreDown.PASS))
BUSY = Busy(SECOND, 9 * SECOND)
PASSING_ON = replace(CALL, terms=Terms(on_store_down=OnStoreDown.PASS))
ANSWERED = Answered(201, ((b"X-A", b"1"), (b"Set-Cookie", b"a=b"), (b"Connection", b"x-hop"), (b"X-Hop", b"1")), b"ok")
WAITING = Reply(Outcome.EXECUTED, ANSWER)

STATES: dict[str, State] = {
    "claiming": Claiming(CALL),
    "waiting": Waiting(PATIENT, BUSY),
    "calling": Calling(CALL, grant()),
    "settling": Settling(WAITING),
    "listening": Listening(CALL, grant()),
    "passing": Passing(CALL),
    "finishing": Finishing(),
    "done": Done(),
}
EVENTS: dict[str, Event] = {
    "granted": ClaimJudged(Granted(grant())),
    "refused": ClaimJudged(Mismatch()),
    "may have changed": MayHaveChanged(),
    "wait over": WaitOver(),
    "store down": StoreDown(),
    "record damaged": RecordDamaged(),
    "answered": ANSWERED,
    "nothing sent": NothingSent("refused"),
    "call lost": CallLost("reset", timed_out=False),
    "response overdue": ResponseOverdue(),
    "settlement written": SettlementWritten(Settled(NOW)),
    "settlement overdue": SettlementOverdue(),
    "caller gone": CallerGone(),
    "grace over": GraceOver(),
}

IMPOSSIBLE = "impossible"
# A row a state; what follows each event, in the order of EVENTS: the next state, and the commands.
TABLE = {
    "claiming": [
        "calling: send",
        "done: reply mismatch",
        IMPOSSIBLE,
        IMPOSSIBLE,
        "done: reply unavailable",
        "done: reply unavailable",
        IMPOSSIBLE,
        IMPOSSIBLE,
        IMPOSSIBLE,
        IMPOSSIBLE,
        IMPOSSIBLE,
        IMPOSSIBLE,
        "claiming",
        "claiming",
    ],
    "waiting": [
        IMPOSSIBLE,
        IMPOSSIBLE,
        "claiming: ask",
        "claiming: ask",
        *[IMPOSSIBLE] * 8,
        "done: reply in-flight",
        "done: reply in-flight",
    ],
    "calling": [
        *[IMPOSSIBLE] * 6,
        "settling: complete",
        "settling: release",
        "settling: mark unknown",
        "listening: reply unknown, mark unknown",
        IMPOSSIBLE,
        IMPOSSIBLE,
        "calling",
        "settling: mark unknown",
    ],
    "settling": [
        *[IMPOSSIBLE] * 6,
        "settling",
        "settling",
        "settling",
        "settling",
        "done: reply executed",
        "finishing: reply executed",
        "settling",
        "settling",
    ],
    "listening": [
        *[IMPOSSIBLE] * 6,
        "finishing: complete",
        "finishing: release",
        "done",
        "listening",
        "listening",
        "listening",
        "listening",
        "done",
    ],
    "passing": [
        *[IMPOSSIBLE] * 6,
        "done: reply unguarded",
        "done: reply unguarded",
        "done: reply unguarded",
        "done: reply unguarded",
        IMPOSSIBLE,
        IMPOSSIBLE,
        "passing",
        "done: reply unguarded",
    ],
    "finishing": [
        *[IMPOSSIBLE] * 6,
        "finishing",
        "finishing",
        "finishing",
        "finishing",
        "done",
        "finishing",
        "finishing",
        "finishing",
    ],
    "done": [IMPOSSIBLE, IMPOSSIBLE, "done", "done", IMPOSSIBLE, IMPOSSIBLE, *["done"] * 8],
}


def word(command: Command) -> str:
    match command:
        case Ask():
            return "ask"
        case Wait():
            return "wait"
        case Send():
            return "send"
        case SendUnguarded():
            return "send unguarded"
        case Settle(settlement=Complete()):
            return "complete"
        case Settle(settlement=Release()):
            return "release"
        case Settle(settlement=MarkUnknown()):
            return "mark unknown"
        case Reply(outcome=outcome):
            return f"reply {outcome}"
        case _:
            raise AssertionError(command)


def told(state: State, event: Event) -> str:
    try:
        after, commands = step(state, event)
    except ImpossibleEvent:
        return IMPOSSIBLE
    name = type(after).__name__.lower()
    return f"{name}: {', '.join(word(command) for command in commands)}" if commands else name


@pytest.mark.parametrize(
    ("state", "event", "expected"),
    [(state, event, said) for state, row in TABLE.items() for event, said in zip(EVENTS, row, strict=True)],
)
def test_every_state_answers_every_event_as_the_table_says(state: str, event: str, expected: str) -> None:
    assert told(STATES[state], EVENTS[event]) == expected


def test_the_table_has_every_state_and_every_kind_of_event() -> None:
    assert set(TABLE) == set(STATES) == {kind.__name__.lower() for kind in State.__args__}
    assert {type(event) for event in EVENTS.values()} == set(Event.__args__)


def reply_to(refusal: Refusal) -> Reply:
    _, (reply,) = step(Claiming(CALL), ClaimJudged(refusal))
    assert isinstance(reply, Reply)
    return reply


@pytest.mark.parametrize(
    ("refusal", "status", "outcome", "problem", "retryable"),
    [
        (BUSY, 409, Outcome.IN_FLIGHT, "in-flight", True),
        (Mismatch(), 422, Outcome.MISMATCH, "key-reused", False),
        (CallerChanged(), 409, Outcome.MISMATCH, "caller-changed", False),
        (Undecided(NOW), 409, Outcome.UNKNOWN, "outcome-unknown", False),
        (AnswerNotKept(201), 410, Outcome.EXPIRED, "response-not-kept", False),
        (KeyExpired(), 410, Outcome.EXPIRED, "key-expired", False),
    ],
)
def test_every_refusal_is_a_problem_that_says_what_it_is(
    refusal: Refusal, status: int, outcome: Outcome, problem: str, *, retryable: bool
) -> None:
    reply = reply_to(refusal)
    assert isinstance(reply.response, StoredResponse)
    members = json.loads(reply.response.body)
    assert (reply.response.status, reply.outcome) == (status, outcome)
    assert members["type"] == f"urn:idempotency-gateway:problem:{problem}"
    assert (members["status"], members["retryable"], members["instance"]) == (status, retryable, "urn:test")
    assert reply.response.origin is Origin.GATEWAY


def test_a_replay_hands_over_the_kept_answer_and_its_end() -> None:
    assert reply_to(Replay(ANSWER, NOW)) == Reply(Outcome.REPLAYED, ANSWER, expires=NOW)


@pytest.mark.parametrize(("age", "rest", "seconds"), [(0, 100, 1), (1.9, 100, 1), (2, 100, 2), (9, 100, 8), (64, 3, 3)])
def test_retry_after_doubles_with_the_age_of_the_call_and_never_outlasts_its_lease(
    age: float, rest: float, seconds: int
) -> None:
    reply = reply_to(Busy(timedelta(seconds=age), timedelta(seconds=rest)))
    assert (b"Retry-After", str(seconds).encode()) in reply.response.headers


def test_nothing_is_sent_once_the_server_waits_no_longer() -> None:
    closing, _ = step(Claiming(CALL), GraceOver())
    assert told(closing, ClaimJudged(Granted(grant()))) == "settling: release"
    assert told(Claiming(PASSING_ON, closing=True), StoreDown()) == "done: reply unavailable"


def test_without_a_store_the_policy_decides_between_refusing_and_sending_unguarded() -> None:
    assert told(Claiming(CALL), StoreDown()) == "done: reply unavailable"
    assert told(Claiming(PASSING_ON), StoreDown()) == "passing: send unguarded"


def test_a_call_that_meets_another_in_flight_waits_where_its_route_says_so() -> None:
    assert told(Claiming(PATIENT), ClaimJudged(BUSY)) == "waiting: wait"
    assert told(Claiming(CALL), ClaimJudged(BUSY)) == "done: reply in-flight"
    assert told(Claiming(PATIENT), ClaimJudged(Mismatch())) == "done: reply mismatch"


def test_only_who_is_heard_and_welcome_waits_and_only_so_long() -> None:
    last, _ = step(Waiting(PATIENT, BUSY), WaitOver())
    assert told(last, ClaimJudged(BUSY)) == "done: reply in-flight"
    assert told(last, ClaimJudged(Replay(ANSWER, NOW))) == "done: reply replayed"
    for event in (CallerGone(), GraceOver()):
        state, _ = step(Claiming(PATIENT), event)
        assert told(state, ClaimJudged(BUSY)) == "done: reply in-flight"


def test_a_call_that_waited_is_never_sent_unguarded() -> None:
    again, _ = step(Waiting(PATIENT, BUSY), MayHaveChanged())
    assert told(Claiming(PATIENT), StoreDown()) == "passing: send unguarded"
    assert told(again, StoreDown()) == "done: reply unavailable"
    assert told(again, ClaimJudged(BUSY)) == "waiting: wait"
    assert told(again, ClaimJudged(Granted(grant()))) == "calling: send"


def settlement_of(status: int, terms: Terms, *, taken_over: bool = False) -> str:
    call = replace(CALL, terms=terms)
    state, (command,) = step(Calling(call, grant(taken_over=taken_over)), replace(ANSWERED, status=status))
    assert isinstance(state, Settling)
    return f"{word(command)}, {state.reply.outcome}"


def test_an_answer_settles_by_what_its_status_proves() -> None:
    terms = Terms(unknown=frozenset({500}))
    assert settlement_of(201, terms) == "complete, executed"
    assert settlement_of(404, terms) == "complete, executed"
    assert settlement_of(503, terms) == "complete, executed"
    assert settlement_of(500, terms) == "mark unknown, unknown"
    assert settlement_of(429, terms) == "release, not-executed"


@pytest.mark.parametrize("status", [401, 409, 425, 429, 500, 503, 307])
def test_a_second_attempt_that_was_turned_away_proves_nothing_of_the_first(status: int) -> None:
    assert settlement_of(status, Terms(), taken_over=True) == "mark unknown, unknown"


def test_a_second_attempt_that_was_not_sent_tells_the_caller_that_the_outcome_is_unknown() -> None:
    state, (command,) = step(Calling(CALL, grant(taken_over=True)), NothingSent("refused"))
    assert isinstance(state, Settling)
    assert (word(command), state.reply.outcome, state.reply.response.status) == ("release", Outcome.UNKNOWN, 503)


@pytest.mark.parametrize(("timed_out", "status"), [(True, 504), (False, 502)])
def test_a_lost_call_is_told_as_unknown(status: int, *, timed_out: bool) -> None:
    state, _ = step(Calling(CALL, grant()), CallLost("x", timed_out))
    assert isinstance(state, Settling)
    assert (state.reply.response.status, state.reply.outcome) == (status, Outcome.UNKNOWN)


@pytest.mark.parametrize("event", [CallLost("timeout", timed_out=True), ResponseOverdue()])
def test_under_fail_the_gateways_own_answer_is_kept_before_it_is_told(event: Event) -> None:
    state, (command,) = step(Calling(FAILING, grant()), event)
    assert isinstance(state, Settling)
    assert isinstance(command, Settle)
    assert command.settlement == Complete(state.reply.response)  # type: ignore[arg-type]  # told apart by the equality
    assert told(state, ANSWERED) == "settling", "an answer that comes after it changes nothing"


def test_what_is_kept_has_no_cookie_no_hop_by_hop_field_and_nothing_that_the_policy_drops() -> None:
    call = replace(CALL, drop=frozenset({b"x-a"}))
    state, (command,) = step(Calling(call, grant()), ANSWERED)
    assert command == Settle(grant(), Complete(StoredResponse(201, (), b"ok")))
    assert isinstance(state, Settling)
    assert state.reply.response.headers == ((b"X-A", b"1"), (b"Set-Cookie", b"a=b"))


def test_an_upstream_cannot_speak_in_the_gateways_name() -> None:
    forged = replace(ANSWERED, headers=((b"IDEMPOTENCY-STATUS", b"replayed"), (b"Idempotent-Replayed", b"true")))
    state, (command,) = step(Calling(CALL, grant()), forged)
    assert isinstance(state, Settling)
    assert state.reply.response.headers == ()
    assert command == Settle(grant(), Complete(StoredResponse(201, (), b"ok")))


def test_an_answer_that_streams_is_settled_as_executed_and_not_kept() -> None:
    state, (command,) = step(Calling(CALL, grant()), replace(ANSWERED, body=None))
    assert command == Settle(grant(), Complete(NotKept(201)))
    assert isinstance(state, Settling)
    assert isinstance(state.reply.response, Streamed)


@pytest.mark.parametrize("event", [CallLost("reset", timed_out=False), ResponseOverdue()])
def test_under_fail_an_answer_that_nobody_hears_is_not_kept_and_the_truth_is_welcome(event: Event) -> None:
    alone, _ = step(Calling(FAILING, grant()), CallerGone())
    _, commands = step(alone, event)
    assert [word(command) for command in commands if isinstance(command, Settle)] == ["mark unknown"]


def test_what_is_kept_under_fail_is_dated_and_does_not_ask_for_a_retry() -> None:
    dated = replace(FAILING, date=((b"Date", b"now"),))
    state, _ = step(Calling(dated, grant()), ResponseOverdue())
    assert isinstance(state, Settling)
    assert isinstance(state.reply.response, StoredResponse)
    assert (b"Date", b"now") in state.reply.response.headers
    assert json.loads(state.reply.response.body)["retryable"] is False


@pytest.mark.parametrize("event", [NothingSent("refused"), replace(ANSWERED, status=429)])
def test_nobody_hears_not_executed_of_a_record_that_has_moved_on(event: Event) -> None:
    state, _ = step(Calling(CALL, grant()), event)
    _, (settled,) = step(state, SettlementWritten(Settled()))
    _, (moved,) = step(state, SettlementWritten(Moved()))
    assert word(settled) == "reply not-executed"
    assert word(moved) == "reply unknown"


@pytest.mark.parametrize("event", [NothingSent("dispatch-deadline"), replace(ANSWERED, status=429)])
def test_nobody_hears_not_executed_of_a_record_that_may_have_moved_on_while_it_could_not_be_written(
    event: Event,
) -> None:
    """A process that stood still for longer than its lease may have been overtaken by a second attempt."""
    state, _ = step(Calling(CALL, grant()), event)
    _, (late,) = step(state, SettlementOverdue())
    assert isinstance(late, Reply)
    assert (word(late), late.recorded) == ("reply unknown", False)


def test_an_answer_that_is_not_kept_says_no_time_until_which_it_is_replayed() -> None:
    state, _ = step(Calling(CALL, grant()), replace(ANSWERED, body=None))
    _, (reply,) = step(state, SettlementWritten(Settled(NOW)))
    assert isinstance(reply, Reply)
    assert reply.expires is None


def test_what_could_not_be_written_is_marked_whether_late_or_overtaken() -> None:
    for event in (SettlementOverdue(), SettlementWritten(Moved())):
        _, (reply,) = step(Settling(WAITING), event)
        assert reply == replace(WAITING, recorded=False)


def test_a_late_answer_that_proves_nothing_leaves_the_unknown_as_it_is() -> None:
    call = replace(CALL, terms=Terms(unknown=frozenset({500})))
    assert told(Listening(call, grant()), replace(ANSWERED, status=500)) == "done"
    assert told(Listening(call, grant()), replace(ANSWERED, status=401)) == "finishing: release"


def test_an_unknown_whose_call_still_runs_says_when_to_retry_as_one_in_flight_does() -> None:
    running = Undecided(NOW, timedelta(0), Busy(5 * SECOND, 3 * SECOND))
    reply = reply_to(running)
    assert isinstance(reply.response, StoredResponse)
    assert (reply.outcome, reply.response.status) == (Outcome.UNKNOWN, 409)
    assert dict(reply.response.headers)[b"Retry-After"] == b"3"
    told = json.loads(reply.response.body)
    assert (told["type"], told["key_state"], told["retryable"]) == (
        "urn:idempotency-gateway:problem:outcome-unknown",
        "unknown",
        True,
    )
    assert "still waiting for its answer" in told["detail"]


@pytest.mark.parametrize(("asks_in", "retry_after"), [(None, None), (timedelta(0), b"1"), (29.5 * SECOND, b"31")])
def test_an_unknown_says_when_to_retry_only_while_somebody_asks_the_upstream(
    asks_in: timedelta | None, retry_after: bytes | None
) -> None:
    _, (reply,) = step(Claiming(CALL), ClaimJudged(Undecided(NOW, asks_in)))
    assert isinstance(reply, Reply)
    assert isinstance(reply.response, StoredResponse)
    assert dict(reply.response.headers).get(b"Retry-After") == retry_after
    assert json.loads(reply.response.body)["retryable"] is (asks_in is not None)
