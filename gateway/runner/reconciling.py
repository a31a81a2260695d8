"""Asks upstreams what came of unknown calls, and decides those that are known by the answer.

Performs what ``policies.judging`` rules, through ports. What is to be asked lies in the store, so that it survives a
restart, and of any number of gateways one alone has a record at a time; what one had when it was killed, another takes
when its work is over. Refuses to send a call, and to log a value, a URL or an answer.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gateway.errors import RecordUnreadable, StoreUnavailable
from gateway.policies.asking import unpacked
from gateway.policies.judging import Absent, Executed, Settling, Unclear, Verdict, judge, next_step
from gateway.policies.reconciling import DECIDING, Question, Reconcile
from gateway.policies.routing import Route
from gateway.ports import Inquirer, Observer, Trace, Tracer
from gateway.protocol import observations as seen
from gateway.protocol.decisions import Decided, Decision
from gateway.protocol.dossier import RECONCILER
from gateway.protocol.inquiries import Asked, Inquiry
from gateway.protocol.model import Busy, Complete, Moved
from gateway.protocol.spans import InquirySpan
from gateway.registry import Records

# So many questions at a time on one route: it is an API in trouble that is asked.
AT_ONCE = 4

# In bytes; an answer is read as JSON while all calls stand still.
LARGEST_ANSWER = 1024 * 1024

# Seconds between looks for what is due; shorter only where a policy asks at shorter pauses.
EVERY, OFTEN = 1.0, 0.05

# Seconds between attempts to write a decision, and before a store that was gone is looked at again.
PAUSE, STORE_PAUSE = 0.2, 1.0


class Reconciling:
    """The reconciler of one gateway, for the routes that want one."""

    def __init__(
        self,
        records: Records,
        inquirer: Inquirer,
        observer: Observer,
        routes: Sequence[Route],
        chance: Callable[[], float],
        tracer: Tracer | None = None,
    ) -> None:
        """``chance`` draws from 0 to 1."""
        self._tracer = tracer
        self._records = records
        self._inquirer = inquirer
        self._observer = observer
        self._routes = {route.name: route for route in routes if route.policy.reconcile is not None}
        self._chance = chance
        self._under_way: dict[asyncio.Task[None], str] = {}
        self._stopping = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to look for what is due, where a route wants that."""
        if self._routes:
            self._looking = asyncio.get_running_loop().create_task(self._look())

    async def stop(self, seconds: float) -> None:
        """Takes no more, and lets what is being asked come to its end, for so long at most; the rest is asked again by
        another, when its work is over."""
        self._stopping.set()
        if self._looking is not None:
            await asyncio.wait([self._looking], timeout=seconds)
            self._looking.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=seconds)
        for task in list(self._under_way):
            task.cancel()
        if self._under_way:
            await asyncio.wait(list(self._under_way))

    async def _look(self) -> None:
        while not self._stopping.is_set():
            try:
                pause = 0.0 if await self._take() else self._every
            except (StoreUnavailable, RecordUnreadable) as fault:
                self._observer.observe(seen.StoreFault("inquiries", str(fault)))
                pause = STORE_PAUSE
            await self._rest(pause)

    @property
    def _every(self) -> float:
        shortest = min(_chosen(route).pauses.first.total_seconds() for route in self._routes.values())
        return max(OFTEN, min(EVERY, shortest))

    async def _rest(self, seconds: float) -> None:
        """Until then, or the end."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass

    async def _take(self) -> bool:
        """Takes what is due as far as there is room; whether more may be due at once."""
        busy = list(self._under_way.values())
        room = {name: AT_ONCE - busy.count(name) for name in self._routes}
        free = [name for name, left in room.items() if left > 0]
        if not free:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
            return True
        # No more than the fullest has room for: all of them may be of one route.
        limit = min(room[name] for name in free)
        work = max(_chosen(self._routes[name]).work for name in free)
        taken = await self._records.due(free, work, limit)
        for inquiry in taken:
            task = asyncio.get_running_loop().create_task(self._inquire(inquiry, self._routes[inquiry.route]))
            self._under_way[task] = inquiry.route
            task.add_done_callback(self._ended)
        return len(taken) == limit

    def _ended(self, task: asyncio.Task[None]) -> None:
        route = self._under_way.pop(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._observer.observe(seen.InternalFault(route, fault))

    async def _inquire(self, inquiry: Inquiry, route: Route) -> None:
        """Asks once, and does what follows from the answer."""
        reconcile, filled = _chosen(route), unpacked(inquiry.values)
        trace = None if self._tracer is None else self._tracer.begin(None, InquirySpan)
        verdict = await self._verdict(route, reconcile, filled, trace)
        if trace is not None:
            trace.end(InquirySpan(route.name, _result(verdict), inquiry.id))
        self._observer.observe(seen.Inquired(route.name, _result(verdict), _prefix(inquiry)))
        step = next_step(route.policy, reconcile, inquiry, verdict, self._chance())
        work = _decision(inquiry, route, step) if isinstance(step, Settling) else step
        try:
            async with asyncio.timeout(DECIDING.total_seconds()):
                heard = await self._written(inquiry, work)
        except TimeoutError:
            # The store has been gone for too long: another takes it up when this one's work is over.
            return
        if isinstance(heard, Decided) and isinstance(work, Decision):
            self._tell(route, work)

    async def _verdict(
        self, route: Route, reconcile: Reconcile, filled: Mapping[str, str], trace: Trace | None
    ) -> Verdict:
        target = route.target
        question = reconcile.question(target.origin + target.base_path, filled, target.set_headers)
        if not isinstance(question, Question):
            # The route's templates name a place today that they did not name when the call was made.
            return Unclear("not-askable")
        if trace is not None:
            told = (b"traceparent", trace.context.traceparent)
            question = replace(question, headers=(*question.headers, told))
        limit = min(LARGEST_ANSWER, route.policy.max_response_body)
        return judge(reconcile, await self._inquirer.ask(target, question, limit), filled)

    async def _written(self, inquiry: Inquiry, work: Decision | Asked) -> Decided | Moved | Busy | bool:
        """Written by the same owner until the store has taken it: repeated, it is the same decision (law 12)."""
        while True:
            try:
                if isinstance(work, Decision):
                    return await self._records.decide(work)
                return await self._records.asked(inquiry, work)
            except StoreUnavailable as fault:
                self._observer.observe(seen.StoreFault("decide", str(fault)))
            except RecordUnreadable as fault:
                self._observer.observe(seen.StoreFault("open", str(fault)))
                return Moved()
            await asyncio.sleep(PAUSE)

    def _tell(self, route: Route, decision: Decision) -> None:
        prefix = decision.id.digest[:6].hex()
        settled = isinstance(decision.word, Complete)
        self._observer.observe(seen.Reconciled(route.name, "settled" if settled else "released", decision.note, prefix))
        if not settled:
            # The next call with the key is sent because a rule took this as proof (contract, section 1).
            self._observer.observe(seen.PolicyChoice(route.name, "reconcile"))


def _chosen(route: Route) -> Reconcile:
    if route.policy.reconcile is None:
        raise AssertionError("only routes that reconcile are taken")
    return route.policy.reconcile


def _decision(inquiry: Inquiry, route: Route, step: Settling) -> Decision:
    owner = secrets.token_bytes(16)
    return Decision(inquiry.id, inquiry.fence, owner, step.word, route.policy.retention, RECONCILER, step.note)


def _prefix(inquiry: Inquiry) -> str:
    return inquiry.id.digest[:6].hex()


def _result(verdict: Verdict) -> str:
    match verdict:
        case Executed():
            return "found"
        case Absent():
            return "not-found"
        case Unclear(reason=reason):
            return reason
