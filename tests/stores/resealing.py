"""The laws of sealing anew that every store sits which keeps anything sealed.

C numbers are those of ``gateway.registry.Resealing``. A gateway is what it lists: a bench is closed and opened again
with other keys, and whatever opens under the new one alone needs no other.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.errors import RecordUnreadable, StoreUnfit
from gateway.protocol.model import (
    Complete,
    Completed,
    Expired,
    Forgotten,
    Grant,
    InFlight,
    MarkUnknown,
    Moved,
    RecordId,
    Settled,
)
from gateway.registry import Records, Resealed
from gateway.stores.sealing import Sealer
from tests.stores.backends import Bench, PostgresBackend, RedisBackend, SqliteBackend, TieredServers
from tests.stores.requests import ANSWER, NOT_KEPT, claim
from tests.stores.zoo import EVERYTHING

OLD, NEW, THIRD = (b"%d of the keys of records" % number for number in range(3))
WORK = timedelta(seconds=30)


def reopen(bench: Bench, *keys: bytes) -> None:
    """Ends the gateway that had the store, and begins another with these keys."""
    bench.run(bench.store.close())
    bench.store = bench.run(another(bench, *keys))


async def another(bench: Bench, *keys: bytes) -> Records:
    """One more gateway on the same store."""
    with_keys(bench, Sealer(keys) if keys else None)
    return await bench.backend.open()


def with_keys(bench: Bench, sealer: Sealer | None) -> None:
    """What the next gateway has."""
    backend = bench.backend.authority if isinstance(bench.backend, TieredServers) else bench.backend
    assert isinstance(backend, SqliteBackend | PostgresBackend | RedisBackend)
    backend.sealer = sealer


async def steps(store: Records, limit: int = 100, *, dry: bool = False) -> list[Resealed]:
    """A walk, from the beginning to the end."""
    told = [await store.reseal(None, limit, dry=dry)]
    while told[-1].next is not None:
        told.append(await store.reseal(told[-1].next, limit, dry=dry))
    return told


def walk(bench: Bench, limit: int = 100, *, dry: bool = False) -> Resealed:
    return summed(bench.run(steps(bench.store, limit, dry=dry)))


def summed(told: Sequence[Resealed]) -> Resealed:
    return Resealed(
        sum(each.looked_at for each in told),
        sum(each.resealed for each in told),
        sum(each.already for each in told),
        tuple(record_id for each in told for record_id in each.unread),
    )


def counts(told: Resealed) -> tuple[int, int, int, int]:
    return told.looked_at, told.resealed, told.already, len(told.unread)


def asked(bench: Bench, key: str, *, unknown: bool) -> Grant:
    """A record that holds values for a reconciler."""
    grant = bench.granted(replace(claim(key), route="api", values=f"values of {key}".encode()))
    if unknown:
        bench.settle(grant, MarkUnknown("reset"))
    return grant


def values(bench: Bench) -> dict[str, bytes]:
    found = bench.run(bench.store.due(["api"], WORK, 100))
    return {str(each.id): each.values for each in found}


class ResealingContract:
    """Subclasses bring the fixture ``bench``, opened with ``OLD``."""

    def test_c1_whatever_a_record_is_it_is_the_same_and_needs_the_old_key_no_more(self, bench: Bench) -> None:
        grants = {name: maker(bench, name) for name, maker in EVERYTHING.items()}
        before = {name: bench.look(grant.id) for name, grant in grants.items()}
        shown = {name: bench.run(bench.store.dossier(grant.id)) for name, grant in grants.items()}
        told = [record for record in before.values() if isinstance(record, Completed)]
        reopen(bench, NEW, OLD)
        assert counts(walk(bench))[1:] == (len(told), 0, 0)
        assert counts(walk(bench))[1:] == (0, len(told), 0), "done once, it is done"
        reopen(bench, NEW)
        assert {name: bench.look(grant.id) for name, grant in grants.items()} == before
        assert {name: bench.run(bench.store.dossier(grant.id)) for name, grant in grants.items()} == shown

    def test_c1_values_for_a_reconciler_are_sealed_anew_in_flight_and_unknown(self, bench: Bench) -> None:
        flying, unknown = (asked(bench, key, unknown=key == "u") for key in ("f", "u"))
        reopen(bench, NEW, OLD)
        assert counts(walk(bench)) == (2, 2, 0, 0)
        reopen(bench, NEW)
        assert values(bench) == {str(unknown.id): b"values of u"}
        bench.settle(flying, MarkUnknown("reset"))
        assert values(bench) == {str(flying.id): b"values of f"}
        assert isinstance(bench.settle(unknown, Complete(ANSWER)), Settled)

    def test_c1_what_was_written_before_there_were_keys_is_sealed(self, bench: Bench) -> None:
        reopen(bench)
        grant, bare = bench.completed(claim("k"), ANSWER), bench.completed(claim("n"), NOT_KEPT)
        with pytest.raises(StoreUnfit, match=r"configure encryption\.keys"):
            walk(bench)
        reopen(bench, OLD)
        assert counts(walk(bench)) == (2, 2, 0, 0)
        reopen(bench, NEW)
        for each in (grant, bare):
            with pytest.raises(RecordUnreadable):
                bench.look(each.id)

    def test_c2_what_is_settled_or_forgotten_meanwhile_and_by_two_at_once_stays_so(self, bench: Bench) -> None:
        kept = [bench.completed(claim(f"kept {number}"), ANSWER) for number in range(20)]
        flying = [asked(bench, f"flying {number}", unknown=False) for number in range(20)]
        doomed = [bench.completed(claim(f"doomed {number}"), ANSWER) for number in range(20)]
        reopen(bench, NEW, OLD)

        async def at_once() -> None:
            other = await another(bench, NEW, OLD)
            settled, forgotten, walks = await asyncio.gather(
                asyncio.gather(*(bench.store.settle(grant, Complete(ANSWER)) for grant in flying)),
                asyncio.gather(*(other.forget(grant.id, grant.fence) for grant in doomed)),
                asyncio.gather(*(steps(store, 7) for store in (bench.store, other))),
            )
            await other.close()
            assert all(isinstance(each, Settled) for each in settled)
            assert all(isinstance(each, Forgotten) for each in forgotten)
            assert [summed(told).unread for told in walks] == [(), ()]

        bench.run(at_once())
        reopen(bench, NEW)
        for grant in (*kept, *flying):
            record = bench.look(grant.id)
            assert isinstance(record, Completed)
            assert record.answer == ANSWER
        assert all(isinstance(bench.look(grant.id), Expired) for grant in doomed)

    def test_c2_a_grant_that_was_made_meanwhile_is_not_undone(self, bench: Bench) -> None:
        grant = asked(bench, "k", unknown=True)
        reopen(bench, NEW, OLD)
        again = bench.granted(replace(claim("k", takeover=400), route="api", values=b"of another try"))
        assert (again.id, again.fence) == (grant.id, 2)
        assert counts(walk(bench)) == (1, 0, 1, 0)
        assert isinstance(bench.look(grant.id), InFlight)
        assert isinstance(bench.settle(grant, Complete(ANSWER)), Moved)
        assert isinstance(bench.settle(again, Complete(ANSWER)), Settled)

    def test_c3_what_no_key_opens_stays_as_it_is_and_is_named(self, bench: Bench) -> None:
        sealed = bench.completed(claim("sealed"), ANSWER), asked(bench, "asked", unknown=True)
        reopen(bench, NEW)
        bench.completed(claim("k"), ANSWER)
        for dry in (True, False):
            told = walk(bench, dry=dry)
            assert counts(told) == (3, 0, 1, 2)
            assert set(told.unread) == {grant.id for grant in sealed}
        reopen(bench, NEW, OLD)
        assert counts(walk(bench)) == (3, 2, 1, 0), "with its key back nothing is lost"

    @pytest.mark.parametrize("limit", [1, 7])
    def test_c4_steps_of_any_length_meet_every_record(self, bench: Bench, limit: int) -> None:
        for number in range(20):
            bench.completed(claim(f"k {number}"), ANSWER)
        reopen(bench, NEW, OLD)
        told = bench.run(steps(bench.store, limit))
        assert summed(told).resealed == 20
        reopen(bench, NEW)
        assert counts(walk(bench))[2:] == (20, 0)

    def test_c4_large_answers_end_a_step_early_and_none_is_left_out(self, bench: Bench) -> None:
        large = replace(ANSWER, body=os.urandom(1_500_000))
        grants = [bench.completed(claim(f"k {number}"), large) for number in range(4)]
        reopen(bench, THIRD, NEW, OLD)
        assert walk(bench).resealed == 4
        reopen(bench, THIRD)
        for grant in grants:
            record = bench.look(grant.id)
            assert isinstance(record, Completed)
            assert record.answer == large

    def test_c6_a_dry_walk_counts_and_writes_nothing(self, bench: Bench) -> None:
        bench.completed(claim("old"), ANSWER)
        reopen(bench, NEW, OLD)
        bench.completed(claim("new"), ANSWER)
        for _ in range(2):
            assert counts(walk(bench, dry=True)) == (2, 1, 1, 0)
        assert counts(walk(bench)) == (2, 1, 1, 0)


class Interrupted(Sealer):
    """Something else happens between the reading and the writing, once."""

    between: Callable[[], None] | None = None

    def seal(
        self, record_id: RecordId, fence: int, head: bytes, body: bytes | None, nonce: bytes
    ) -> tuple[bytes, bytes | None]:
        self._interrupt()
        return super().seal(record_id, fence, head, body, nonce)

    def seal_values(self, record_id: RecordId, fence: int, values: bytes, nonce: bytes) -> bytes:
        self._interrupt()
        return super().seal_values(record_id, fence, values, nonce)

    def _interrupt(self) -> None:
        between, self.between = self.between, None
        if between is not None:
            between()


class BetweenContract:
    """Of stores that do not read and write in one transaction. Subclasses bring ``bench``, opened with ``OLD``."""

    def test_c2_what_is_forgotten_between_the_reading_and_the_writing_stays_forgotten(self, bench: Bench) -> None:
        grant = bench.completed(claim("k"), ANSWER)
        assert counts(interrupted(bench, lambda store: store.forget(grant.id, 1))) == (1, 0, 0, 0)
        assert isinstance(bench.look(grant.id), Expired)

    def test_c2_what_is_settled_between_the_reading_and_the_writing_stays_settled(self, bench: Bench) -> None:
        grant = asked(bench, "k", unknown=True)
        told = interrupted(bench, lambda store: store.settle(grant, Complete(ANSWER)))
        assert counts(told) == (1, 1, 0, 0), "its answer is sealed anew instead, for it was sealed by the old key"
        reopen(bench, NEW)
        record = bench.look(grant.id)
        assert isinstance(record, Completed)
        assert record.answer == ANSWER

    def test_c2_what_another_walk_has_sealed_in_between_is_not_sealed_twice(self, bench: Bench) -> None:
        bench.completed(claim("k"), ANSWER)
        assert counts(interrupted(bench, steps, NEW, OLD)) == (1, 0, 1, 0)


def interrupted(bench: Bench, meanwhile: Callable[[Records], Awaitable[object]], *keys: bytes) -> Resealed:
    """A walk of a gateway that has moved on to ``NEW``, while another one, with ``keys`` or still the old one, acts."""

    async def act() -> None:
        other = await another(bench, *(keys or (OLD,)))
        await meanwhile(other)
        await other.close()

    def between() -> None:
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, act()).result()

    sealer = Interrupted([NEW, OLD])
    bench.run(bench.store.close())
    with_keys(bench, sealer)
    bench.store = bench.run(bench.backend.open())
    sealer.between = between
    return walk(bench)
