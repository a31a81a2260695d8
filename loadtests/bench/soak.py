"""Memory over a million calls of one gateway on Redis: first calls and replays in turn, looked at on the way."""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from loadtests.bench.bodies import SMALL
from loadtests.bench.checking import Wrong
from loadtests.bench.result import Soak
from loadtests.bench.stage import set_up
from loadtests.bench.subjects import REDIS_NAME, SUBJECTS
from loadtests.bench.usage import usage
from loadtests.bench.wrk import Keys, load
from loadtests.cores import elsewhere

CONNECTIONS = 64
SECONDS = 5.0


def soak(calls: int, tell: Callable[[str], None]) -> Soak:
    """What its memory was over so many calls."""
    (subject,) = (each for each in SUBJECTS if each.name == REDIS_NAME)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        place, bodies = stack.enter_context(set_up(SMALL, Path(name)))
        running = stack.enter_context(subject.start(place))
        samples, made = [(0, usage(running.process).memory)], 0
        while made < calls:
            prefix = f"{len(samples)}-"
            with elsewhere():
                for keys, seconds in ((Keys("new", prefix), SECONDS), (Keys("known", prefix, 1000), SECONDS / 2)):
                    found = load(running.port, keys, bodies.file, connections=CONNECTIONS, seconds=seconds)
                    if found.wrong:
                        raise Wrong(f"{found.wrong} of {found.calls} answers were none")
                    made += found.calls
            samples.append((made, usage(running.process).memory))
            tell(f"{made:,} calls, {samples[-1][1] / 2**20:.1f} MiB")
        if place.upstream.since().too_many:
            raise Wrong("a call was executed twice")
        return Soak(REDIS_NAME, samples, usage(running.process).peak)
