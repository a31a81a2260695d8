"""What happens in a history, before anybody acts: who calls when with what, and every fault. Drawn from the seed alone.

An item can be left out, and the rest stays as it was: so a failing history is shrunk. Times are virtual seconds, steps
are those of one gateway's loop.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random

from gateway.policies.policy import OnChange, Policy
from gateway.policies.routing import Match, Route, Target, Timeouts
from gateway.protocol.model import Retention
from gateway.protocol.terms import UNKNOWN_WHERE_ASKED, OnConflict, OnStoreDown, OnUnknown, Terms
from tests.simulation.asking import reconcile

TIMES = Timeouts(
    connect=timedelta(seconds=1), response=timedelta(seconds=4), total=timedelta(seconds=8), idle=timedelta(seconds=3)
)
SHORT = Retention(response=timedelta(seconds=45), key=timedelta(seconds=60), unknown=timedelta(seconds=50))
LONG = Retention(response=timedelta(hours=1), key=timedelta(hours=2), unknown=timedelta(hours=3))
# Answers of the upstream are shorter, save for those that are called big.
MOST_KEPT = 200


@dataclass(frozen=True, slots=True)
class Client:
    """Somebody who calls, and calls again until the answer is final. ``leaves``: hangs up after so many seconds."""

    at: float
    key: int
    caller: str
    payload: str
    tries: int
    leaves: float | None
    number: int


@dataclass(frozen=True, slots=True)
class Crash:
    """A gateway dies ``after`` steps, and is started again. ``moment``: the one in whose call this happens next."""

    at: float
    gateway: int
    after: int
    down: float
    moment: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """A gateway stands still ``after`` steps, and does not know it. ``moment``: as of a crash."""

    at: float
    gateway: int
    after: int
    seconds: float
    moment: str = ""


@dataclass(frozen=True, slots=True)
class Drain:
    """A gateway is told to end, with so much grace, and is started again."""

    at: float
    gateway: int
    grace: float
    down: float


@dataclass(frozen=True, slots=True)
class Trouble:
    """Trips to ``where`` go wrong from ``at`` to ``until``, of one gateway or all (``None``), each with a chance.

    ``mixed``: each in its own way."""

    at: float
    until: float
    where: str
    kind: str
    gateway: int | None
    chance: float


@dataclass(frozen=True, slots=True)
class FrontFault:
    """Something happens to the Redis in front: ``flush``, ``dump``, ``restore``, ``split``, ``heal``, ``swap``,
    ``flip``."""

    at: float
    kind: str


@dataclass(frozen=True, slots=True)
class Mood:
    """How the upstream takes the ``nth`` request with a key."""

    key: int
    nth: int
    kind: str


@dataclass(frozen=True, slots=True)
class Forget:
    """An operator has a key forgotten."""

    at: float
    key: int


@dataclass(frozen=True, slots=True)
class Decide:
    """An operator decides what he finds unknown, so long after it was shown to him. ``errs``: against the log."""

    at: float
    thinks: float
    errs: bool
    number: int


Item = Client | Crash | Pause | Drain | Trouble | FrontFault | Mood | Forget | Decide


@dataclass(frozen=True, slots=True)
class Script:
    """One history. ``routes``: one a key. ``noise``: what else is chance (latencies, schedule) is drawn by it, too."""

    seed: int
    gateways: int
    tiered: bool
    routes: tuple[Route, ...]
    items: tuple[Item, ...]
    lasts: float
    noise: int = 0
    # Whether gateways keep what they replayed lately.
    recent: bool = False

    @property
    def chance(self) -> str:
        """What all that is not in the script is drawn by."""
        return f"{self.seed}/{self.noise}"

    def without(self, items: frozenset[int]) -> "Script":
        """The same with the items of these positions left out."""
        return replace(self, items=tuple(item for at, item in enumerate(self.items) if at not in items))


# What happens far from a gateway and for it, before it can know: there a stop tells most.
MOMENTS = ("granted", "sent", "executed", "settled")

# How often each is drawn, in the order of what a plain day brings.
MOODS = {
    "plain": 30,
    "refused": 6,
    "unreachable": 4,
    "slow to connect": 5,
    "slow": 7,
    "too slow": 6,
    "silent": 7,
    "lost": 4,
    "late": 4,
    "reset before": 3,
    "reset after": 6,
    "cut": 4,
    "throttled": 6,
    "unauthorised": 2,
    "failed": 4,
    "failed unexecuted": 4,
    "big": 2,
    "stream": 2,
    "broken stream": 2,
}
TROUBLES = {
    "authority": ("refused", "request lost", "reply lost", "reply lost", "late", "slow"),
    "front": ("refused", "request lost", "reply lost", "slow"),
}
# What a trip meets where each goes wrong in its own way: never well.
MIXED = {where: tuple(kind for kind in kinds if kind != "slow") for where, kinds in TROUBLES.items()}


def script(seed: int) -> Script:
    """The history of a seed."""
    chance = Random(f"script {seed}")
    keys, gateways = chance.choice((1, 1, 2, 2, 3)), chance.choice((2, 2, 3))
    short, tiered = chance.random() < 0.35, chance.random() < 0.75
    lasts = chance.uniform(130, 260) if short else chance.uniform(25, 70)
    routes = tuple(_route(chance, key, SHORT if short else LONG) for key in range(keys))
    clients = [_client(chance, number, keys, lasts) for number in range(chance.randint(3, 6) + (3 if short else 0))]
    calls = [client.at for client in clients]
    items: list[Item] = [*clients]
    items += [Mood(key, nth, _mood(chance)) for key in range(keys) for nth in range(4)]
    when = _near(chance, calls, lasts)
    for _ in range(chance.choice((0, 0, 1, 1, 2))):
        steps, moment = chance.randint(1, 60), _moment(chance)
        items.append(Crash(when(), chance.randrange(gateways), steps, chance.uniform(0.5, 15), moment))
    for _ in range(chance.choice((0, 0, 1, 1))):
        steps, moment = chance.randint(1, 60), _moment(chance)
        items.append(Pause(when(), chance.randrange(gateways), steps, _pause(chance), moment))
    if chance.random() < 0.35:
        begun = chance.choice(calls) + chance.choice((chance.uniform(0, 0.1), chance.uniform(0, 4)))
        items.append(Drain(begun, chance.randrange(gateways), chance.choice((0.0, 0.5, 6.0)), chance.uniform(0.5, 5)))
    for _ in range(chance.choice((0, 0, 1, 1, 2))):
        # Between claim and settlement, or anywhen.
        begun = chance.choice(calls) + chance.uniform(0.005, 0.3) if chance.random() < 0.5 else when()
        items.append(_trouble(chance, begun, gateways, "authority"))
    items += _overtaking(chance, routes, lasts)
    if chance.random() < 0.08:
        begun = when()
        items.append(Trouble(begun, begun + chance.uniform(1, 15), "damage", "damaged", None, 1.0))
    if tiered:
        items += [_trouble(chance, when(), gateways, "front") for _ in range(chance.choice((0, 0, 1, 2)))]
        items += _front_faults(chance, keys, when)
    if chance.random() < 0.35:
        begun = when() + chance.uniform(0, 20)
        items.append(Forget(begun, chance.randrange(keys)))
        if tiered and chance.random() < 0.3:
            # The front is out of reach just then.
            kind, lasts = chance.choice(TROUBLES["front"]), chance.uniform(0.5, 20)
            items.append(Trouble(begun, begun + lasts, "front", kind, None, 1.0))
    deciding = Random(f"deciding {seed}")
    routes = tuple(_reconciled(deciding, route) for route in routes)
    items += _decisions(deciding, calls, gateways)
    recent = Random(f"recent {seed}").random() < 0.5
    return Script(seed, gateways, tiered, routes, tuple(items), lasts, recent=recent)


def _route(chance: Random, key: int, retention: Retention) -> Route:
    unknown = chance.choice((OnUnknown.HOLD, OnUnknown.HOLD, OnUnknown.RETRY, OnUnknown.RETRY, OnUnknown.FAIL))
    conflict = chance.choice((OnConflict.REJECT, OnConflict.WAIT))
    down = OnStoreDown.PASS if chance.random() < 0.1 else OnStoreDown.REFUSE
    statuses = UNKNOWN_WHERE_ASKED if unknown is OnUnknown.RETRY else frozenset[int]()
    again = timedelta(seconds=chance.choice((45, 90, 900))) if unknown is OnUnknown.RETRY else None
    policy = Policy(
        namespace="simulated",
        terms=Terms(unknown=statuses, on_unknown=unknown, on_conflict=conflict, on_store_down=down),
        on_change=OnChange.SEPARATE if chance.random() < 0.15 else OnChange.REFUSE,
        wait_timeout=timedelta(seconds=chance.choice((3, 12))),
        upstream_retention=again,
        retention=retention,
        keep_body=chance.random() > 0.08,
        max_response_body=MOST_KEPT,
    )
    return Route(f"key-{key}", Match(), Target("http", "api", 80, timeouts=TIMES), policy)


def _reconciled(chance: Random, route: Route) -> Route:
    """Some of the routes that would hold have the upstream asked instead."""
    policy = route.policy
    # A long history has its reconcilers look in vain for most of the time.
    rest = 0.8 if policy.retention == SHORT else 0.5
    if policy.terms.on_unknown is not OnUnknown.HOLD or chance.random() < rest:
        return route
    terms = replace(policy.terms, unknown=UNKNOWN_WHERE_ASKED, on_unknown=OnUnknown.RECONCILE)
    return replace(route, policy=replace(policy, terms=terms, reconcile=reconcile(chance)))


def _decisions(chance: Random, calls: list[float], gateways: int) -> list[Item]:
    """Operators, one or two at a time, who decide at once or on what they saw a while ago; and a store that fails."""
    items: list[Item] = []
    if chance.random() < 0.5:
        at = chance.choice(calls) + chance.choice((chance.uniform(1, 9), chance.uniform(9, 40)))
        for number in range(chance.choice((1, 1, 2))):
            thinks = chance.choice((0.0, chance.uniform(0, 3), chance.uniform(3, 25)))
            items.append(Decide(at + chance.uniform(0, 2) * number, thinks, chance.random() < 0.2, number))
        if chance.random() < 0.4:
            items.append(_trouble(chance, at + chance.uniform(0, 3), gateways, "authority"))
    return items


def _client(chance: Random, number: int, keys: int, lasts: float) -> Client:
    # Some together, some much later: as crowds and as late retries come.
    at = chance.choice((chance.uniform(0, 3), chance.uniform(0, 25), chance.uniform(0, lasts)))
    payload, caller = chance.choice("aaaaab"), chance.choice(("alice",) * 6 + ("mallory",))
    leaves = chance.uniform(0.01, 9) if chance.random() < 0.3 else None
    return Client(at, chance.randrange(keys), caller, payload, chance.choice((1, 3, 6)), leaves, number)


def _near(chance: Random, calls: list[float], lasts: float) -> Callable[[], float]:
    """Mostly just before somebody calls, so that faults meet calls."""

    def when() -> float:
        if chance.random() < 0.2:
            return chance.uniform(0, lasts)
        return max(0.0, chance.choice(calls) + chance.choice((chance.uniform(-0.2, 0.2), chance.uniform(-1, 6))))

    return when


def _moment(chance: Random) -> str:
    return chance.choice((*MOMENTS, "", "", ""))


def _overtaking(chance: Random, routes: tuple[Route, ...], lasts: float) -> list[Item]:
    """Now and then: a call is granted and stands still for longer than its lease, and another one takes over."""
    keys = [key for key, route in enumerate(routes) if route.policy.terms.on_unknown is OnUnknown.RETRY]
    if not keys or chance.random() > 0.12:
        return []
    key, at, caller = chance.choice(keys), chance.uniform(0, lasts), chance.choice(("alice", "mallory"))
    seconds = chance.uniform(22, 35)
    first, second = (Client(at + later, key, caller, "a", 6, None, 20 + later) for later in (0, 19))
    return [first, second, Pause(at - 0.001, 0, 1, seconds, "granted")]


def _pause(chance: Random) -> float:
    # Short, over the dispatch deadline, over the lease.
    return chance.choice((chance.uniform(0.5, 5), chance.uniform(6, 12), chance.uniform(19, 40)))


def _trouble(chance: Random, at: float, gateways: int, where: str) -> Trouble:
    lasts = chance.choice((chance.uniform(0.1, 2), chance.uniform(2, 12), chance.uniform(12, 30)))
    gateway = chance.choice((None, chance.randrange(gateways)))
    return Trouble(
        at, at + lasts, where, chance.choice((*TROUBLES[where], "mixed")), gateway, chance.choice((0.5, 1.0))
    )


def _front_faults(chance: Random, keys: int, when: Callable[[], float]) -> list[Item]:
    faults: list[Item] = []
    match chance.choice(("none", "none", "flush", "restore", "split", "damage")):
        case "flush":
            faults.append(FrontFault(when(), "flush"))
        case "restore":
            dumped, restored = when() + chance.uniform(0, 3), chance.uniform(1, 30)
            faults += [FrontFault(dumped, "dump"), FrontFault(dumped + restored, "restore")]
            # Somebody has an answer forgotten that is in the dump.
            faults += [Forget(dumped + chance.uniform(0, restored), key) for key in range(keys)]
        case "split":
            begun = when()
            faults += [FrontFault(begun, "split"), FrontFault(begun + chance.uniform(1, 60), "heal")]
        case "damage":
            faults += [FrontFault(when() + chance.uniform(0, 9), kind) for kind in ("swap", "flip")]
        case _:
            pass
    return faults


def _mood(chance: Random) -> str:
    return chance.choices(list(MOODS), list(MOODS.values()))[0]
