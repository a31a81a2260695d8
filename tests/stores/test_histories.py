"""Any history of claims, settlements, sweeps and passing time is told alike by memory, by SQLite and by Redis."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.protocol.model import Complete, Grant, Granted, MarkUnknown, Release, Replay, Settlement, Verdict
from tests.redis_servers import shared
from tests.stores.backends import Backend, Bench, MemoryBackend, RedisBackend, SqliteBackend
from tests.stores.requests import ANSWER, NOT_KEPT, claim, owner, record_id

_KEYS = st.sampled_from(["a", "b"])
# Steps that land well on either side of every deadline: lease 50, answers 100, unknowns 500, keys 1000 s.
_SECONDS = st.sampled_from([7, 44, 93, 407, 1011])
_SETTLEMENTS: st.SearchStrategy[Settlement] = st.sampled_from(
    [Complete(ANSWER), Complete(NOT_KEPT), Release(), MarkUnknown("timeout")]
)


class Histories(RuleBasedStateMachine):
    def subject(self, folder: Path) -> Backend:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self._open = ExitStack()
        directory = self._open.enter_context(tempfile.TemporaryDirectory())
        self.memory = self._open.enter_context(Bench(MemoryBackend()))
        self.tested = self._open.enter_context(Bench(self.subject(Path(directory))))
        self.grants: list[Grant] = []
        self.touched: set[str] = set()

    def teardown(self) -> None:
        self._open.close()

    @rule(
        key=_KEYS,
        by=st.integers(1, 3),
        body=st.sampled_from([b"1", b"1", b"1", b"2"]),
        caller=st.sampled_from([b"alice", b"alice", b"bob"]),
        takeover=st.sampled_from([None, 300]),
    )
    def somebody_claims(self, key: str, by: int, body: bytes, caller: bytes, takeover: float | None) -> None:
        request = claim(key, by=owner(by), body=body, caller=caller, takeover=takeover)
        verdict = self.memory.claim(request)
        assert _gist(self.tested.claim(request)) == _gist(verdict)
        self.touched.add(key)
        if isinstance(verdict, Granted) and verdict.grant not in self.grants:
            self.grants.append(verdict.grant)

    @rule(newest=st.integers(0, 3), settlement=_SETTLEMENTS)
    def somebody_settles(self, newest: int, settlement: Settlement) -> None:
        for grant in self.grants[-1 - newest : len(self.grants) - newest]:
            told = type(self.memory.settle(grant, settlement))
            assert type(self.tested.settle(grant, settlement)) is told

    @rule(key=_KEYS, fence=st.sampled_from([1, 1, 2, 3]))
    def somebody_forgets(self, key: str, fence: int) -> None:
        told = type(self.memory.forget(record_id(key), fence))
        assert type(self.tested.forget(record_id(key), fence)) is told

    @rule(key=_KEYS, seconds=_SECONDS)
    def time_passes(self, key: str, seconds: float) -> None:
        self.memory.age(record_id(key), seconds)
        self.tested.age(record_id(key), seconds)

    @rule()
    def both_are_swept(self) -> None:
        assert self.tested.sweep() == self.memory.sweep()

    @invariant()
    def both_hold_the_same(self) -> None:
        for key in self.touched:
            told, known = self.tested.look(record_id(key)), self.memory.look(record_id(key))
            assert type(told) is type(known)
            assert getattr(told, "fence", None) == getattr(known, "fence", None)
            assert getattr(told, "identity", None) == getattr(known, "identity", None)
            assert getattr(told, "reason", None) == getattr(known, "reason", None)


def _gist(verdict: Verdict) -> object:
    """All but instants, which two clocks tell differently."""
    match verdict:
        case Granted():
            return verdict
        case Replay(response):
            return response
        case _:
            return type(verdict)


class OnSqlite(Histories):
    def subject(self, folder: Path) -> Backend:
        return SqliteBackend(folder / "store.db")


class OnRedis(Histories):
    def subject(self, folder: Path) -> Backend:
        return RedisBackend(shared("valkey"))


_SETTINGS = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,  # a commit takes as long as the disk takes
    suppress_health_check=[HealthCheck.too_slow],
)
TestSqliteHistories = OnSqlite.TestCase
TestSqliteHistories.settings = _SETTINGS
TestRedisHistories = OnRedis.TestCase
TestRedisHistories.settings = _SETTINGS
