"""The part of a gateway that asks upstreams about unknown calls, where a route wants that. One a gateway, whatever the
number of its workers; of several gateways on one store each has one.
"""

import random
from functools import partial

from gateway.policies.routing import RouteTable
from gateway.ports import Observer, Tracer
from gateway.proxying.client import HttpInquirer
from gateway.registry import Records
from gateway.runner.reconciling import Reconciling
from gateway.wiring.renewing import of_questions, of_tls, tls_of

# At shutdown, when every call has ended: how long a question to an upstream may take to be answered and acted on.
LAST_INQUIRIES = 2.0


class Asking:
    """A reconciler and the client that it asks with. ``sources``: what of it is made of files."""

    def __init__(self, records: Records, observer: Observer, routes: RouteTable, tracer: Tracer | None = None) -> None:
        self._inquirer = HttpInquirer()
        self.sources = list(of_questions(routes.routes))
        for index, route in enumerate(routes.routes):
            if (reconcile := route.policy.reconcile) is not None:
                base = reconcile.asking.base or route.target.origin
                again = partial(self._inquirer.read_again, route.target, base)
                self.sources += of_tls(f"routes.{index}.policy.reconcile.request", tls_of(route.target, base), again)
                self._inquirer.open(route.target, base)
        # Only spreads pauses.
        self._reconciling = Reconciling(records, self._inquirer, observer, routes.routes, random.random, tracer)

    def start(self) -> None:
        """Asks from now on."""
        self._reconciling.start()

    async def stop(self) -> None:
        """Takes no more, and ends what is under way."""
        await self._reconciling.stop(LAST_INQUIRIES)
        await self._inquirer.close()
