"""Measures the gateway against its own bare pass-through: the same edge and the same hop, without a key.

``python -m loadtests.bench`` starts an upstream and a gateway for each store (memory, SQLite, Redis without a file,
Postgres whose commits wait for the disk, and that Redis in front of that Postgres), pins the gateways to one core and
everything else to another, loads each in turn for several rounds, and prints rates and their ratios to the
pass-through of the same round. Ratios are what to compare: the machine's own speed is in all of them.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import uvloop

from loadtests.compared import ratio_of
from loadtests.cores import pin
from loadtests.load import Figures, Tally, load
from loadtests.servers import postgres, valkey
from tests.process import Served, anywhere, serving

BODY = b'{"amount": 1250, "currency": "EUR"}'


def request(key: bytes | None) -> bytes:
    """A small charge."""
    name = b"" if key is None else b"Idempotency-Key: %s\r\n" % key
    fields = b"Host: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer bench\r\n"
    return b"POST /charges HTTP/1.1\r\n%s%sContent-Length: %d\r\n\r\n%s" % (fields, name, len(BODY), BODY)


@dataclass(frozen=True, slots=True)
class Course:
    """One thing to measure: which gateway, which requests, which outcome they must have."""

    name: str
    store: str
    key: Callable[[int], bytes | None]
    outcome: bytes


COURSES = (
    Course("pass-through", "memory", lambda _: None, b"unguarded"),
    Course("first calls, memory", "memory", lambda n: b"first-%d" % n, b"executed"),
    Course("replays, memory", "memory", lambda _: b"replay", b"replayed"),
    Course("first calls, SQLite", "sqlite", lambda n: b"first-%d" % n, b"executed"),
    Course("replays, SQLite", "sqlite", lambda _: b"replay", b"replayed"),
    Course("first calls, Redis", "redis", lambda n: b"first-%d" % n, b"executed"),
    Course("replays, Redis", "redis", lambda _: b"replay", b"replayed"),
    Course("first calls, Postgres", "postgres", lambda n: b"first-%d" % n, b"executed"),
    Course("replays, Postgres", "postgres", lambda _: b"replay", b"replayed"),
    Course("first calls, both", "both", lambda n: b"first-%d" % n, b"executed"),
    Course("replays, both", "both", lambda _: b"replay", b"replayed"),
)


def measured(course: Course, tally: Tally) -> Figures:
    """The figures of a course whose every call ended as it had to; anything else is no measurement."""
    wrong = {outcome: count for outcome, count in tally.outcomes.items() if outcome != (b"201", course.outcome)}
    if wrong:
        raise SystemExit(f"{course.name}: {wrong} instead of 201 {course.outcome.decode()}")
    return tally.figures()


def rounds(gateways: dict[str, Served], options: argparse.Namespace) -> dict[str, list[Figures]]:
    """Every course in turn, as many times as asked."""
    found: dict[str, list[Figures]] = {course.name: [] for course in COURSES}
    number = 0
    for _ in range(options.rounds):
        for course in COURSES:
            port = gateways[course.store].port
            tally = uvloop.run(
                load(
                    port,
                    lambda n, course=course: request(course.key(n)),  # type: ignore[misc]  # binds this course
                    connections=options.connections,
                    seconds=options.seconds,
                    first=number,
                )
            )
            number += tally.calls + options.connections
            found[course.name].append(measured(course, tally))
    return found


def table(found: dict[str, list[Figures]]) -> list[str]:
    """Lines for people: median rate, ratio to the pass-through of the same round with its spread, latencies."""
    base = [figures.rate for figures in found["pass-through"]]
    lines = [f"{'':22}{'calls/s':>9}{'ratio':>8}{'spread':>14}{'p50 ms':>9}{'p99 ms':>9}"]
    for name, all_rounds in found.items():
        rates = [figures.rate for figures in all_rounds]
        p50, p99 = (statistics.median(getattr(f, part) for f in all_rounds) * 1000 for part in ("median", "p99"))
        rate = statistics.median(rates)
        lines.append(f"{name:22}{rate:>9,.0f}{ratio_of(base, rates)}{p50:>9.1f}{p99:>9.1f}")
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of load for each course and round")
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = subprocess.Popen(
            [sys.executable, "-m", "loadtests.upstream"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        stack.enter_context(upstream)
        assert upstream.stdout is not None
        port = int(upstream.stdout.readline())
        redis = stack.enter_context(valkey())
        server = stack.enter_context(postgres(folder / "postgres"))
        alone, behind = (stack.enter_context(server.database()) for _ in range(2))
        stores = {
            "memory": ("--store", "memory:"),
            "sqlite": (),
            "redis": ("--store", redis.url),
            "postgres": ("--store", alone),
            # A database of the Redis of its own, for there it is no authority.
            "both": ("--store", behind, "--store", f"{redis.url.removesuffix('/0')}/1"),
        }
        gateways = {
            name: stack.enter_context(serving(*anywhere(port), *store, folder=folder)) for name, store in stores.items()
        }
        for gateway in gateways.values():
            pin(gateway.process.pid, 0)
        pin(upstream.pid, -1)
        pin(0, -1)
        for gateway in gateways.values():
            # Each gateway's one replayed key, executed before it is measured.
            uvloop.run(load(gateway.port, lambda _: request(b"replay"), connections=1, seconds=0.05))
        print("\n".join(table(rounds(gateways, options))))
        print(f"\n{options.connections} connections, {options.rounds} rounds of {options.seconds:g} s each, one core.")


if __name__ == "__main__":
    main()
