"""The laws of digest keys that every store sits, as a part of ``contract.StoreContract``.

Law 14 is of ``gateway.protocol.claims``. A gateway is what it lists: here, the keys by which its claims are made. What
is aged past its retention is purged by a sweep, as anywhere.
"""

import itertools

import pytest

from gateway.errors import StoreUnfit
from gateway.protocol.fingerprint import Digester
from gateway.protocol.model import (
    Busy,
    CallerChanged,
    Granted,
    KeyExpired,
    MarkUnknown,
    Mismatch,
    Release,
    Replay,
    Undecided,
)
from tests.stores.backends import Bench
from tests.stores.requests import ANSWER, claim

OLD, NEW, THIRD = (b"%d of three secrets" % number for number in range(3))
LONG_PAST = 10_000


def listing(*keys: bytes) -> Digester:
    """What a gateway makes its claims with that lists these keys."""
    first, *others = map(Digester, keys)
    return Digester(first.key, tuple(others))


# Each is one step from the next: the way of a rotation, and another key that comes in the middle of it.
STEPS = (
    listing(OLD),
    listing(OLD, NEW),
    listing(NEW, OLD),
    listing(NEW, OLD, THIRD),
    listing(THIRD, OLD, NEW),
    listing(THIRD, NEW),
    listing(THIRD),
)
BEFORE, ADDED, MOVED = STEPS[:3]


class RotationContract:
    """Subclasses bring the fixture ``bench``."""

    def test_law_14_of_gateways_one_step_apart_exactly_one_is_granted(self, bench: Bench) -> None:
        pairs = [pair for one in itertools.pairwise(STEPS) for pair in itertools.permutations(one)]
        for number, pair in enumerate(pairs):
            verdicts = bench.claim_at_once([claim(f"k {number}", under=each) for each in pair for _ in range(5)])
            assert sum(isinstance(verdict, Granted) for verdict in verdicts) == 1
            assert sum(isinstance(verdict, Busy) for verdict in verdicts) == 9

    @pytest.mark.parametrize("earlier", [BEFORE, ADDED])
    def test_law_14_a_record_under_another_listed_key_is_met_and_judged_under_that(
        self, bench: Bench, earlier: Digester
    ) -> None:
        grant = bench.granted(claim("k", under=earlier))
        busy = bench.claim(claim("k", under=MOVED))
        assert isinstance(busy, Busy)
        assert busy.id == grant.id == claim("k", under=BEFORE).id, "whoever waits, waits for that record"
        assert isinstance(bench.claim(claim("k", under=MOVED, body=b"other")), Mismatch)
        bench.settle(grant, MarkUnknown("reset"))
        assert isinstance(bench.claim(claim("k", under=MOVED)), Undecided)
        bench.completed(claim("k 2", under=earlier), ANSWER)
        assert isinstance(bench.claim(claim("k 2", under=MOVED)), Replay)
        assert isinstance(bench.claim(claim("k 2", under=MOVED, caller=b"mallory")), CallerChanged)
        bench.forget(claim("k 2", under=earlier).id, 1)
        assert isinstance(bench.claim(claim("k 2", under=MOVED)), KeyExpired)

    @pytest.mark.parametrize(("earlier", "later"), [(BEFORE, MOVED), (ADDED, MOVED), (MOVED, ADDED)])
    def test_law_14_a_free_record_under_another_key_is_granted_under_that_again(
        self, bench: Bench, earlier: Digester, later: Digester
    ) -> None:
        bench.settle(bench.granted(claim("k", under=earlier)), Release())
        once = claim("k", under=later)
        grant = bench.granted(once)
        assert (grant.id, grant.fence) == (claim("k", under=earlier).id, 2)
        assert bench.claim(once) == Granted(grant), "repeated, it is the same claim"
        bench.settle(grant, MarkUnknown("reset"))
        again = bench.granted(claim("k", under=later, takeover=400))
        assert (again.id, again.fence, again.taken_over) == (grant.id, 3, True)
        assert isinstance(bench.claim(claim("k", under=earlier)), Busy)

    def test_digest_keys_are_rotated_in_steps_and_the_old_one_goes_when_no_record_needs_it(self, bench: Bench) -> None:
        made = bench.run(bench.store.digest_keys([None]))
        bench.completed(claim("old", under=made), ANSWER)
        for refused in ([NEW, None], [NEW]):
            with pytest.raises(StoreUnfit):
                bench.run(bench.store.digest_keys(refused))
        assert bench.run(bench.store.digest_keys([None, NEW])).key == made.key
        moved = bench.run(bench.store.digest_keys([NEW, None]))
        assert (moved.key, [each.key for each in moved.others]) == (NEW, [made.key])
        grant = bench.completed(claim("new", under=moved), ANSWER)
        assert isinstance(bench.claim(claim("old", under=moved)), Replay), "under the key that it was made with"
        with pytest.raises(StoreUnfit, match="records of this store were made under a digest key that is not in"):
            bench.run(bench.store.digest_keys([NEW]))
        bench.age(claim("old", under=made).id, LONG_PAST)
        bench.sweep()
        assert bench.run(bench.store.digest_keys([NEW])).others == ()
        assert isinstance(bench.claim(claim("new", under=listing(NEW))), Replay)
        assert grant.id == claim("new", under=listing(NEW)).id
        with pytest.raises(StoreUnfit):
            bench.run(bench.store.digest_keys([None]))
