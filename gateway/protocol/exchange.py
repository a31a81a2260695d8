"""The law of one request: a function per state; an event in, the next state and the commands out.

::

    Claiming ──granted──► Calling ──answered, lost, not sent──► Settling ──written──► Done
     │ │  ▲                  └──response overdue──► Listening ──answered──► Finishing ──written──► Done
     │ │  └──may have changed, wait over──┐
     │ ├──busy, policy "wait"──► Waiting ─┴──caller gone, grace over──► Done
     │ ├──refused──► Done
     │ └──store down, policy "pass"──► Passing ──► Done
     └──grace over while it claims: a grant is given back

Pure: it never sends, waits or looks at a clock. An event that can no longer matter in a state leaves it as it is; one
that cannot happen there raises ``ImpossibleEvent``, because a driver that tells it has lost count of what it sent.
"""

from dataclasses import dataclass, replace
from typing import assert_never

from gateway.protocol import problems
from gateway.protocol.claims import RESPONSE_TIMEOUT
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
from gateway.protocol.headers import MARKS, Headers, end_to_end, kept_of
from gateway.protocol.model import (
    AnswerNotKept,
    Busy,
    CallerChanged,
    Complete,
    Grant,
    Granted,
    KeyExpired,
    MarkUnknown,
    Mismatch,
    NotKept,
    Refusal,
    Release,
    Replay,
    Settled,
    Settlement,
    StoredResponse,
    Undecided,
    Verdict,
)
from gateway.protocol.outcomes import Outcome
from gateway.protocol.problems import Problem
from gateway.protocol.terms import Meaning, OnConflict, OnStoreDown, OnUnknown, Terms


class ImpossibleEvent(AssertionError):
    """The driver told an event that cannot happen in this state."""


@dataclass(frozen=True, slots=True)
class Call:
    """What stays the same through one request. ``instance`` is the URI that names it in problems (RFC 9457, 3.1.5);
    ``drop`` holds the response fields that are never kept (lower case); ``date`` those of a kept answer of our own.
    ``trace``: kept with the answer, where the call is traced."""

    instance: str
    terms: Terms
    drop: frozenset[bytes] = frozenset()
    problem_base: str = problems.URN
    date: Headers = ()
    trace: bytes = b""

    def problem(self, problem: Problem) -> StoredResponse:
        """The problem as an answer of this call."""
        return problem.render(self.problem_base, self.instance)

    def refuse(self, problem: Problem, *, again: bool = False) -> Reply:
        """The problem as a reply."""
        return Reply(problem.outcome, self.problem(problem), again=again)

    def lost(self, grant: Grant, *, timed_out: bool) -> Reply:
        """What the caller of a sent call hears that has no complete answer."""
        problem = problems.outcome_unknown(timed_out=timed_out, again=self.terms.on_unknown is OnUnknown.RETRY)
        return self.refuse(problem, again=grant.taken_over)


@dataclass(frozen=True, slots=True)
class Claiming:
    """The store is asked for the right to send. ``closing``: a grant is given back. ``heard``: as in ``Calling``.
    ``patient``: while another call is in flight, this one may still wait for it. ``waited``: it did, and so it is never
    sent unguarded."""

    call: Call
    closing: bool = False
    heard: bool = True
    patient: bool = True
    waited: bool = False

    @property
    def passes(self) -> bool:
        """Whether the call is sent without a claim where no store answers."""
        return self.call.terms.on_store_down is OnStoreDown.PASS and not self.closing and not self.waited

    @property
    def waits(self) -> bool:
        """Whether a call that meets another one in flight waits for it."""
        wanted = self.call.terms.on_conflict is OnConflict.WAIT
        return wanted and self.patient and self.heard and not self.closing


@dataclass(frozen=True, slots=True)
class Waiting:
    """Another call with the key is in flight; ``busy`` is what was last heard of it."""

    call: Call
    busy: Busy


