"""A gateway out of a configuration: started, running, and its orderly end.

With one worker, callers are served in this very process; with several, each in a process of its own (``crew``), and
this one keeps the operator's listener, the sweeps, the reconciler, and what all of them counted.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from socket import socket
from typing import Protocol

from gateway.admin.app import Figures, admin_app
from gateway.admin.auth import Door, is_loopback
from gateway.admin.desk import Desk
from gateway.admin.health import Readiness
from gateway.admin.outermost import Outermost
from gateway.config.configuration import Configuration
from gateway.edge.listener import Listener, address_of, bind
from gateway.errors import StoreUnavailable
from gateway.protocol.fingerprint import Digester
from gateway.rereading import Rereading, Source
from gateway.runner.sweeping import keep_sweeping
from gateway.telemetry.exposition import CONTENT_TYPE, text
from gateway.telemetry.metrics import Counts, families, outcomes, summed
from gateway.telemetry.shapes import Family
from gateway.wiring.asking import Asking
from gateway.wiring.crew import Crew
from gateway.wiring.descriptors import affordable
from gateway.wiring.exporting import LAST_EXPORT, pushing_of
from gateway.wiring.keeping import Keeping
from gateway.wiring.proving import prove
from gateway.wiring.renewing import of_fields, of_tokens
from gateway.wiring.serving import (
    Opened,
    Serving,
    Telemetry,
    opened,
    operators_protocol,
    problem_base,
    shown_routes,
)
from gateway.wiring.stores import cautions_of, probes_of, store_name

NO_TOKENS = (
    "the admin API and page answer on this machine alone, because no admin.tokens are configured; /healthz, /readyz "
    "and /metrics answer everybody"
)


@dataclass(frozen=True, slots=True)
class Started:
    """What a person or a program wants to know of a gateway that has just started."""

    listen: str
    admin: str
    store: str
    records: int
    routes: Sequence[tuple[str, str]]
    cautions: Sequence[str] = ()


class Callers(Protocol):
    """Whoever serves callers: this process, or a crew of others. Retired, it serves on, each connection once more."""

    async def start(self) -> None: ...  # noqa: D102 - see the class

    def retire(self) -> None: ...  # noqa: D102 - see the class

    async def stop(self, hurry: asyncio.Event | None = None) -> None: ...  # noqa: D102 - see the class


class Running:
    """A gateway: started, running until told to stop, stopped."""

    def __init__(
        self, configuration: Configuration, store: Opened, telemetry: Telemetry, sockets: tuple[socket, socket]
    ) -> None:
        self._configuration = configuration
        self._store = store.store
        self._telemetry = telemetry
        self.logs = telemetry.logs
        self._short = affordable(configuration.downstream)[1]
        listening, operating = sockets
        self._address = address_of(listening)
        self.callers: Callers
        self._crew: Crew | None = None
        if configuration.workers == 1:
            self.callers = Serving(configuration, store, telemetry, listening)
        else:
            # One complaint of one process, before there are several.
            prove(configuration)
            self.callers = self._crew = Crew(configuration, listening, telemetry.observer)
        working = None if self._crew is None else self._crew.working
        self._readiness = Readiness(probes_of(configuration.store, self._store), working)
        door = Door(configuration.admin_tokens, store.digester)
        operators = self._operators(door, store.digester)
        self._admin_listener = Listener(operators, operating, operators_protocol(configuration))
        self._asking = Asking(self._store, telemetry.observer, configuration.routes, telemetry.tracer)
        self._keeping = Keeping(telemetry.observer)
        self._keeping.start(Rereading(list(self._sources(door)), telemetry.observer).keep_reading)
        self._sweeping = asyncio.create_task(keep_sweeping(self._store, telemetry.observer))
        self._pushing = pushing_of(configuration, self._families, telemetry.observer)
        self._asking.start()

    @classmethod
    async def start(cls, configuration: Configuration, *, accept_identity_change: bool = False) -> "Running":
        """Takes the sockets, opens the store, serves: a gateway that cannot listen leaves no new store behind."""
        data, operator = configuration.listen, configuration.admin_listen
        telemetry = Telemetry(configuration)
        with ExitStack() as taken:
            listening = taken.enter_context(bind(data.host, data.port, "listen"))
            operating = taken.enter_context(bind(operator.host, operator.port, "admin.listen"))
            store = await opened(configuration, telemetry, accept_change=accept_identity_change)
            try:
                running = cls(configuration, store, telemetry, (listening, operating))
            except BaseException:
                await store.store.close()
                raise
            taken.pop_all()
        await running._admin_listener.start()
        try:
            await running.callers.start()
        except BaseException:
            await running.stop()
            raise
        running._readiness.started = True
        return running

    async def describe(self) -> Started:
        """Where it listens, what it keeps, where it leads."""
        try:
            records = sum((await self._store.count()).values())
        except StoreUnavailable:
            records = 0
        return Started(
            listen=f"{'http' if self._configuration.listen_tls is None else 'https'}://{self._address}",
            admin=f"http://{self._admin_listener.address}",
            store=store_name(self._configuration.store),
            records=records,
            routes=shown_routes(self._configuration),
            cautions=self._cautions(),
        )

    def _cautions(self) -> Sequence[str]:
        of_store = cautions_of(self._configuration.store, self._store)
        short = (self._short,) if self._short else ()
        alone = self._configuration.admin_tokens or is_loopback(self._configuration.admin_listen.host)
        return (*of_store, *short, *(() if alone else (NO_TOKENS,)))

    async def stop(self, hurry: asyncio.Event | None = None) -> None:
        """Accepts no more, finishes what is in flight, settles every claim it holds; ``hurry`` ends the grace early."""
        self._readiness.draining = True
        await self._retire(hurry or asyncio.Event())
        await self.callers.stop(hurry)
        await self._keeping.stop()
        await self._asking.stop()
        self._sweeping.cancel()
        await asyncio.wait([self._sweeping])
        await self._admin_listener.stop(1)
        if self._pushing is not None:
            await self._pushing.stop(LAST_EXPORT)
        await self._telemetry.stop()
        await self._store.close()

    async def _retire(self, hurry: asyncio.Event) -> None:
        """Serves on for ``shutdown_delay``, while those who ask whether it is ready hear that it is not."""
        delay = self._configuration.shutdown_delay.total_seconds()
        if not delay or not self._readiness.started:
            return
        self.callers.retire()
        with suppress(TimeoutError):
            await asyncio.wait_for(hurry.wait(), delay)

    def _sources(self, door: Door) -> Iterator[Source]:
        """What of it is made of files, which may change, beside what serves callers."""
        yield from of_tokens(self._configuration.admin_tokens, door)
        yield from self._asking.sources
        if self._crew is not None:
            # Questions carry a route's own fields too, and workers have theirs.
            yield from of_fields(self._configuration.routes.routes)

    def _operators(self, door: Door, digester: Digester) -> Outermost:
        """What operators reach."""
        configuration, observer = self._configuration, self._telemetry.observer
        return admin_app(
            Desk(self._store, configuration.routes, digester, observer),
            door,
            self._readiness,
            Figures(self._exposition, self._outcomes),
            observer,
            problem_base(configuration),
        )

    async def _outcomes(self) -> Mapping[str, Mapping[str, int]]:
        return outcomes(await self._counts())

    async def _exposition(self) -> tuple[bytes, str]:
        return text(await self._families()), CONTENT_TYPE

    async def _families(self) -> Sequence[Family]:
        """Everything that is measured. A store that does not answer is left out: the rest is wanted then above all."""
        try:
            records, open_calls = await self._store.count(), await self._store.open_calls()
        except StoreUnavailable:
            records, open_calls = {}, ()
        return list(families(await self._counts(), records, open_calls))

    async def _counts(self) -> Counts:
        """What all processes have counted."""
        own = self._telemetry.metrics.snapshot()
        return own if self._crew is None else summed([own, await self._crew.counts()])
