"""What the instrument of group commit says of itself: what is called unbatched is, and what is called batched too."""

import asyncio

from loadtests.commits import CALLERS, STORES, Measured, measured
from tests.measuring.commands import printed
from tests.postgres import Servers


def test_without_a_group_each_call_is_two_commits_and_with_it_many_calls_share_one(servers: Servers) -> None:
    found: dict[str, Measured] = {}
    with servers.get().database() as url:
        for name, kind in STORES.items():
            found[name] = asyncio.run(measured(servers.get(), url, kind, callers=16, seconds=0.3))
    batched, *unbatched = found.values()
    assert all(each.calls > 0 for each in found.values())
    assert all(each.wrote.commits >= 2 * each.calls for each in unbatched)
    assert batched.wrote.commits < batched.calls


def test_the_command_prints_a_line_for_each_store_and_crowd() -> None:
    lines = printed("loadtests.commits", "--rounds", "1", "--seconds", "0.1").splitlines()
    rows = [line[:36].strip() for line in lines[1:7]]
    assert rows == [f"{callers} callers, {name}" for callers in CALLERS for name in STORES]
    assert "fsync=on" in lines[-1]