@dataclass(frozen=True, slots=True)
class Calling:
    """The one request is under way, or about to be. ``heard``: somebody still waits to be told its outcome."""

    call: Call
    grant: Grant
    heard: bool = True

    @property
    def failing(self) -> bool:
        """Whether a lost call is answered once and for all, because its caller is there to hear it."""
        return self.heard and self.call.terms.on_unknown is OnUnknown.FAIL


@dataclass(frozen=True, slots=True)
class Settling:
    """What happened is being written; the caller still waits for ``reply``, or for ``overtaken`` where there is one and
    the record has moved on, or may have."""

    reply: Reply
    overtaken: Reply | None = None


@dataclass(frozen=True, slots=True)
class Listening:
    """The caller has been told "unknown"; the call still runs, and the truth is welcome."""

    call: Call
    grant: Grant


@dataclass(frozen=True, slots=True)
class Passing:
    """An unguarded request is under way."""

    call: Call


@dataclass(frozen=True, slots=True)
class Finishing:
    """The caller is answered; a settlement is still being written."""


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is owed to anybody."""


State = Claiming | Waiting | Calling | Settling | Listening | Passing | Finishing | Done
Step = tuple[State, tuple[Command, ...]]


def step(state: State, event: Event) -> Step:
    """The next state, and what to do."""
    match state:
        case Claiming():
            return claiming(state, event)
        case Waiting():
            return waiting(state, event)
        case Calling():
            return calling(state, event)
        case Settling():
            return settling(state, event)
        case Listening():
            return listening(state, event)
        case Passing():
            return passing(state, event)
        case Finishing():
            return finishing(state, event)
        case Done():
            return done(state, event)
        case _:
            assert_never(state)


def claiming(state: Claiming, event: Event) -> Step:
    """Nothing may be sent before the grant is durable; whatever else the store says is the answer."""
    call = state.call
    match event:
        case ClaimJudged(verdict=verdict):
            return _judged(state, verdict)
        case RecordDamaged():
            return Done(), (call.refuse(problems.record_unreadable()),)
        case StoreDown() if state.passes:
            return Passing(call), (SendUnguarded(),)
        case StoreDown():
            return Done(), (call.refuse(problems.store_unavailable()),)
        case GraceOver():
            return replace(state, closing=True), ()
        case CallerGone():
            return replace(state, heard=False), ()
        case (
            MayHaveChanged()
            | WaitOver()
            | Answered()
            | NothingSent()
            | CallLost()
            | ResponseOverdue()
            | SettlementWritten()
            | SettlementOverdue()
        ):
            raise ImpossibleEvent(state, event)
        case _:
            assert_never(event)


def waiting(state: Waiting, event: Event) -> Step:
    """Nothing was sent and nothing is held: only the store's next verdict counts."""
    match event:
        case MayHaveChanged():
            return Claiming(state.call, waited=True), (Ask(),)
        case WaitOver():
            return Claiming(state.call, patient=False, waited=True), (Ask(),)
        case CallerGone() | GraceOver():
            return Done(), (_refused(state.call, state.busy),)
        case (
            ClaimJudged()
            | StoreDown()
            | RecordDamaged()
            | Answered()
            | NothingSent()
            | CallLost()
            | ResponseOverdue()
            | SettlementWritten()
            | SettlementOverdue()
        ):
            raise ImpossibleEvent(state, event)
        case _:
            assert_never(event)


def calling(state: Calling, event: Event) -> Step:
    """The point of no return lies in here; only ``NothingSent`` proves that it was not reached."""
    call, grant = state.call, state.grant
    match event:
        case Answered():
            settlement, reply = _answered(call, grant, event)
            return Settling(reply, _overtaken(reply)), (Settle(grant, settlement),)
        case NothingSent(reason=reason):
            return _give_back(call, grant, reason)
        case CallLost(reason=reason, timed_out=timed_out):
            return _lost(state, reason, timed_out=timed_out)
        case ResponseOverdue() if state.failing:
            return _lost(state, RESPONSE_TIMEOUT, timed_out=True)
        case ResponseOverdue():
            reply = call.lost(grant, timed_out=True)
            return Listening(call, grant), (reply, Settle(grant, MarkUnknown(RESPONSE_TIMEOUT)))
        case GraceOver():
            return _lost(state, "shutdown", timed_out=False)
        case CallerGone():
            return replace(state, heard=False), ()
        case (
            ClaimJudged()
            | MayHaveChanged()
            | WaitOver()
            | StoreDown()
            | RecordDamaged()
            | SettlementWritten()
            | SettlementOverdue()
        ):
            raise ImpossibleEvent(state, event)
        case _:
            assert_never(event)


