"""Performs the law of one request through ports, each exchange in a task of its own.

A downstream that hangs up, or a server that drains, is an event here and never a cancellation of the call. Knows the
event loop; refuses to know HTTP frameworks, libraries of stores, and metrics.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, assert_never

from gateway.cuts import Cut
from gateway.errors import NotSent, OutcomeUnknown, RecordUnreadable, StoreUnavailable
from gateway.policies.routing import Route
from gateway.ports import Answer, Calls, Clock, Observer, Outgoing, Upstream, Watch
from gateway.protocol import observations as seen
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
from gateway.protocol.exchange import Call, Claiming, Listening, State, step
from gateway.protocol.headers import is_event_stream
from gateway.protocol.model import Busy, Claim, Granted, Moved, RecordId, Settled, Verdict
from gateway.protocol.problems import outcome_unknown, store_unavailable
from gateway.protocol.terms import OnStoreDown
from gateway.runner.recording import ExchangeSpans, result_of
from gateway.runner.taking_back import TakingBack

# How long a caller waits for a settlement to be written (contract, section 4), and the pauses between attempts.
SETTLEMENT_PATIENCE = 2.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0

# What a claim's commit and a paused process may take beyond the connect time-out before the first byte.
DISPATCH_MARGIN = 5.0

# Why a call was given up before its first byte, where nobody said otherwise.
NOT_CONNECTED = "connect-timeout"

# At shutdown, after the grace: how long what was learned may take to be written.
LAST_WRITES = 5.0


@dataclass(frozen=True, slots=True)
class Ports:
    """What an exchange performs its commands through."""

    store: Calls
    upstream: Upstream
    observer: Observer
    clock: Clock


@dataclass(frozen=True, slots=True)
class Errand:
    """One guarded call: whose right it needs, where it goes, and what is sent, made once a record is granted.
    ``trace``: its ``traceparent``, for log lines; ``spans``: where it is recorded."""

    call: Call
    claim: Claim
    route: Route
    request: Callable[[RecordId], Outgoing]
    trace: bytes = b""
    spans: ExchangeSpans | None = None


class Exchange:
    """One guarded call under way. ``reply`` is set once; ``answer`` holds the body where the reply is a stream."""

    __slots__ = (
        "_arrived",
        "_begun",
        "_deadline",
        "_dispatched",
        "_errand",
        "_listening",
        "_overdue_at",
        "_ports",
        "_record_id",
        "_runner",
        "_sent_at",
        "_state",
        "_taken",
        "_told",
        "_unsent",
        "_upstream",
        "_waited",
        "_waits_until",
        "_watch",
        "answer",
        "reply",
    )

    def __init__(self, runner: "Exchanges", ports: Ports, errand: Errand, *, closing: bool) -> None:
        self._runner = runner
        self._ports = ports
        self._errand = errand
        self._state: State = Claiming(errand.call, closing)
        self._begun = self._arrived = ports.clock.monotonic()
        self._waits_until = self._begun + errand.route.policy.wait_timeout.total_seconds()
        self._record_id = errand.claim.id
        self._watch: Watch | None = None
        self._deadline: Cut | None = None
        self._overdue_at: asyncio.TimerHandle | None = None
        self._dispatched = False
        self._listening: asyncio.Task[None] | None = None
        self._taken = False
        # For measuring: since when the upstream is asked, how long it was, and how long another call was waited for;
        # and whether what is the matter with this call was told.
        self._sent_at: float | None = None
        self._upstream = self._waited = 0.0
        self._told = False
        self._unsent = NOT_CONNECTED
        self.reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.answer: Answer | None = None

    @property
    def record_id(self) -> RecordId:
        """Which record the call is about."""
        return self._errand.claim.id

    async def run(self) -> None:
        """From the claim to the last word."""
        try:
            await self._follow(Ask())
        finally:
            self._watch_no_more()
        if not self._taken:
            await self._drain()

    def abandon(self) -> None:
        """The caller is gone. The call runs on; a stream that was already handed over is read to its end here."""
        self.tell(CallerGone())
        if self._taken:
            self._runner.spawn(self._drain(), self)

    def tell(self, event: Event) -> None:
        """An event from outside the course of things: a timer, the downstream, the server."""
        work = self._feed(event)
        if work is not None:
            self._runner.spawn(self._follow(work), self)

    def failed(self, fault: BaseException) -> None:
        """A fault of our own: nobody knows how far it got. The claim stays, and its lease makes it unknown."""
        self._ports.observer.observe(seen.InternalFault(self._errand.route.name, fault))
        self.cut_off()

    def cut_off(self) -> None:
        """Nothing more will be done for the call: its caller hears at least what is certain."""
        if self.reply.done():
            return
        call = self._errand.call
        unasked = isinstance(self._state, Claiming)
        problem = store_unavailable() if unasked else outcome_unknown(timed_out=False)
        self.reply.set_result(replace(call.refuse(problem), recorded=unasked))

    def close(self) -> None:
        """The server waits no longer: what was not sent is given back, what is not answered is unknown."""
        if self._give_up("draining"):
            return
        self.tell(GraceOver())
        if self._listening is not None:
            self._listening.cancel()

    def _overdue(self, deadline: Cut, until: float) -> None:
        """The time to answer is over; what is sent is listened to ``until`` then, by the loop's clock."""
        if not self._give_up(NOT_CONNECTED):
            self._overdue_at = asyncio.get_running_loop().call_at(until, deadline.cut)
            self.tell(ResponseOverdue())

    def _give_up(self, reason: str) -> bool:
        """Ends a sending that has not come to its first byte; false where there is none."""
        if self._deadline is None or self._dispatched:
            return False
        if not self._deadline.made:
            self._unsent = reason
            self._deadline.cut()
        return True

    async def _follow(self, work: Command | None) -> None:
        while work is not None:
            work = self._feed(await self._do(work))

    def _feed(self, event: Event) -> Command | None:
        before = self._state
        self._state, commands = step(before, event)
        self._observe(before, event)
        work = None
        for command in commands:
            if isinstance(command, Reply):
                self._hand_over(command)
            else:
                work = command
        return work

    def _hand_over(self, reply: Reply) -> None:
        self._tell_answered(reply)
        self._watch_no_more()
        if not self.reply.done():
            self._taken = isinstance(reply.response, Streamed)
            self.reply.set_result(reply)

    def _tell_answered(self, reply: Reply) -> None:
        now, errand = self._ports.clock.monotonic(), self._errand
        seconds = now - self._arrived
        upstream = self._upstream if self._sent_at is None else now - self._sent_at
        self._ports.observer.observe(
            seen.Answered(
                errand.route.name,
                reply.outcome or "",
                reply.response.status,
                seconds,
                upstream,
                seconds - upstream - self._waited,
                errand.claim.id,
                errand.trace,
                self._told,
            )
        )

    def _watch_no_more(self) -> None:
        if self._watch is not None:
            self._watch.close()

    async def _drain(self) -> None:
        """Reads a stream that nobody listens to: the call still runs to its end (contract, section 4)."""
        if self.answer is None:
            return
        self._listening = asyncio.current_task()
        try:
            async for _ in self.answer.stream():
                pass
        except OutcomeUnknown:
            self.answer.close()

    async def _do(self, work: Command) -> Event:
        match work:
            case Ask():
                return await (self._claim() if self._errand.spans is None else self._claim_recorded(self._errand.spans))
            case Wait():
                return await self._wait()
            case Send(grant=grant):
                if grant.taken_over:
                    self._ports.observer.observe(seen.PolicyChoice(self._errand.route.name, "retry"))
                return await self._send()
            case SendUnguarded():
                self._ports.observer.observe(seen.PolicyChoice(self._errand.route.name, "pass"))
                return await self._send()
            case Settle():
                spans = self._errand.spans
                return await (self._settle(work) if spans is None else self._settle_recorded(work, spans))
            case Reply():
                raise AssertionError("replies are handed over, not awaited")
            case _:
                assert_never(work)

    async def _claim_recorded(self, spans: ExchangeSpans) -> Event:
        begun = self._ports.clock.monotonic()
        event = await self._claim()
        spans.claimed(event, begun, self._ports.clock.monotonic())
        return event

    async def _claim(self) -> Event:
        try:
            return ClaimJudged(self._about(await self._ports.store.claim(self._errand.claim)))
        except StoreUnavailable as fault:
            self._store_fault("claim", fault)
            # A call that is sent unguarded instead may be executed: its grant must not look unused.
            if fault.unsure and self._errand.call.terms.on_store_down is OnStoreDown.REFUSE:
                self._runner.taking_back.begin(self._errand.claim, self._errand.route.name)
            return StoreDown()
        except RecordUnreadable as fault:
            self._store_fault("open", fault)
            return RecordDamaged()

    def _about(self, verdict: Verdict) -> Verdict:
        """Remembers which record the verdict is about: it may be one that was made under another digest key."""
        match verdict:
            case Granted(grant=grant):
                self._record_id = grant.id
            case Busy(id=busy) if busy is not None:
                self._record_id = busy
            case _:
                pass
        return verdict

    def _store_fault(self, operation: str, fault: Exception) -> None:
        self._told = True
        self._ports.observer.observe(seen.StoreFault(operation, str(fault), self._errand.trace))

    async def _wait(self) -> Event:
        """Until the store has word of the record; what was settled before it was watched, only a claim can tell."""
        since = self._ports.clock.monotonic()
        if self._watch is None:
            self._ports.observer.observe(seen.Waiting(self._errand.route.name))
            self._watch = await self._ports.store.watch(self._record_id)
        else:
            await self._watch.changed(max(0.0, self._waits_until - self._ports.clock.monotonic()))
        # What a grant bounds begins with the claim that gets it, not with the waiting before.
        self._begun = self._ports.clock.monotonic()
        self._waited += self._begun - since
        if self._errand.spans is not None:
            self._errand.spans.waited(since, self._begun)
        return MayHaveChanged() if self._begun < self._waits_until else WaitOver()

    async def _send(self) -> Event:
        """One call, measured."""
        begun = self._sent_at = self._ports.clock.monotonic()
        event = await self._sending(begun - self._begun)
        ended = self._ports.clock.monotonic()
        self._sent_at, self._upstream = None, ended - begun
        self._ports.observer.observe(seen.Sent(self._errand.route.name, result_of(event), self._upstream))
        if self._errand.spans is not None:
            self._errand.spans.sent(event, begun, ended)
        return event

    async def _sending(self, elapsed: float) -> Event:
        """One call, bounded from the claim on, so that the lease outlasts it."""
        times = self._errand.route.target.timeouts
        total = times.total.total_seconds()
        margin = min(total, times.connect.total_seconds() + DISPATCH_MARGIN)
        if elapsed >= margin:
            return self._nothing_sent("dispatch-deadline", "The process was paused between claim and first byte.")
        response = min(total, times.response.total_seconds())
        deadline = self._deadline = Cut()
        loop = asyncio.get_running_loop()
        # Both from one moment on: a process that was paused in between has no more time than others.
        begun = loop.time() - elapsed
        self._overdue_at = loop.call_at(begun + response, self._overdue, deadline, begun + total)
        self._listening = asyncio.current_task()
        try:
            with deadline:
                return await self._answered(self._begun + margin)
        except NotSent as fault:
            return self._nothing_sent(fault.reason, str(fault))
        except OutcomeUnknown as fault:
            return CallLost(fault.reason, fault.timed_out)
        except TimeoutError:
            if not self._dispatched:
                return self._nothing_sent(self._unsent, "It was given up before a connection was made.")
            return CallLost("timeout", timed_out=True)
        finally:
            self._overdue_at.cancel()
            self._deadline = self._listening = self._overdue_at = None

    def _nothing_sent(self, reason: str, detail: str) -> NothingSent:
        self._told, errand = True, self._errand
        self._ports.observer.observe(seen.NotSent(errand.route.name, reason, detail, self._record, errand.trace))
        return NothingSent(reason)

    def _on_dispatch(self) -> None:
        self._dispatched = True

    async def _answered(self, dispatch_by: float) -> Answered:
        route, ports = self._errand.route, self._ports
        answer = await ports.upstream.send(
            route.target, self._errand.request(self._record_id), dispatch_by=dispatch_by, on_dispatch=self._on_dispatch
        )
        limit = route.policy.max_response_body
        keep = route.policy.keep_body and not is_event_stream(answer.headers)
        body = await answer.whole(limit) if keep and (answer.length is None or answer.length <= limit) else None
        if body is None:
            self.answer = answer
        return Answered(answer.status, answer.headers, body, answer.length_unverified)

    async def _settle_recorded(self, work: Settle, spans: ExchangeSpans) -> Event:
        begun = self._ports.clock.monotonic()
        event = await self._settle(work)
        spans.settled(work.settlement, event, begun, self._ports.clock.monotonic())
        return event

    async def _settle(self, work: Settle) -> SettlementWritten:
        """Written until the store has taken it; a lost settlement would make an unknown of a known outcome."""
        loop = asyncio.get_running_loop()
        overdue = loop.call_later(SETTLEMENT_PATIENCE, self.tell, SettlementOverdue())
        pause = FIRST_PAUSE
        try:
            while True:
                try:
                    return SettlementWritten(await self._ports.store.settle(work.grant, work.settlement))
                except StoreUnavailable as fault:
                    self._ports.observer.observe(seen.StoreFault("settle", str(fault), self._errand.trace))
                except RecordUnreadable as fault:
                    self._ports.observer.observe(seen.StoreFault("open", str(fault), self._errand.trace))
                    return SettlementWritten(Moved())
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            overdue.cancel()

    @property
    def _record(self) -> str:
        return self._errand.claim.id.digest[:6].hex()

    def _observe(self, before: State, event: Event) -> None:
        observe, route, trace = self._ports.observer.observe, self._errand.route.name, self._errand.trace
        match event:
            case ClaimJudged() | SettlementWritten(answer=Settled()):
                pass
            case CallLost(reason=reason) if not isinstance(before, Listening):
                self._told = True
                observe(seen.OutcomeLost(route, reason, self._record, trace))
            case ResponseOverdue() if self._state is not before:
                self._told = True
                observe(seen.OutcomeLost(route, RESPONSE_TIMEOUT, self._record, trace))
            case Answered() if isinstance(before, Listening):
                observe(seen.LateAnswer(route, self._record, trace))
            case SettlementWritten(answer=Moved()):
                observe(seen.SettlementMoved(route, self._record, trace))
            case SettlementOverdue() if self._state is not before:
                observe(seen.SettlementSlow(route, self._record, trace))
            case _:
                pass


