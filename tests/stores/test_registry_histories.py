"""Any history of claims, decisions, askings, sweeps and passing time is shown alike by memory, SQLite and Redis."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from gateway.protocol.decisions import Decided, Decision
from gateway.protocol.dossier import Dossier, Query, State
from gateway.protocol.inquiries import Asked, Inquiry
from gateway.protocol.model import Complete, Granted, Release
from tests.redis_servers import shared
from tests.stores.backends import SEALER, Backend, RedisBackend, SqliteBackend
from tests.stores.registry import records
from tests.stores.requests import ANSWER, RETENTION, claim, owner, record_id
from tests.stores.test_histories import Histories

_KEYS = st.sampled_from(["a", "b"])


class RegistryHistories(Histories):
    def __init__(self) -> None:
        super().__init__()
        self.taken: list[tuple[Inquiry, Inquiry]] = []

    @rule(key=_KEYS, by=st.integers(1, 3), route=st.sampled_from(["api", "sms"]), takeover=st.sampled_from([None, 300]))
    def somebody_claims_what_can_be_asked_about(self, key: str, by: int, route: str, takeover: float | None) -> None:
        request = replace(
            claim(key, by=owner(by), body=b"1", takeover=takeover), route=route, values=b"v" + route.encode()
        )
        verdict = self.memory.claim(request)
        assert type(self.tested.claim(request)) is type(verdict)
        self.touched.add(key)
        if isinstance(verdict, Granted) and verdict.grant not in self.grants:
            self.grants.append(verdict.grant)

    @rule(key=_KEYS, off=st.sampled_from([0, 0, 0, 1, -1]), by=st.integers(4, 5), frees=st.booleans())
    def somebody_decides(self, key: str, off: int, by: int, frees: bool) -> None:
        known = self.memory.look(record_id(key))
        word = Release() if frees else Complete(ANSWER)
        fence = (known.fence if known else 1) + off
        decision = Decision(record_id(key), fence, owner(by), word, RETENTION, "on-call", "said so")
        told, expected = (bench.run(records(bench).decide(decision)) for bench in (self.tested, self.memory))
        assert type(told) is type(expected)
        assert getattr(told, "fence", None) == getattr(expected, "fence", None)
        assert not isinstance(told, Decided) or (told.replay_until is None) == frees

    @rule(routes=st.sampled_from([("api",), ("sms",), ("api", "sms")]))
    def a_worker_takes_what_is_due(self, routes: tuple[str, ...]) -> None:
        work = timedelta(seconds=30)
        told, expected = (
            sorted(bench.run(records(bench).due(routes, work, 10)), key=lambda each: each.id.digest)
            for bench in (self.tested, self.memory)
        )
        assert [_work(each) for each in told] == [_work(each) for each in expected]
        self.taken += zip(told, expected, strict=True)

    @rule(newest=st.integers(0, 2), absent=st.integers(0, 3), seconds=st.sampled_from([5, 400]))
    def a_worker_has_asked(self, newest: int, absent: int, seconds: int) -> None:
        for told, expected in self.taken[len(self.taken) - 1 - newest :][:1]:
            result = Asked(absent, timedelta(seconds=seconds))
            noted = self.tested.run(records(self.tested).asked(told, result))
            assert noted == self.memory.run(records(self.memory).asked(expected, result))
            self.taken.remove((told, expected))

    @invariant()
    def both_show_the_same(self) -> None:
        for key in self.touched:
            told, known = (bench.run(records(bench).dossier(record_id(key))) for bench in (self.tested, self.memory))
            assert _shown(told) == _shown(known)

    @rule(state=st.sampled_from([None, *State]), route=st.sampled_from([None, "api"]))
    def both_list_the_same(self, state: State | None, route: str | None) -> None:
        query = Query(state=state, route=route)
        told, known = (bench.run(records(bench).page(query)).entries for bench in (self.tested, self.memory))
        assert {(each.id, each.state) for each in told} == {(each.id, each.state) for each in known}


def _work(inquiry: Inquiry) -> object:
    return inquiry.id, inquiry.fence, inquiry.route, inquiry.values, inquiry.asks, inquiry.absent


def _shown(dossier: Dossier | None) -> object:
    """All but instants."""
    if dossier is None:
        return None
    entry = dossier.entry
    told = [(event.what, event.fence, event.by, event.note) for event in dossier.history]
    asks = entry.asks, entry.asks_at is None
    return entry.state, entry.route, entry.fence, entry.reason, asks, told, dossier.status, dossier.size


class OnRedis(RegistryHistories):
    def subject(self, folder: Path) -> Backend:
        return RedisBackend(shared("valkey"), SEALER)


class OnSqlite(RegistryHistories):
    def subject(self, folder: Path) -> Backend:
        return SqliteBackend(folder / "store.db", SEALER)


_SETTINGS = settings(
    max_examples=12,
    stateful_step_count=40,
    deadline=None,  # a server takes as long as its machine lets it
    suppress_health_check=[HealthCheck.too_slow],
)
TestRedisHistories = OnRedis.TestCase
TestRedisHistories.settings = _SETTINGS
TestSqliteHistories = OnSqlite.TestCase
TestSqliteHistories.settings = _SETTINGS