def settling(state: Settling, event: Event) -> Step:
    """The caller hears the truth whether it could be written or not; what is not written is marked."""
    match event:
        case SettlementWritten(answer=Settled(replay_until=replay_until)):
            kept_until = replay_until if isinstance(state.reply.response, StoredResponse) else None
            return Done(), (state.reply.until(kept_until),)
        case SettlementWritten():
            return Done(), (replace(state.overtaken or state.reply, recorded=False),)
        case SettlementOverdue():
            # Whether the record has moved on is not known either.
            return Finishing(), (replace(state.overtaken or state.reply, recorded=False),)
        case Answered() | NothingSent() | CallLost() | ResponseOverdue() | CallerGone() | GraceOver():
            return state, ()
        case ClaimJudged() | MayHaveChanged() | WaitOver() | StoreDown() | RecordDamaged():
            raise ImpossibleEvent(state, event)
        case _:
            assert_never(event)


def listening(state: Listening, event: Event) -> Step:
    """The caller was told that nobody knows; what is learned now settles the record (law 4)."""
    call, grant = state.call, state.grant
    match event:
        case Answered() if call.terms.meaning(event.status, taken_over=grant.taken_over) is Meaning.UNKNOWN:
            return Done(), ()
        case Answered():
            settlement, _ = _answered(call, grant, event)
            return Finishing(), (Settle(grant, settlement),)
        case NothingSent():
            return Finishing(), (Settle(grant, Release()),)
        case CallLost() | GraceOver():
            return Done(), ()
        case SettlementWritten() | SettlementOverdue() | ResponseOverdue() | CallerGone():
            return state, ()
        case ClaimJudged() | MayHaveChanged() | WaitOver() | StoreDown() | RecordDamaged():
            raise ImpossibleEvent(state, event)
        case _:
            assert_never(event)


def passing(state: Passing, event: Event) -> Step:
    """Unguarded by the operator's choice: the answer is passed on, marked, and never kept."""
    call = state.call
    match event:
        case Answered():
            return Done(), (Reply(Outcome.UNGUARDED, _downstream(event)),)
        case NothingSent(reason=reason):
            return Done(), (_unguarded(call, problems.upstream_unreachable(reason)),)
        case CallLost(timed_out=timed_out):
            return Done(), (_unguarded(call, problems.outcome_unknown(timed_out=timed_out)),)
        case ResponseOverdue():
            return Done(), (_unguarded(call, problems.outcome_unknown(timed_out=True)),)
        case GraceOver():
            return Done(), (_unguarded(call, problems.outcome_unknown(timed_out=False)),)
        case CallerGone():
            return state, ()
        case (
            ClaimJudged()
            | MayHaveChanged()
            | WaitOver()
            | StoreDown()
            | RecordDamaged()
            | SettlementWritten()
            | SettlementOverdue()
        ):
            raise ImpossibleEvent(state, event)
        case _:
            assert_never(event)


def finishing(state: Finishing, event: Event) -> Step:
    """Only the settlement is still awaited."""
    match event:
        case SettlementWritten():
            return Done(), ()
        case (
            Answered()
            | NothingSent()
            | CallLost()
            | ResponseOverdue()
            | SettlementOverdue()
            | CallerGone()
            | GraceOver()
        ):
            return state, ()
        case ClaimJudged() | MayHaveChanged() | WaitOver() | StoreDown() | RecordDamaged():
            raise ImpossibleEvent(state, event)
        case _:
            assert_never(event)


def done(state: Done, event: Event) -> Step:
    """What comes after the end changes nothing: a late answer under ``fail``, a mark that was still being written, word
    of a record that nobody waits for any more."""
    match event:
        case ClaimJudged() | StoreDown() | RecordDamaged():
            raise ImpossibleEvent(state, event)
        case _:
            return state, ()