class Exchanges:
    """All guarded calls under way, each in its own task, and their orderly end."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._tasks: dict[asyncio.Task[None], Exchange] = {}
        self.taking_back = TakingBack(ports.store, ports.observer)
        self.closing = False

    def begin(self, errand: Errand) -> Exchange:
        """Starts an exchange; it runs to its end whoever listens. While ``closing`` it tells what is known, no more."""
        exchange = Exchange(self, self._ports, errand, closing=self.closing)
        self.spawn(exchange.run(), exchange)
        return exchange

    def spawn(self, work: Coroutine[Any, Any, None], exchange: Exchange) -> None:
        """Runs ``work`` as part of ``exchange``."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = exchange
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        exchange = self._tasks.pop(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            exchange.failed(fault)
        elif not exchange.reply.done() and exchange not in self._tasks.values():
            exchange.cut_off()

    @property
    def under_way(self) -> int:
        """How many exchanges are not at their end."""
        return len(set(self._tasks.values()))

    async def drain(
        self, grace: float, hurry: asyncio.Event | None = None, *, last_writes: float = LAST_WRITES
    ) -> None:
        """Waits for what is under way, at most ``grace`` seconds or until ``hurry``; then settles every claim held."""
        waiting = asyncio.create_task(self._wait(grace))
        hurried = asyncio.create_task((hurry or asyncio.Event()).wait())
        await asyncio.wait([waiting, hurried], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        hurried.cancel()
        self.closing = True
        # In the order in which they began, so that the same course of things ends the same.
        for exchange in dict.fromkeys(self._tasks.values()):
            exchange.close()
        await self._wait(last_writes)
        await self.taking_back.end(last_writes)
        for task in list(self._tasks):
            task.cancel()
        await self._wait(last_writes)

    async def _wait(self, seconds: float) -> None:
        """Until nothing is under way, at most ``seconds``; work that follows from work is waited for too."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._tasks:
                    await asyncio.wait(list(self._tasks))
