"""The two servers of a tiered store, as a test of processes orders them about and looks into them."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from gateway.stores.redis.front import PREFIX
from gateway.stores.sql.tables import State
from tests.postgres import Server
from tests.redis_servers import IN_MEMORY, VALKEY, RedisServer, eventually, start
from tests.scenarios.fleet import Fleet
from tests.upstream import Upstream

BUSY = "409 in-flight in-flight"

# Metric: calls that Redis answered.
REPEATED = 'front_asked_total{result="answered"}'


@dataclass
class Redis:
    """The server in front, which comes and goes at one address."""

    folder: Path
    server: RedisServer
    settings: tuple[str, ...] = IN_MEMORY

    @classmethod
    def begin(cls, folder: Path, *settings: str) -> "Redis":
        folder.mkdir()
        return cls(folder, start(VALKEY, *settings, folder=folder), settings)

    def kill(self) -> None:
        self.server.kill()

    def come_back(self) -> None:
        self.server = start(VALKEY, *self.settings, folder=self.folder, port=self.server.port)

    def restart(self) -> None:
        """Killed and started: empty, but for a dump that lies in its folder."""
        self.kill()
        self.come_back()

    def flush(self) -> None:
        self.server.ask.flushall()

    def copies(self) -> list[bytes]:
        """The names of copies and hints."""
        return sorted(self.server.ask.keys(PREFIX + b"*"))  # type: ignore[arg-type]

    def eventually_keeps(self, number: int) -> None:
        """Returns when there are so many: nobody waits for their writing."""
        eventually(lambda: len(self.copies()) == number)


class AskingFleet(Fleet):
    """Gateways that keep no answers themselves, so that Redis is asked for each replay."""

    def __init__(self, upstream: Upstream, folder: Path, *stores: str) -> None:
        kept = {"IDEMPOTENCY_GATEWAY_REPLAY_CACHE__MAX_BYTES": "0B"}
        super().__init__(upstream, folder, *stores, environs=[kept] * len(stores))


def repeated_again(fleet: Fleet, key: str, number: int = 0) -> None:
    """Returns when Redis answers a gateway: it finds out only by calls, and tries a lost one once a second."""
    before = fleet.metric(REPEATED, number)
    eventually(lambda: fleet.ask(key, number).status == 201 and fleet.metric(REPEATED, number) > before)


def states(postgres: Server, database: str) -> Counter[State]:
    """The authority's log: how many records there are in each state."""
    rows = postgres.execute("SELECT state, count(*) FROM records GROUP BY state", url=database)
    return Counter({State(row[0]): row[1] for row in rows})
