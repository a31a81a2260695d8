"""A gateway out of a configuration: started, running, and its orderly end."""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from socket import socket

from gateway.admin.app import admin_app
from gateway.config.configuration import Configuration
from gateway.edge.app import Edge, Face
from gateway.edge.listener import Listener, bind
from gateway.edge.wire import GuardedProtocol
from gateway.errors import StoreUnavailable, StoreUnfit
from gateway.policies.routing import RouteTable
from gateway.ports import Store
from gateway.protocol.fingerprint import Digester
from gateway.protocol.problems import URN
from gateway.proxying.hop import Hop
from gateway.runner.exchanges import Exchanges, Ports
from gateway.runner.sweeping import keep_sweeping
from gateway.stores.redis.store import RedisStore
from gateway.telemetry.logs import Logs
from gateway.telemetry.metrics import CONTENT_TYPE, Fanout, Metrics
from gateway.wiring.stores import LocalClock, named, open_store, probes_of, store_name


@dataclass(frozen=True, slots=True)
class Started:
    """What a person or a program wants to know of a gateway that has just started."""

    listen: str
    admin: str
    store: str
    records: int
    routes: Sequence[tuple[str, str]]
    cautions: Sequence[str] = ()


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


class Telemetry:
    """The sinks, and the observer that hands to each of them."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.logs = Logs()
        self.observer = Fanout(self.metrics.observe, self.logs.observe)


class Running:
    """A gateway: started, running until told to stop, stopped."""

    def __init__(
        self,
        configuration: Configuration,
        store: Store,
        digester: Digester,
        telemetry: Telemetry,
        sockets: tuple[socket, socket],
    ) -> None:
        self._configuration = configuration
        self._store = store
        self.logs = telemetry.logs
        clock, observer, metrics = LocalClock(), telemetry.observer, telemetry.metrics
        self._hop = Hop(clock)
        self._exchanges = Exchanges(Ports(store, self._hop, observer, clock))
        base = configuration.problem_base_url or URN
        public = configuration.public_url.encode("ascii") if configuration.public_url else None
        self._edge = Edge(configuration.routes, self._exchanges, self._hop, observer, digester, Face(base, public))
        for route in configuration.routes.routes:
            self._hop.open(route.target)
        protocol = type("DataProtocol", (GuardedProtocol,), {"problem_base": base, "observer": observer})
        probes = probes_of(configuration.store, store)
        self._admin = admin_app(store, probes, lambda records: (metrics.text(records), CONTENT_TYPE))
        data, operator = sockets
        self._data_listener = Listener(self._edge, data, protocol)
        self._admin_listener = Listener(self._admin, operator, "httptools")
        self._sweeping = asyncio.create_task(keep_sweeping(store, observer))

    @classmethod
    async def start(cls, configuration: Configuration, *, accept_identity_change: bool = False) -> "Running":
        """Takes the sockets, opens the store, serves: a gateway that cannot listen leaves no new store behind."""
        data, operator = configuration.listen, configuration.admin_listen
        telemetry = Telemetry()
        with ExitStack() as taken:
            listening = taken.enter_context(bind(data.host, data.port, "listen"))
            operating = taken.enter_context(bind(operator.host, operator.port, "admin.listen"))
            store = await open_store(configuration.store, telemetry.observer, configuration.encryption_keys)
            try:
                with named(configuration.store):
                    key = await store.digest_key(configuration.digest_key, accept_change=accept_identity_change)
                    await _remember(store, configuration.routes, accept_change=accept_identity_change)
                running = cls(configuration, store, Digester(key), telemetry, (listening, operating))
            except BaseException:
                await store.close()
                raise
            taken.pop_all()
        await running._admin_listener.start()
        await running._data_listener.start()
        return running

    async def describe(self) -> Started:
        """Where it listens, what it keeps, where it leads."""
        try:
            records = sum((await self._store.count()).values())
        except StoreUnavailable:
            records = 0
        return Started(
            listen=f"http://{self._data_listener.address}",
            admin=f"http://{self._admin_listener.address}",
            store=store_name(self._configuration.store),
            records=records,
            routes=[(route.name, route.target.origin) for route in self._configuration.routes.routes],
            cautions=self._store.cautions if isinstance(self._store, RedisStore) else (),
        )

    async def stop(self, hurry: asyncio.Event | None = None) -> None:
        """Accepts no more, finishes what is in flight, settles every claim it holds; ``hurry`` ends the grace early."""
        grace = self._configuration.shutdown_grace.total_seconds()
        self._admin.state.readiness.draining = True
        self._exchanges.closing = True
        self._data_listener.close()
        finishing = asyncio.create_task(self._data_listener.finish(grace, hurry))
        await self._exchanges.drain(grace, hurry)
        await finishing
        await self._data_listener.end()
        self._sweeping.cancel()
        await asyncio.wait([self._sweeping])
        await self._admin_listener.stop(1)
        await self._hop.close()
        await self._store.close()