def _judged(state: Claiming, verdict: Verdict) -> Step:
    if isinstance(verdict, Busy) and state.waits:
        return Waiting(state.call, verdict), (Wait(),)
    if not isinstance(verdict, Granted):
        return Done(), (_refused(state.call, verdict),)
    if state.closing:
        return _give_back(state.call, verdict.grant, "draining")
    return Calling(state.call, verdict.grant, state.heard), (Send(verdict.grant),)


def _refused(call: Call, refusal: Refusal) -> Reply:
    match refusal:
        case Replay(response=response, until=until):
            return Reply(Outcome.REPLAYED, response, expires=until)
        case Busy(age=age, rest=rest):
            return call.refuse(problems.in_flight(age, rest))
        case Mismatch():
            return call.refuse(problems.key_reused())
        case CallerChanged():
            return call.refuse(problems.caller_changed())
        case Undecided(running=Busy(age=age, rest=rest)):
            return call.refuse(problems.not_yet_known(age, rest))
        case Undecided(asks_in=asks_in):
            return call.refuse(problems.still_unknown(asks_in))
        case AnswerNotKept(status=status):
            return call.refuse(problems.response_not_kept(status))
        case KeyExpired():
            return call.refuse(problems.key_expired())
        case _:
            assert_never(refusal)


def _answered(call: Call, grant: Grant, event: Answered) -> tuple[Settlement, Reply]:
    response = _downstream(event)
    match call.terms.meaning(event.status, taken_over=grant.taken_over):
        case Meaning.EXECUTED:
            return Complete(_kept(call, response)), Reply(Outcome.EXECUTED, response, again=grant.taken_over)
        case Meaning.NOT_EXECUTED:
            return Release(), Reply(Outcome.NOT_EXECUTED, response)
        case Meaning.UNKNOWN:
            return MarkUnknown(f"status-{event.status}"), Reply(Outcome.UNKNOWN, response, again=grant.taken_over)


def _kept(call: Call, response: StoredResponse | Streamed) -> StoredResponse | NotKept:
    """What of the answer, as its own caller hears it, later ones will."""
    if isinstance(response, Streamed):
        return NotKept(response.status)
    headers = kept_of(response.headers, call.drop)
    unverified = response.length_unverified
    return StoredResponse(response.status, headers, response.body, length_unverified=unverified, trace=call.trace)


def _downstream(event: Answered) -> StoredResponse | Streamed:
    headers = end_to_end(event.headers, without=MARKS)
    if event.body is None:
        return Streamed(event.status, headers)
    return StoredResponse(event.status, headers, event.body, length_unverified=event.length_unverified)


def _lost(state: Calling, reason: str, *, timed_out: bool) -> Step:
    call, grant = state.call, state.grant
    if not state.failing:
        reply = call.lost(grant, timed_out=timed_out)
        return Settling(reply), (Settle(grant, MarkUnknown(reason)),)
    # Under "fail" the gateway's own answer is the kept one, because the caller is about to be told it.
    own = call.problem(problems.outcome_failed(timed_out=timed_out))
    own = replace(own, headers=(*own.headers, *call.date), trace=call.trace)
    return Settling(Reply(Outcome.UNKNOWN, own)), (Settle(grant, Complete(own)),)


def _give_back(call: Call, grant: Grant, reason: str) -> Step:
    reply = call.refuse(problems.upstream_unreachable(reason, taken_over=grant.taken_over))
    overtaken = call.refuse(problems.upstream_unreachable(reason, taken_over=True))
    return Settling(reply, overtaken), (Settle(grant, Release()),)


def _overtaken(reply: Reply) -> Reply | None:
    """Of a record that has moved on nobody may say that no call with this key was executed."""
    return replace(reply, outcome=Outcome.UNKNOWN) if reply.outcome is Outcome.NOT_EXECUTED else None


def _unguarded(call: Call, problem: Problem) -> Reply:
    return Reply(Outcome.UNGUARDED, call.problem(problem))
