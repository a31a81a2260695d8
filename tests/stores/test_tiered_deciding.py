"""Laws of a decision behind a front: the authority's word first, and nothing in front says anything else after it."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.ports import Hint
from gateway.protocol.decisions import Decided
from gateway.protocol.dossier import Query
from gateway.protocol.inquiries import Asked
from gateway.protocol.model import Complete, Completed, Granted, MarkUnknown, Moved, Release, Replay
from tests.stores.backends import Bench, MemoryBackend
from tests.stores.fronts import DictFront, TieredBackend
from tests.stores.registry import decision, dossier, due, records, unknown
from tests.stores.requests import ANSWER, LEASE, claim, owner

HOUR = timedelta(hours=1)


class Pair:
    """Two gateways' stores on one authority and one front."""

    def __init__(self, stack: ExitStack) -> None:
        self.front, authority = DictFront(), MemoryBackend()
        self.one, self.other = (stack.enter_context(Bench(TieredBackend(authority, self.front))) for _ in range(2))

    def hint(self, key: str) -> None:
        """As a call left it that met the first one in flight."""
        request = claim(key)
        self.one.run(self.front.hint(request.id, Hint(request.identity, owner(), timedelta(0), LEASE), LEASE))


@pytest.fixture
def pair() -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair(stack)


async def _settled_down() -> None:
    """Lets what nobody waits for be written."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_key_that_was_released_is_not_kept_busy_by_a_hint(pair: Pair) -> None:
    grant = unknown(pair.one)
    pair.hint("k")
    assert pair.one.run(records(pair.one).decide(decision(grant, Release()))) == Decided(2)
    verdict = pair.other.claim(claim("k"))
    assert isinstance(verdict, Granted)
    assert verdict.grant.fence == 3


def test_a_call_that_was_resolved_is_replayed_at_once_and_from_the_front_from_then_on(pair: Pair) -> None:
    grant = unknown(pair.one)
    pair.hint("k")
    pair.one.run(records(pair.one).decide(decision(grant, Complete(ANSWER))))
    for bench in (pair.other, pair.one):
        verdict = bench.claim(claim("k"))
        assert isinstance(verdict, Replay)
        assert verdict.response == ANSWER
        bench.run(_settled_down())
        assert isinstance(pair.front.copies[grant.id], Completed)


def test_a_late_answer_after_a_decision_reaches_no_front(pair: Pair) -> None:
    grant = unknown(pair.one)
    pair.one.run(records(pair.one).decide(decision(grant, Release())))
    assert pair.one.settle(grant, Complete(ANSWER)) == Moved()
    pair.one.run(_settled_down())
    assert grant.id not in pair.front.copies


@pytest.mark.parametrize("word", [Complete(ANSWER), Release()])
def test_a_front_that_is_lost_keeps_nobody_from_deciding(pair: Pair, word: Complete | Release) -> None:
    grant = unknown(pair.one)
    pair.front.down = True
    assert isinstance(pair.one.run(records(pair.one).decide(decision(grant, word))), Decided)


def test_a_decision_that_comes_too_late_leaves_the_copy_where_it_is(pair: Pair) -> None:
    grant = pair.one.completed(claim("k"), ANSWER)
    pair.one.run(_settled_down())
    assert pair.one.run(records(pair.one).decide(decision(grant, Release()))) == Moved()
    assert isinstance(pair.front.copies[grant.id], Completed)


def test_nothing_that_people_or_reconcilers_see_is_asked_of_the_front(pair: Pair) -> None:
    grant = pair.one.granted(replace(claim("k"), route="api", values=b"v"))
    pair.one.settle(grant, MarkUnknown("reset"))
    pair.one.run(_settled_down())
    pair.front.trips.clear()
    assert len(pair.one.run(records(pair.one).page(Query())).entries) == 1
    assert [each.count for each in pair.one.run(records(pair.one).open_calls())] == [1]
    (inquiry,) = due(pair.one)
    assert pair.one.run(records(pair.one).asked(inquiry, Asked(0, HOUR))) is True
    assert dossier(pair.other, grant.id).entry.asks == 1
    assert pair.front.trips == []
