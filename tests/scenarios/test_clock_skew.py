"""Gateways whose clocks are an hour off, on either side, decide as the others do: only the store's own clock counts."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.stores.sql.tables import State
from tests.clocks import off_by
from tests.postgres import Server
from tests.process import run
from tests.scenarios.fleet import Fleet
from tests.scenarios.test_tiered import past_its_hint
from tests.scenarios.tiers import BUSY, Redis
from tests.stage import Heard
from tests.upstream import Play, Upstream, answer

HOUR = timedelta(hours=1)
OFFSETS = {"+0": timedelta(0), "+1h": HOUR, "-1h": -HOUR}
ALL = range(len(OFFSETS))

# Of the default policy: the whole time-out and ten seconds; how long an answer is replayed.
LEASE = timedelta(seconds=100)
REPLAYED = timedelta(hours=24)

# A slow machine's minute.
NEARLY = timedelta(seconds=30)


def off(named: str | None) -> timedelta:
    """How far an instant in a header is from now."""
    assert named is not None
    told = datetime.fromisoformat(named) if named[0].isdigit() else parsedate_to_datetime(named)
    return told - datetime.now(UTC)


def lease_ends(postgres: Server, database: str, redis: Redis, kind: str) -> timedelta:
    """In how much time the one lease is over, as the store keeps it."""
    if kind == "redis":
        found: Any = redis.server.ask.zrange("ig:in-flight", 0, -1, withscores=True)
        ((_, ends),) = found
    else:
        ((ends,),) = postgres.execute("SELECT turns_at FROM records WHERE state = $1", State.IN_FLIGHT, url=database)
    return timedelta(milliseconds=ends) - timedelta(seconds=time.time())


@pytest.mark.parametrize("kind", ["postgres", "redis", "tiered"])
def test_gateways_an_hour_ahead_and_an_hour_behind_give_the_same_verdicts_leases_and_deadlines(
    upstream: Upstream, postgres: Server, database: str, redis: Redis, tiered: str, kind: str, tmp_path: Path
) -> None:
    stores = {"postgres": database, "redis": redis.server.url, "tiered": tiered}[kind]
    environs = [off_by(offset) for offset in OFFSETS]
    with Fleet(upstream, tmp_path, *[stores] * 3, environs=environs) as fleet, ThreadPoolExecutor(40) as pool:

        def at_once(key: str) -> list[Heard]:
            """Of many callers on all gateways one is sent, and all of them are told so afterwards."""
            told = Counter(each.told for each in pool.map(partial(fleet.ask, key), range(40)))
            assert told["201 executed"] == upstream.count(key) == 1
            assert told.keys() <= {"201 executed", "201 replayed", BUSY}
            return [past_its_hint(fleet, key, number) for number in ALL]

        for key in ("one", "two", "three"):
            heard = at_once(key)
            assert {each.told for each in heard} == {"201 replayed"}
            assert len({(each.body, each.get("idempotency-expires")) for each in heard}) == 1
            assert abs(off(heard[0].get("idempotency-expires")) - REPLAYED) < NEARLY
        for claimant in ALL:
            gate = threading.Event()
            upstream.then(Play(answer(201, b"true"), gate=gate))
            first = pool.submit(fleet.ask, f"by-{claimant}", claimant)
            upstream.wait_for(4 + claimant)
            assert abs(lease_ends(postgres, database, redis, kind) - LEASE) < NEARLY
            for number, offset in enumerate(OFFSETS.values()):
                busy = fleet.ask(f"by-{claimant}", number)
                assert busy.told == BUSY
                assert int(busy.get("retry-after") or 0) in (1, 2, 4), "by the call's age: seconds, and no hour"
                assert abs(off(busy.get("date")) - offset) < NEARLY, "its clock was wrong, or this shows nothing"
            if claimant == ALL[-1]:
                words = [word for url in stores.split() for word in ("--store", url)]
                swept = run("sweep", *words, folder=tmp_path, environ=dict(off_by("+1h")))
                assert "leases found over: 0" in swept.stdout
            gate.set()
            assert first.result().told == "201 executed"
            assert {past_its_hint(fleet, f"by-{claimant}", number).told for number in ALL} == {"201 replayed"}
    assert set(Counter(logged.key for logged in upstream.log).values()) == {1}
