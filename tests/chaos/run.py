"""One run, from start to judgement: callers and faults for so long, then peace, then the logs are held together.

Knows the order of things. The seed decides what everybody wants, how the upstream takes it and which faults come; what
meets what is left to the machine, so that a seed is a kind of weather and not a film.
"""

import random
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.chaos import looking
from tests.chaos.customers import Caller, Ledger
from tests.chaos.faults import DECKS, Lane
from tests.chaos.gateways import events, faults_of_ours
from tests.chaos.logs import Logs
from tests.chaos.report import Report
from tests.chaos.site import GATEWAYS, Site, site

CALLERS = 32
# Beyond the time asked for, until every fault has been out once.
PATIENCE = 600.0


def chaos(folder: Path, seed: int, seconds: float) -> Report:
    """So long a run in an empty folder, judged."""
    with site(folder, seed) as here:
        ledger = Ledger(here.began)
        callers = [Caller(number, seed, [each.port for each in here.gateways], ledger) for number in range(CALLERS)]
        with _calling(callers), _failing(here, seed) as lanes:
            lanes[0].stop.wait(seconds)
            for lane in lanes:
                assert lane.dealt.wait(PATIENCE), "a fault does not end"
        lasted = ledger.now()
        here.payments.calm = True
        looking.leases_over(here)
        keys = {each.key for each in ledger.operations}
        records, over = looking.records(here, keys), ledger.now()
        _ask_all(callers[0], ledger, 0)
        # Then the authority alone.
        here.redis.flush()
        _ask_all(callers[0], ledger, 1)
        for gateway in here.gateways:
            gateway.end()
        logs = Logs(
            attempts=ledger.attempts,
            arrivals=here.payments.log,
            faults=here.faults,
            over=over,
            records=records,
            at_last=looking.records(here, keys),
            leaks=looking.leaks(here),
            faults_of_ours=faults_of_ours(here.gateways),
        )
        in_vain = sum(gateway.in_vain for gateway in here.gateways)
        return Report.of(seed, lasted, logs, events(here.gateways), in_vain)


@contextmanager
def _calling(callers: Sequence[Caller]) -> Generator[None]:
    """All callers, each in a thread."""
    stop = threading.Event()
    with ThreadPoolExecutor(len(callers)) as pool:
        living = [pool.submit(each.live, stop) for each in callers]
        try:
            yield
        finally:
            stop.set()
        for each in living:
            each.result()


@contextmanager
def _failing(here: Site, seed: int) -> Generator[list[Lane]]:
    """All lanes, each in a thread; at the end everything is mended."""
    stop = threading.Event()
    lanes = {name: Lane(here, random.Random(f"{seed}/{name}"), stop) for name in DECKS}
    with ThreadPoolExecutor(len(lanes)) as pool:
        going = [pool.submit(lane.go, DECKS[name]) for name, lane in lanes.items()]
        try:
            yield list(lanes.values())
        finally:
            stop.set()
        for each in going:
            each.result()
    # A start that was given up because the faults were over.
    for gateway in here.gateways:
        if gateway.process is None or gateway.process.poll() is not None:
            gateway.start_in_peace()


def _ask_all(caller: Caller, ledger: Ledger, turn: int) -> None:
    """Every operation once more, as whoever wanted it first, at one gateway after the other."""
    wanted = list({each.key: each for each in reversed(ledger.operations)}.values())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda numbered: caller.call(numbered[1], (numbered[0] + turn) % GATEWAYS), enumerate(wanted)))
