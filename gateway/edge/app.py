"""The data listener as a raw ASGI application: head, route, key, body, claim; then the reply.

The order of checks is the contract's: HTTP sanity (the wire's guard), route, limits, key syntax; scope, fingerprint and
the state of the key are the store's and the protocol's to judge.
"""

import os
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from gateway.edge import failures
from gateway.edge.adapt import Head, http_date, read_head, response_head
from gateway.edge.bodies import CallerHungUp, InMemory, NoRoom, Receive, TooLarge, bounded, pass_through, read_whole
from gateway.edge.entrance import Entrance
from gateway.edge.guard import path_guard, route_guard
from gateway.edge.places import Places, RoutePlaces
from gateway.edge.presence import Presence
from gateway.edge.refusals import Refusals
from gateway.edge.retries import Retries
from gateway.edge.tracing import Recorded, tracing, untraced
from gateway.edge.well_known import WellKnown
from gateway.edge.whole import take, write
from gateway.errors import OutcomeUnknown
from gateway.policies.admission import Unguarded, body_key, claim_for, header_key, upstream_key
from gateway.policies.callers import KnownCaller, Need
from gateway.policies.downstream import Downstream
from gateway.policies.policy import KeySource
from gateway.policies.published import PATH
from gateway.policies.routing import Route, RouteTable
from gateway.policies.templates import Gap
from gateway.ports import Answer, Content, Observer, Outgoing, Tracer, Upstream
from gateway.protocol import observations as seen
from gateway.protocol import problems
from gateway.protocol.commands import Reply
from gateway.protocol.events import CallerGone
from gateway.protocol.exchange import Call
from gateway.protocol.fingerprint import Body, Digester, RequestFacts
from gateway.protocol.headers import CALLER, Header, Headers, values
from gateway.protocol.model import Claim, Origin, RecordId, StoredResponse
from gateway.protocol.outcomes import Outcome
from gateway.protocol.problems import Problem
from gateway.protocol.terms import OnConflict, OnUnknown
from gateway.proxying.forwarding import Forwarding
from gateway.runner.exchanges import Errand, Exchanges
from gateway.runner.forward import forward
from gateway.runner.recording import ExchangeSpans

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# Methods whose requests mean something without a body and are sent without one.
_BODYLESS = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})


@dataclass(frozen=True, slots=True)
class Face:
    """How the gateway presents itself: the base of problem types, and the origin that callers see if not ``Host``."""

    problem_base: str = problems.URN
    public_origin: bytes | None = None


class Plan:
    """What a route decides for every request, worked out once."""

    __slots__ = ("_scope", "entrance", "forwarding", "meaningful", "places", "route")

    def __init__(self, route: Route, entrance: Entrance | None) -> None:
        self.route = route
        if entrance is None and route.callers is not Need.NONE:
            raise ValueError(f"route {route.name} asks who calls, and nobody is there to tell")
        self.entrance = entrance if route.callers is not Need.NONE else None
        self.forwarding = Forwarding(route)
        self.places = RoutePlaces(route.calls)
        policy = route.policy
        self._scope = frozenset(name.encode() for name in policy.recipe.scope)
        names = {*policy.recipe.scope, *policy.recipe.headers, policy.key.header, policy.upstream_key.header}
        names |= self.entrance.credentials if self.entrance else frozenset()
        self.meaningful = frozenset(name.lower().encode() for name in {*names, "idempotency-key"})

    def caller(self, headers: Headers, who: KnownCaller | None) -> int:
        """Who calls, as the gateway knows them, or the scope tells callers apart: a hash under a secret of this
        process, and no credential."""
        if who is not None:
            return hash(who.identity)
        return hash(tuple(sorted([field for field in headers if field[0] in self._scope])))


