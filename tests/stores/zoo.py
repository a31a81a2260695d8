"""One record in every state and on each side of every deadline."""

from collections.abc import Callable, Mapping

from gateway.protocol.model import Complete, Forgotten, Grant, MarkUnknown, Release
from tests.stores.backends import Bench
from tests.stores.requests import ANSWER, NOT_KEPT, claim

# Lease 50 s, answers 100 s, keys 1000 s, unknowns 500 s.
Maker = Callable[[Bench, str], Grant]


def _in_flight(bench: Bench, key: str) -> Grant:
    return bench.granted(claim(key))


def _completed(bench: Bench, key: str) -> Grant:
    return bench.completed(claim(key), ANSWER)


def _not_kept(bench: Bench, key: str) -> Grant:
    return bench.completed(claim(key), NOT_KEPT)


def _unknown(bench: Bench, key: str) -> Grant:
    grant = bench.granted(claim(key))
    bench.settle(grant, MarkUnknown("timeout"))
    return grant


def _released(bench: Bench, key: str) -> Grant:
    grant = bench.granted(claim(key))
    bench.settle(grant, Release())
    return grant


def _taken_over(bench: Bench, key: str) -> Grant:
    _unknown(bench, key)
    return bench.granted(claim(key, takeover=400))


def _returned(bench: Bench, key: str) -> Grant:
    grant = _taken_over(bench, key)
    bench.settle(grant, Release())
    return grant


def _completed_late(bench: Bench, key: str) -> Grant:
    grant = _unknown(bench, key)
    bench.settle(grant, Complete(ANSWER))
    return grant


def _forgotten(maker: Maker) -> Maker:
    def forgotten(bench: Bench, key: str) -> Grant:
        grant = maker(bench, key)
        assert isinstance(bench.forget(grant.id, grant.fence), Forgotten)
        return grant

    return forgotten


def _aged(maker: Maker, seconds: float) -> Maker:
    def aged(bench: Bench, key: str) -> Grant:
        grant = maker(bench, key)
        bench.age(grant.id, seconds)
        return grant

    return aged


LIVING: Mapping[str, Maker] = {
    "in flight": _in_flight,
    "in flight, lease almost over": _aged(_in_flight, 40),
    "lease over": _aged(_in_flight, 60),
    "lease long over": _aged(_in_flight, 540),
    "lease and retention over": _aged(_in_flight, 560),
    "completed": _completed,
    "completed, not kept": _not_kept,
    "completed late": _completed_late,
    "replay almost over": _aged(_completed, 90),
    "replay over": _aged(_completed, 110),
    "replay of nothing over": _aged(_not_kept, 110),
    "unknown": _unknown,
    "unknown almost expired": _aged(_unknown, 490),
    "unknown expired": _aged(_unknown, 510),
    "tombstone almost forgotten": _aged(_unknown, 1490),
    "answer erased": _forgotten(_completed),
    "answer erased long ago": _aged(_forgotten(_completed), 1090),
    "unknown erased": _forgotten(_unknown),
    "released": _released,
    "released almost forgotten": _aged(_released, 990),
    "taken over": _taken_over,
    "taken over, lease over": _aged(_taken_over, 60),
    "taken over, released": _returned,
}
FORGOTTEN: Mapping[str, Maker] = {
    "released, forgotten": _aged(_released, 1010),
    "completed, forgotten": _aged(_completed, 1110),
    "answer erased, forgotten": _aged(_forgotten(_completed), 1110),
    "unknown, forgotten": _aged(_unknown, 1510),
    "lease over, forgotten": _aged(_in_flight, 1560),
}
EVERYTHING: Mapping[str, Maker] = {**LIVING, **FORGOTTEN}

# Records that tell a claim nothing but that they are free.
FREE = frozenset({"released", "released almost forgotten", *FORGOTTEN})
