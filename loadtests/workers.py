"""What more workers bring: one gateway with one worker and others with several, loaded in turn on all cores.

``python -m loadtests.workers`` starts them on a Redis each, and prints first calls and replays a second, the ratio to
one worker in the same round, and what a call costs all workers together. Load, API and Redis stay on the last core; the
workers go where the machine puts them. After each load the operator's ``/metrics`` must have counted, over all workers,
just the answers that wrk got, and the API must have been called once for each key.
"""

import argparse
import http.client
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.bench.bodies import SMALL
from loadtests.bench.stage import set_up
from loadtests.bench.subjects import Place
from loadtests.bench.usage import usage
from loadtests.bench.wrk import Keys, Load, load, missing
from loadtests.compared import ratio_of
from loadtests.cores import elsewhere
from tests.process import Served, anywhere, serving
from tests.redis_servers import eventually

CONNECTIONS = 64
KINDS = ("first calls", "replays")
COUNTER, UNDER_WAY = "idempotency_gateway_calls_total", "idempotency_gateway_calls_in_flight"


@dataclass
class Crew:
    """A gateway of so many workers, and what was found in each round: a load, and CPU seconds, by what was asked."""

    workers: int
    served: Served
    found: dict[str, list[tuple[Load, float]]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    def counted(self) -> int:
        """The answers that all workers have given, as operators see it, once none is under way any more."""
        eventually(lambda: not self.told(UNDER_WAY))
        return self.told(COUNTER)

    def told(self, metric: str) -> int:
        """The metric's sum over its labels."""
        connection = http.client.HTTPConnection("127.0.0.1", self.served.admin_port, timeout=30)
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        connection.close()
        return int(sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{metric}{{")))

    def measure(self, kind: str, keys: Keys, body: Path, seconds: float) -> None:
        """One load, and whether ``/metrics`` has counted every answer of it."""
        before, cpu = self.counted(), usage(self.served.process.pid).cpu
        with elsewhere():
            found = load(self.served.port, keys, body, connections=CONNECTIONS, seconds=seconds)
        cpu = usage(self.served.process.pid).cpu - cpu
        # What was under way when the load ended is answered too, and wrk does not count it.
        counted = self.counted() - before
        if found.wrong or not found.calls <= counted <= found.made:
            raise AssertionError(f"{self.workers} workers: {found}, of which /metrics has counted {counted:,}")
        self.found[kind].append((found, cpu))


def crew(workers: int, place: Place, stack: ExitStack) -> Crew:
    """Started on a Redis of its own."""
    store = ("--store", f"redis://127.0.0.1:{place.redis()}/0")
    options = (*anywhere(place.upstream.port), *store, "--workers", str(workers))
    return Crew(workers, stack.enter_context(serving(*options, folder=place.folder)))


def measure(numbers: Sequence[int], rounds: int, seconds: float) -> list[Crew]:
    """Crews of these numbers of workers, each measured once a round."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        place, bodies = stack.enter_context(set_up(SMALL, Path(name)))
        crews = [crew(workers, place, stack) for workers in numbers]
        for turn in range(rounds + 1):
            for each in crews:
                prefix = f"{each.workers}x{turn}-"
                each.measure("first calls", Keys("new", prefix), bodies.file, seconds)
                # Few enough to be there after the shortest load.
                each.measure("replays", Keys("known", prefix, 100), bodies.file, seconds)
                if place.upstream.since().too_many:
                    raise AssertionError(f"{each.workers} workers: a call was executed twice")
        for each in crews:
            for found in each.found.values():
                # The first round warms up.
                del found[0]
        return crews


def table(crews: Sequence[Crew]) -> list[str]:
    """For people."""
    lines = [f"{'':<24}{'calls/s':>9}{'ratio':>8}{'spread':>14}{'CPU us a call':>15}"]
    for kind in KINDS:
        base = [found.rate for found, _ in crews[0].found[kind]]
        for each in crews:
            rates = [found.rate for found, _ in each.found[kind]]
            cost = sum(cpu for _, cpu in each.found[kind]) / sum(found.calls for found, _ in each.found[kind])
            name = f"{kind}, {each.workers} worker{'s' if each.workers > 1 else ''}"
            rate = statistics.median(rates)
            lines.append(f"{name:<24}{rate:>9,.0f}{ratio_of(base, rates)}{cost * 1e6:>15,.0f}")
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.workers", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workers", default="1,2", help="numbers of workers, the first of which is what ratios are to")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each load")
    options = parser.parse_args(arguments)
    if why := missing():
        parser.error(why)
    numbers = [int(number) for number in options.workers.split(",")]
    print("\n".join(table(measure(numbers, options.rounds, options.seconds))))


if __name__ == "__main__":
    main()