class Visit(NamedTuple):
    """One request at the edge. ``cycle``: by which an answer is written at once, where its caller knows HTTP/1.1;
    ``came``: its bytes, where they came in one piece and alone; ``who``: the caller, where the gateway knows them."""

    head: Head
    trace: bytes
    receive: Receive
    send: Send
    presence: Presence
    cycle: RequestResponseCycle | None
    came: bytes = b""
    recorded: Recorded | None = None
    who: KnownCaller | None = None

    @property
    def fields(self) -> Headers:
        """What identity is made of: the request's fields, and who the gateway knows to call."""
        return self.head.headers if self.who is None else self.head.headers.and_also(CALLER, self.who.identity)

    def taken(self) -> bytes | None:
        """The body, once, where all of it has come; else it is received."""
        return None if self.cycle is None else take(self.cycle)


class Edge:
    """The ASGI application of the data listener."""

    def __init__(
        self,
        routes: RouteTable,
        exchanges: Exchanges,
        upstream: Upstream,
        observer: Observer,
        digester: Digester,
        face: Face,
        most_calls: int = Downstream().max_calls,
        entrance: Entrance | None = None,
        refusals: Refusals | None = None,
        tracer: Tracer | None = None,
        retries: Retries | None = None,
    ) -> None:
        self._routes = routes
        self._plans = {route.name: Plan(route, entrance) for route in routes.routes}
        self._exchanges = exchanges
        self._upstream = upstream
        self._observer = observer
        self._digester = digester
        self._face = face
        self._places = Places(most_calls)
        self._refusals = refusals
        self._retries = retries
        self._well_known = WellKnown(routes)
        self._trace = untraced if tracer is None else tracing(tracer)

    def in_flight(self) -> Mapping[str, int]:
        """How many calls have a place just now, by route."""
        return {name: plan.places.taken for name, plan in self._plans.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, answered; whatever goes wrong with it, no foreign hand answers."""
        begun = False

        async def tell(message: MutableMapping[str, Any]) -> None:
            nonlocal begun
            begun = True
            await send(message)

        head = read_head(scope)
        state = scope["state"]
        # Taken out, or the cycle and its scope would keep each other.
        cycle = state.pop("cycle", None)
        route = self._routes.find(head.host, head.path, head.method)
        head, trace, recorded = self._trace(head, route)
        visit = Visit(head, trace, receive, tell, state["presence"], cycle, state.pop("came", b""), recorded)
        plan = self._plans[route.name] if route else None
        try:
            await self._serve(visit, plan)
        except (CallerHungUp, CancelledError):
            # Nobody is there to be answered, or the server is at its end; nothing half-received was forwarded as whole.
            return
        except NoRoom as fault:
            self._observer.observe(seen.StoreFault("spool", str(fault)))
            await self._refuse(visit, plan, failures.body_not_spooled(), close=True)
        except Exception as fault:  # noqa: BLE001 - the last resort, which tells all of them
            self._observer.observe(seen.InternalFault(plan.route.name if plan else "", fault))
            if not begun and not (cycle and cycle.response_started):
                await self._refuse(visit, plan, failures.internal_fault(), close=True)
        finally:
            if recorded is not None:
                recorded.end()

    async def _serve(self, visit: Visit, plan: Plan | None) -> None:
        head = visit.head
        if head.path == PATH:
            return await self._publish(visit)
        if problem := path_guard(head.path, head.host, head.method, plan.route if plan else None, self._routes):
            return await self._refuse(visit, None, problem, close=True)
        if plan is None:
            return await self._refuse(visit, None, problems.no_route(), close=head.declared_length != 0)
        if problem := route_guard(head.headers, plan.meaningful):
            return await self._refuse(visit, None, problem, close=True)
        if shortage := self._places.shortage(plan.places):
            return await self._shed(visit, plan, shortage, close=head.declared_length != 0)
        if plan.entrance is not None:
            who = await plan.entrance.admit(head.headers, plan.route)
            if isinstance(who, Problem):
                return await self._refuse(visit, plan, who, close=head.declared_length != 0)
            visit = visit._replace(who=who)
        if head.method in plan.route.policy.methods:
            return await self._maybe_guarded(visit, plan)
        return await self._unguarded(visit, plan)

    async def _publish(self, visit: Visit) -> None:
        """What the gateway says of itself; a body that comes with the question is not read."""
        close, found = visit.head.declared_length != 0, self._well_known.answer(visit.head.method)
        if isinstance(found, Problem):
            return await self._refuse(visit, None, found, close=close)
        self._observer.observe(seen.Answered("", "well-known", found.status))
        extra: list[Header] = [(b"Connection", b"close")] if close else []
        await self._answer(visit, None, Reply(None, found), None, extra)
        return None

    async def _maybe_guarded(self, visit: Visit, plan: Plan) -> None:
        head, policy = visit.head, plan.route.policy
        key = header_key(policy, head.headers)
        if isinstance(key, Unguarded):
            return await self._unguarded(visit, plan)
        if (head.declared_length or 0) > policy.max_request_body:
            return await self._refuse(visit, plan, problems.request_too_large(policy.max_request_body), close=True)
        if isinstance(key, Problem):
            # What is not valid may have been meant as more than one key, and what follows it for somebody else.
            close = key.name == "key-invalid" or head.declared_length != 0
            return await self._refuse(visit, plan, key, close=close)
        came, limit = visit.taken(), policy.max_request_body
        body = await read_whole(visit.receive, limit) if came is None else bounded(came, limit)
        if isinstance(body, TooLarge):
            return await self._refuse(visit, plan, problems.request_too_large(policy.max_request_body), close=True)
        if policy.key.source is KeySource.BODY:
            key = body_key(policy, body)
            if isinstance(key, Problem):
                return await self._refuse(visit, plan, key)
            if isinstance(key, Unguarded):
                return await self._unguarded(visit, plan, body)
        return await self._guarded(visit, plan, key, body)

    async def _guarded(self, visit: Visit, plan: Plan, key: str | None, body: Body) -> None:
        caller = plan.caller(visit.head.headers, visit.who)
        if shortage := self._places.shortage(plan.places, caller, visit.who):
            return await self._shed(visit, plan, shortage)
        if self._refusals is not None and (pause := self._refusals.pause(caller)) is not None:
            return await self._too_many_refusals(visit, plan, pause)
        self._places.take(plan.places, caller, visit.who)
        try:
            errand = self._errand(visit, plan, key, body)
            if visit.who is not None and visit.who.quotas.stored_keys is not None:
                return await self._if_one_more_may_be_held(visit, plan, errand, caller, visit.who.quotas.stored_keys)
            return await self._exchange(visit, plan, errand, caller)
        finally:
            self._places.give_back(plan.places, caller, visit.who)

    async def _if_one_more_may_be_held(self, visit: Visit, plan: Plan, errand: Errand, caller: int, most: int) -> None:
        """An exchange for a caller with a quota of stored keys."""
        assert plan.entrance is not None  # noqa: S101 - it is the entrance that knows a caller
        admitted = await plan.entrance.keys_held.admit(errand.claim, most)
        if admitted is None:
            label = visit.who.label if visit.who else ""
            self._observer.observe(seen.CallerRefused(plan.route.name, label, "stored-keys"))
            return await self._refuse(visit, plan, problems.keys_used_up(most))
        try:
            return await self._exchange(visit, plan, admitted.noting(errand), caller)
        finally:
            admitted.over()

    async def _exchange(self, visit: Visit, plan: Plan, errand: Errand, caller: int) -> None:
        exchange = self._exchanges.begin(errand)
        try:
            # Only where an answer would be kept, or a call waits, does it matter now whether somebody is there.
            terms = plan.route.policy.terms
            matters = terms.on_unknown is OnUnknown.FAIL or terms.on_conflict is OnConflict.WAIT
            with visit.presence.watched(lambda: exchange.tell(CallerGone())) if matters else nullcontext():
                reply = await exchange.reply
        except CancelledError:
            exchange.abandon()
            raise
        if self._refusals is not None and _refuses(reply):
            await self._refusals.met(caller, self._counted(visit, plan))
        extra: list[Header] = [(b"Connection", b"close")] if self._exchanges.closing else []
        written = await self._answer(visit, plan, reply, exchange.answer, extra)
        if self._retries is not None and written and visit.came and reply.outcome is Outcome.REPLAYED and not extra:
            record, response = exchange.record_id, reply.response
            self._retries.remember(visit.came, record, plan.route.name, response.status, written)

    async def _too_many_refusals(self, visit: Visit, plan: Plan, pause: int) -> None:
        """Whoever tries key after key hears no more of any for a while."""
        label = visit.who.label if visit.who else ""
        self._observer.observe(seen.CallerRefused(plan.route.name, label, "refusals"))
        told = "This caller has met as many conflicts as it may in this time."
        await self._refuse(visit, plan, problems.rate_limited(told, pause))

    def _counted(self, visit: Visit, plan: Plan) -> str:
        """Under what this caller's refusals are counted: the same on every gateway."""
        who = visit.who
        scope = self._digester.scope(visit.head.headers, plan.route.policy.recipe)
        return self._digester.counted(scope if who is None else who.identity)

    def _errand(self, visit: Visit, plan: Plan, key: str | None, body: Body) -> Errand:
        head, route = visit.head, plan.route
        target = route.upstream_target(head.target).encode("ascii")
        facts = RequestFacts(head.method.encode(), target, visit.fields, body)
        claim = claim_for(route, self._digester, facts, key, os.urandom(16), self._left(route, facts, key), visit.who)
        spans, trace = _parts(visit, route, claim)

        def request(granted: RecordId) -> Outgoing:
            told = upstream_key(route.policy, self._digester.which_made(granted), key)
            return Outgoing(
                method=head.method,
                target=target,
                headers=plan.forwarding.guarded(head.headers, told, head.caller, trace),
                body=body.chunks() if body.size or head.method not in _BODYLESS else None,
                length=body.size,
            )

        terms = route.policy.terms
        call = Call(
            f"urn:idempotency-gateway:record:{claim.id}",
            terms,
            route.policy.drop_headers,
            self._face.problem_base,
            _date() if terms.on_unknown is OnUnknown.FAIL else (),
            b"" if visit.recorded is None else visit.recorded.context.ids,
        )
        return Errand(call, claim, route, request, visit.trace, spans)

    def _left(self, route: Route, facts: RequestFacts, key: str | None) -> bytes | None:
        """What the call leaves to be asked about; one that cannot be is guarded all the same, and counted."""
        reconcile = route.policy.reconcile
        left = None if reconcile is None else reconcile.leave(facts, key)
        if isinstance(left, Gap):
            self._observer.observe(seen.NotAskable(route.name, str(left.slot)))
            return None
        return left

    async def _unguarded(self, visit: Visit, plan: Plan, body: Body | None = None) -> None:
        caller = plan.caller(visit.head.headers, visit.who)
        if shortage := self._places.shortage(plan.places, caller, visit.who):
            await self._shed(visit, plan, shortage, close=body is None and visit.head.declared_length != 0)
            return
        self._places.take(plan.places, caller, visit.who)
        try:
            with visit.presence.required():
                await self._pass_on(visit, plan, body)
        finally:
            self._places.give_back(plan.places, caller, visit.who)

    async def _pass_on(self, visit: Visit, plan: Plan, body: Body | None) -> None:
        head, route = visit.head, plan.route
        length = head.declared_length if body is None else body.size
        content: Content = None
        if length != 0:
            if body is None and (came := visit.taken()) is not None:
                body = InMemory(came)
            content = await pass_through(visit.receive) if body is None else body.chunks()
        spans, trace = _parts(visit, route)
        request = Outgoing(
            method=head.method,
            target=route.upstream_target(head.target).encode("ascii"),
            headers=plan.forwarding.unguarded(head.headers, head.caller, trace),
            body=content,
            length=None if length == 0 and head.method in _BODYLESS else length,
        )
        call = self._call(visit, route)
        reply, answer = await forward(self._upstream, self._observer, route, call, request, visit.trace, spans)
        await self._answer(visit, plan, reply, answer)

    async def _shed(self, visit: Visit, plan: Plan, shortage: str, *, close: bool = False) -> None:
        """Turned away before its claim: nothing was asked of the store, and nothing was sent."""
        self._observer.observe(seen.Shed(plan.route.name, shortage))
        match shortage:
            case "caller":
                problem = problems.too_many_calls(plan.places.limits.per_caller)
            case "quota":
                problem = problems.quota_exceeded("This caller has as many calls in flight as it may have.", 1)
            case _:
                problem = problems.overloaded("calls")
        await self._refuse(visit, plan, problem, close=close)

    def _call(self, visit: Visit, route: Route) -> Call:
        return Call(_instance(visit.trace), route.policy.terms, problem_base=self._face.problem_base)

    async def _refuse(self, visit: Visit, plan: Plan | None, problem: Problem, *, close: bool = False) -> None:
        """An answer of the gateway before any exchange. ``close``: the body was not read and will not be."""
        response = problem.render(self._face.problem_base, _instance(visit.trace))
        name = plan.route.name if plan else ""
        outcome = problem.outcome or problem.name
        self._observer.observe(seen.Answered(name, outcome, problem.status, trace=visit.trace))
        extra: list[Header] = [(b"Connection", b"close")] if close else []
        await self._answer(visit, plan, Reply(problem.outcome, response), None, extra)

    async def _answer(
        self, visit: Visit, plan: Plan | None, reply: Reply, answer: Answer | None, extra: list[Header] | None = None
    ) -> bytes:
        """What went out, where that was the whole answer at once and its connection goes on."""
        if visit.recorded is not None:
            visit.recorded.answered(reply)
        origin = self._face.public_origin or visit.head.caller.scheme.encode() + b"://" + visit.head.caller.host
        status, fields = response_head(reply, plan.route if plan else None, origin, visit.head.method)
        if isinstance(reply.response, StoredResponse):
            if reply.response.origin is Origin.GATEWAY and not values(reply.response.headers, b"date"):
                fields += _date()
            whole, body = fields + extra if extra else fields, reply.response.body
            if visit.cycle is not None and (data := write(visit.cycle, status, whole, body, close=bool(extra))):
                return data if visit.cycle.keep_alive else b""
            await visit.send({"type": "http.response.start", "status": status, "headers": whole})
            await visit.send({"type": "http.response.body", "body": body})
        elif answer is not None:
            await self._stream(visit, status, fields, answer)
        return b""

    async def _stream(self, visit: Visit, status: int, fields: list[Header], answer: Answer) -> None:
        """Passes the body on as it comes. One that breaks off ends the connection, so that it never looks whole."""
        passed, length = 0, answer.length
        try:
            await visit.send({"type": "http.response.start", "status": status, "headers": fields})
            async for piece in answer.stream():
                passed += len(piece)
                await visit.send({"type": "http.response.body", "body": piece, "more_body": passed != length})
        except OutcomeUnknown:
            return
        finally:
            answer.close()
        if passed != length or not length:
            await visit.send({"type": "http.response.body", "body": b""})


def _refuses(reply: Reply) -> bool:
    """Whether an answer tells that a key is known, and not what it stands for."""
    response = reply.response
    return isinstance(response, StoredResponse) and response.origin is Origin.GATEWAY and response.status in (409, 422)


def _parts(visit: Visit, route: Route, claim: Claim | None = None) -> tuple[ExchangeSpans | None, bytes]:
    """Where the call is recorded, what its parts are told to; and the ``traceparent`` that goes upstream."""
    if visit.recorded is None:
        return None, visit.trace
    visit.recorded.id = None if claim is None else claim.id
    spans = visit.recorded.parts(route.target)
    return spans, spans.upstream.traceparent


def _date() -> Headers:
    return ((b"Date", http_date(datetime.now(UTC))),)


def _instance(trace: bytes) -> str:
    return f"urn:idempotency-gateway:trace:{trace[3:35].decode()}"
