"""What goes wrong in a run, and is mended again: three lanes at once, each a seeded deck that is dealt over and over.

Knows how each fault is made on one machine, and ends it cleanly: after a silence in the middle of a stream its
connections are reset, for no network loses bytes and goes on. Refuses to know what should follow.
"""

import random
import shutil
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.stores.redis.front import PREFIX
from tests.chaos.invariants import LEASE
from tests.chaos.logs import Harm
from tests.chaos.site import GATEWAYS, POSTGRES, REDIS, Site
from tests.faultproxy import Direction, FaultProxy

PAUSE = (0.2, 1.0)
LASTS = (0.5, 3.0)


@dataclass
class Lane:
    """One series of faults, one at a time. ``dealt``: every card of the deck has been out once."""

    site: Site
    chance: random.Random
    stop: threading.Event
    dealt: threading.Event = field(default_factory=threading.Event)

    def go(self, deck: "Sequence[Callable[[Lane], None]]") -> None:
        """Until told to stop; then everything is mended. Where a fault cannot be made or mended, the run is over."""
        try:
            while not self.stop.is_set():
                for fault in self.chance.sample(deck, len(deck)):
                    if self.stop.wait(self.chance.uniform(*PAUSE)):
                        break
                    fault(self)
                self.dealt.set()
        finally:
            self.stop.set()
            self.dealt.set()

    def last(self) -> None:
        """As long as a fault lasts."""
        self.stop.wait(self.chance.uniform(*LASTS))

    def gateway(self) -> int:
        return self.chance.randrange(GATEWAYS)


# Gateways.


def killed(lane: Lane) -> None:
    number = lane.gateway()
    gateway = lane.site.gateways[number]
    with lane.site.fault("gateway killed (kill -9)", Harm.CRASH, frozenset({number})):
        gateway.kill()
        gateway.start(lane.stop)


def held(lane: Lane) -> None:
    number = lane.gateway()
    gateway = lane.site.gateways[number]
    with lane.site.fault("gateway held past its leases (SIGSTOP)", Harm.CRASH, frozenset({number})):
        gateway.hold()
        lane.stop.wait(LEASE + 1)
        gateway.let_go()


def hiccup(lane: Lane) -> None:
    number = lane.gateway()
    gateway = lane.site.gateways[number]
    with lane.site.fault("gateway held for a moment (SIGSTOP)", Harm.CRASH, frozenset({number})):
        gateway.hold()
        lane.last()
        gateway.let_go()


def rolled(lane: Lane) -> None:
    for number, gateway in enumerate(lane.site.gateways):
        with lane.site.fault("gateway replaced (SIGTERM, rolling)", Harm.CRASH, frozenset({number})):
            gateway.end()
            gateway.start(lane.stop)


# The servers that all share.


def redis_killed(lane: Lane) -> None:
    redis = lane.site.redis
    with lane.site.fault("Redis killed, back empty", Harm.FRONT):
        redis.kill()
        lane.last()
        redis.come_back()


def redis_flushed(lane: Lane) -> None:
    with lane.site.fault("Redis flushed", Harm.FRONT):
        lane.site.redis.flush()


def redis_paused(lane: Lane) -> None:
    with lane.site.fault("Redis paused (CLIENT PAUSE)", Harm.FRONT):
        lane.site.redis.server.ask.client_pause(int(1000 * lane.chance.uniform(*LASTS)))
        lane.site.redis.server.ask.ping()


def redis_held(lane: Lane) -> None:
    with lane.site.fault("Redis held (SIGSTOP)", Harm.FRONT):
        lane.site.redis.server.process.send_signal(signal.SIGSTOP)
        lane.last()
        lane.site.redis.server.process.send_signal(signal.SIGCONT)


def redis_restored(lane: Lane) -> None:
    """From a dump that is as old as the last such fault, or at least some seconds."""
    redis = lane.site.redis
    old, dump = redis.folder / "old.rdb", redis.folder / "dump.rdb"
    with lane.site.fault("Redis restored from an old dump", Harm.FRONT):
        redis.server.ask.save()
        if not old.exists():
            shutil.copy(dump, old)
            lane.last()
        redis.kill()
        newer = dump.rename(redis.folder / "newer.rdb")
        shutil.copy(old, dump)
        redis.come_back()
        dump.unlink()
        newer.rename(old)


def postgres_killed(lane: Lane) -> None:
    with lane.site.fault("Postgres killed (kill -9)", Harm.STORE):
        lane.site.postgres.kill()
        lane.last()
        lane.site.postgres.start()


def postgres_restarted(lane: Lane) -> None:
    with lane.site.fault("Postgres restarted", Harm.STORE):
        lane.site.postgres.stop(lane.chance.choice(["fast", "immediate"]))
        lane.site.postgres.start()


def postgres_held(lane: Lane) -> None:
    everything = lane.chance.random() < 0.5
    with (
        lane.site.fault("Postgres held (SIGSTOP)", Harm.STORE),
        lane.site.postgres.stopped(all_of_it=everything),
    ):
        lane.last()


def upstream_gone(lane: Lane) -> None:
    with lane.site.fault("upstream takes no calls", Harm.UPSTREAM):
        lane.site.payments.go_away()
        lane.last()
        lane.site.payments.come_back()


# The way from one gateway to one server.


def _link(server: str, kind: str, begin: Callable[[Lane, FaultProxy, str], None]) -> Callable[[Lane], None]:
    """A fault between one gateway and a server."""

    def on_the_way(lane: Lane) -> None:
        number = lane.gateway()
        harm = Harm.STORE if server == POSTGRES else Harm.FRONT
        proxy = lane.site.links[number, server]
        with lane.site.fault(f"{server} link {kind}", harm, frozenset({number})):
            begin(lane, proxy, server)
            lane.last()
            proxy.cut()
            proxy.heal()

    return on_the_way


def _cut(_: Lane, proxy: FaultProxy, __: str) -> None:
    proxy.cut()


def _deaf(_: Lane, proxy: FaultProxy, __: str) -> None:
    proxy.up = Direction(swallows=True)


def _mute(_: Lane, proxy: FaultProxy, __: str) -> None:
    proxy.down = Direction(swallows=True)


def _slow(lane: Lane, proxy: FaultProxy, _: str) -> None:
    proxy.down = Direction(delay=lane.chance.choice([0.02, 0.2, 1.0]))


def _short(lane: Lane, proxy: FaultProxy, _: str) -> None:
    proxy.down = Direction(closes_after=lane.chance.randint(1, 4000), again=True)


def _forgetful(lane: Lane, proxy: FaultProxy, server: str) -> None:
    """Whatever does this one thing is done, and nobody hears so."""
    done = lane.chance.choice([b"INSERT INTO records", b"UPDATE records"])
    proxy.drops_reply_to, proxy.drops_again = (done if server == POSTGRES else PREFIX), True


_ON_THE_WAY = {
    "cut": _cut,
    "black hole, to the server": _deaf,
    "black hole, from the server": _mute,
    "slow": _slow,
    "closed after some bytes": _short,
    "replies dropped": _forgetful,
}

DECKS: dict[str, Sequence[Callable[[Lane], None]]] = {
    "gateways": (killed, killed, killed, hiccup, held, rolled),
    "servers": (
        redis_killed,
        redis_flushed,
        redis_paused,
        redis_held,
        redis_restored,
        postgres_killed,
        postgres_restarted,
        postgres_held,
        upstream_gone,
    ),
    "links": tuple(_link(server, kind, begin) for server in (POSTGRES, REDIS) for kind, begin in _ON_THE_WAY.items()),
}
