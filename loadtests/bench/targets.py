"""What the gateway is meant to reach, as ratios of one run, and whether it did."""

from collections.abc import Callable
from dataclasses import dataclass

from loadtests.bench.result import Kind, Ratio, Row, Run, added, ratio
from loadtests.bench.subjects import (
    ASGI_HEADER,
    DIRECT,
    MEMORY,
    NGINX,
    NGINX_LUA,
    POSTGRES,
    REDIS_NAME,
    UNBATCHED_NAME,
)

# Resident memory of a worker after a million calls, and how much of it may have come in the second half of them.
MOST_MEMORY, MOST_GROWTH = 120 * 2**20, 0.05


@dataclass(frozen=True, slots=True)
class Target:
    """One goal. ``met`` is None where the run did not measure it."""

    name: str
    wanted: str
    found: str
    met: bool | None

    @property
    def verdict(self) -> str:
        """For people."""
        return {None: "not measured", True: "met", False: "not met"}[self.met]


def targets(run: Run) -> tuple[Target, ...]:
    """All of them."""
    return (
        _ratio(run, "first calls on Redis, to nginx + Lua + Redis", (REDIS_NAME, NGINX_LUA), Kind.FIRST, 0.7),
        _ratio(run, "replays on Redis, to nginx + Lua + Redis", (REDIS_NAME, NGINX_LUA), Kind.REPLAY, 0.7),
        _ratio(run, "pass-through, to nginx proxy_pass", (MEMORY, NGINX), Kind.PASS, 0.35),
        _ratio(run, "first calls on Postgres, to the same unbatched", (POSTGRES, UNBATCHED_NAME), Kind.FIRST, 2.0),
        _ratio(run, "first calls on Redis, to asgi-idempotency-header", (REDIS_NAME, ASGI_HEADER), Kind.FIRST, 5.0),
        _ratio(run, "replays on Redis, to asgi-idempotency-header", (REDIS_NAME, ASGI_HEADER), Kind.REPLAY, 4.0),
        _latency(run, "added to a first call on Redis, one connection, p50", REDIS_NAME, 1.0),
        _latency(run, "added to a first call on Postgres, one connection, p50", POSTGRES, 2.5),
        *_memory(run),
    )


def _ratio(run: Run, name: str, subjects: tuple[str, str], kind: Kind, least: float) -> Target:
    return _judged(
        name,
        f"at least {least:g}",
        [run.row(subject, kind) for subject in subjects],
        ratio,
        lambda found: found.median >= least,
        str,
    )


def _latency(run: Run, name: str, subject: str, most: float) -> Target:
    return _judged(
        name,
        f"at most {most:g} ms",
        [run.row(subject, Kind.FIRST, connections=1), run.row(DIRECT, Kind.PASS, connections=1)],
        lambda found, base: added(found, base, lambda each: each.p50),
        lambda found: found.median * 1000 <= most,
        lambda found: f"{found.median * 1000:.2f} ms ({found.least * 1000:.2f} to {found.most * 1000:.2f})",
    )


def _judged(
    name: str,
    wanted: str,
    rows: list[Row | None],
    figure: Callable[[Row, Row], Ratio],
    good: Callable[[Ratio], bool],
    told: Callable[[Ratio], str],
) -> Target:
    found, base = rows
    if found is None or base is None:
        return Target(name, wanted, "", None)
    value = figure(found, base)
    return Target(name, wanted, told(value), good(value))


def _memory(run: Run) -> tuple[Target, ...]:
    name, wanted = "memory after a million calls", f"below {MOST_MEMORY // 2**20} MiB, flat"
    if run.soak is None:
        return (Target(name, wanted, "", None),)
    calls, memory = run.soak.samples[-1]
    found = f"{memory / 2**20:.0f} MiB after {calls:,}, {100 * run.soak.flatness:+.1f} % in the second half"
    return (Target(name, wanted, found, memory < MOST_MEMORY and run.soak.flatness <= MOST_GROWTH),)
