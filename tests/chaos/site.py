"""Where a run happens: three gateways, the servers that they share, and a fault proxy for each pair of them.

Knows what stands where and how it is reached. Refuses to know what goes wrong with it.
"""

import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.gateways import Gateway
from tests.chaos.logs import Fault, Harm
from tests.chaos.payments import Payments, serving
from tests.faultproxy import FaultProxy, proxying
from tests.postgres import Server, Servers
from tests.scenarios.tiers import Redis

GATEWAYS = 3
EVERYONE = frozenset(range(GATEWAYS))
POSTGRES, REDIS = "postgres", "redis"


@dataclass
class Site:
    """All of it. ``links``: the proxy of each pair of a gateway and what it depends on."""

    began: float
    gateways: list[Gateway]
    payments: Payments
    postgres: Server
    database: str
    redis: Redis
    links: dict[tuple[int, str], FaultProxy]
    faults: list[Fault] = field(default_factory=list[Fault])

    @contextmanager
    def fault(self, kind: str, harm: Harm, gateways: frozenset[int] = EVERYONE) -> Generator[None]:
        """Logs that something is wrong in this block, its mending included."""
        begun = time.monotonic() - self.began
        yield
        self.faults.append(Fault(kind, harm, gateways, begun, time.monotonic() - self.began))


@contextmanager
def site(folder: Path, seed: int) -> Generator[Site]:
    """A site whose gateways serve."""
    began = time.monotonic()
    with ExitStack() as stack:
        payments = stack.enter_context(serving(seed, began))
        postgres = stack.enter_context(Servers(folder / "servers")).get()
        database = stack.enter_context(postgres.database())
        redis = Redis.begin(folder / "redis")
        stack.callback(redis.kill)
        gateways, links = [], {}
        for number in range(GATEWAYS):
            for name, port in ((POSTGRES, postgres.port), (REDIS, redis.server.port)):
                links[number, name] = stack.enter_context(proxying(port))
                links[number, name].remembers = False
            through = links[number, POSTGRES].port, links[number, REDIS].port
            stores = (database.replace(f":{postgres.port}/", f":{through[0]}/"), f"redis://127.0.0.1:{through[1]}/0")
            gateways.append(Gateway(folder / f"gateway-{number}", stores))
            gateways[-1].configure(payments.port)
            stack.callback(_gone, gateways[-1])
        with ThreadPoolExecutor() as pool:
            list(pool.map(Gateway.start_in_peace, gateways))
        yield Site(began, gateways, payments, postgres, database, redis, links)


def _gone(gateway: Gateway) -> None:
    if gateway.process is not None and gateway.process.poll() is None:
        gateway.let_go()
        gateway.kill()
