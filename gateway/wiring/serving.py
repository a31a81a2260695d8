"""The part of a gateway that serves callers: the hop, the exchanges, the data listener. One a process.

Knows how these are put together, and their orderly end. Refuses to know where the store and the socket come from.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from socket import socket

from gateway.config.configuration import Configuration
from gateway.edge.app import Edge, Face
from gateway.edge.listener import Listener
from gateway.edge.retries import Retries
from gateway.edge.tls import exchange, server_context
from gateway.edge.wire import GuardedProtocol, guarding
from gateway.errors import StoreUnfit
from gateway.policies.routing import RouteTable, Target, Tls
from gateway.ports import Store
from gateway.protocol.fingerprint import Digester
from gateway.protocol.problems import URN
from gateway.proxying.transports import transports
from gateway.registry import Records
from gateway.rereading import Exchange, Rereading, Source
from gateway.runner.exchanges import Exchanges, Ports
from gateway.telemetry.logs import Calls, Logs
from gateway.telemetry.metrics import Fanout, Metrics
from gateway.wiring.descriptors import affordable
from gateway.wiring.exporting import LAST_EXPORT, tracer_of
from gateway.wiring.keeping import Keeping
from gateway.wiring.letting import Letting
from gateway.wiring.renewing import files_of, of_fields, of_tls, tls_of
from gateway.wiring.stores import LocalClock, named, open_store, with_recent


class Telemetry:
    """The sinks, and the observer that hands to each of them."""

    def __init__(self, configuration: Configuration) -> None:
        self.metrics = Metrics(route.name for route in configuration.routes.routes)
        self.logs = Logs(Calls(configuration.log_sample, configuration.log_most))
        self.observer = Fanout(self.metrics.ways, self.logs.ways)
        self.tracer = tracer_of(configuration, self.observer)

    async def stop(self) -> None:
        """Exports what is left of the spans."""
        if self.tracer is not None:
            await self.tracer.stop(LAST_EXPORT)


@dataclass(frozen=True, slots=True)
class Opened:
    """A store that is open, and the digests that go with it."""

    store: Records
    digester: Digester


async def opened(configuration: Configuration, telemetry: Telemetry, *, accept_change: bool = False) -> Opened:
    """The configured store, its digest key read and what forms key identity remembered in it."""
    store = await open_store(configuration.store, telemetry.observer, configuration.encryption_keys)
    try:
        with named(configuration.store):
            digester = await store.digest_keys(configuration.digest_keys, accept_change=accept_change)
            await _remember(store, configuration.routes, accept_change=accept_change)
    except BaseException:
        await store.close()
        raise
    return Opened(store, digester)


async def _remember(store: Store, routes: RouteTable, *, accept_change: bool) -> None:
    for route in routes.routes:
        policy = route.policy
        settings = policy.key_space()
        earlier = await store.remember_key_space(policy.namespace, settings, accept_change=accept_change)
        if earlier is not None:
            raise StoreUnfit(
                f"route {route.name}: the store remembers the keys of namespace {policy.namespace} by other settings. "
                f"It has: {earlier}. The configuration says: {settings}. Restore the settings, or start once with "
                "--accept-identity-change; keys used so far are then not recognised, and a retry would be sent again."
            )


class Serving:
    """Callers, served on ``listening`` until told to stop."""

    def __init__(self, configuration: Configuration, store: Opened, telemetry: Telemetry, listening: socket) -> None:
        self._grace = configuration.shutdown_grace.total_seconds()
        clock, observer = LocalClock(), telemetry.observer
        calls, self._recent = with_recent(store.store, configuration, observer)
        # What files hold is looked at before it is used, so that no change falls in between.
        sources = list(self._sources(configuration))
        self._hop = transports((route.target for route in configuration.routes.routes), clock)
        self.exchanges = Exchanges(Ports(calls, self._hop, observer, clock))
        base = problem_base(configuration)
        public = configuration.public_url.encode("ascii") if configuration.public_url else None
        face = Face(base, public)
        self._tls = tls = None if configuration.listen_tls is None else server_context(configuration.listen_tls)
        downstream, _ = affordable(configuration.downstream)
        most = downstream.max_calls
        self._keeping = Keeping(observer)
        self._rereading = Rereading(sources, observer)
        self._letting = letting = Letting(configuration, store.digester, store.store, observer, clock)
        entrance, refusals = letting.entrance, letting.refusals
        # Where the same bytes do not always ask for the same answer, each of them is looked at.
        alike = entrance is None and refusals is None and telemetry.tracer is None
        retries = Retries(self._recent, observer) if alike and self._recent is not None else None
        edge = Edge(
            configuration.routes,
            self.exchanges,
            self._hop,
            observer,
            store.digester,
            face,
            most,
            entrance,
            refusals,
            telemetry.tracer,
            retries,
        )
        telemetry.metrics.in_flight = edge.in_flight
        self._listener = Listener(edge, listening, guarding(base, observer, downstream, retries), tls)

    def _sources(self, configuration: Configuration) -> Iterator[Source]:
        """What of it is made of files, which may change."""
        routes = configuration.routes.routes
        yield from of_fields(routes)
        for index, route in enumerate(routes):
            again = partial(self._read_again, route.target)
            yield from of_tls(f"routes.{index}.upstream.tls", tls_of(route.target, route.target.origin), again)
        if configuration.listen_tls is not None:
            yield from of_tls(
                "listen.tls", files_of(configuration.listen_tls), partial(self._listen_again, configuration.listen_tls)
            )

    def _read_again(self, target: Target) -> Exchange:
        return self._hop.read_again(target)

    def _listen_again(self, tls: Tls) -> Exchange:
        assert self._tls is not None  # noqa: S101 - asked for only where there is one
        return partial(exchange, self._tls, server_context(tls))

    @property
    def address(self) -> str:
        """``host:port`` as bound."""
        return self._listener.address

    async def start(self) -> None:
        """Accepts from now on."""
        self._letting.start()
        self._keeping.start(self._rereading.keep_reading)
        await self._listener.start()

    def retire(self) -> None:
        """Serves on, and ends each connection behind its next answer, so that callers find their way elsewhere."""
        self._listener.retire()

    async def stop(self, hurry: asyncio.Event | None = None) -> None:
        """Accepts no more, finishes what is in flight, settles every claim it holds; ``hurry`` ends the grace early."""
        self.exchanges.closing = True
        self._listener.close()
        finishing = asyncio.create_task(self._listener.finish(self._grace, hurry))
        await self.exchanges.drain(self._grace, hurry)
        await finishing
        await self._listener.end()
        await self._keeping.stop()
        await self._letting.stop()
        await self._hop.close()
        if self._recent is not None:
            self._recent.close()


def problem_base(configuration: Configuration) -> str:
    """What stands before a problem's name."""
    return configuration.problem_base_url or URN


def operators_protocol(configuration: Configuration) -> type[GuardedProtocol]:
    """A connection to the operator's listener: the same guard in front, whose refusals are no caller's."""
    return type("OperatorsProtocol", (GuardedProtocol,), {"problem_base": problem_base(configuration)})


def shown_routes(configuration: Configuration) -> Sequence[tuple[str, str]]:
    """Each route's name and where it leads."""
    return [(route.name, route.target.origin) for route in configuration.routes.routes]
