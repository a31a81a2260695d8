"""The laws of a front, on every Redis that is here and on the fake that other tests order about."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

from gateway.errors import StoreUnavailable, StoreUnfit
from gateway.ports import Front, Hint
from gateway.protocol.fingerprint import Digester
from gateway.protocol.model import Completed
from gateway.stores.redis.front import PREFIX, RedisFront, incarnation_of
from gateway.stores.redis.store import RedisStore
from gateway.stores.sealing import Sealer
from tests.redis_servers import BINARIES, RedisServer, running, shared, unused_port
from tests.stores.fronts import DictFront
from tests.stores.requests import ANSWER, LEASE, NOT_KEPT, claim, owner, record_id

Result = TypeVar("Result")
Run = Callable[[Awaitable[Result]], Result]

DIGESTER = Digester(b"s" * 32)
HINT = Hint(claim("k").identity, owner(7), timedelta(milliseconds=1500), LEASE)
SECOND = timedelta(seconds=1)


def completed(key: str = "k", *, replayed: timedelta = timedelta(hours=1)) -> Completed:
    now = datetime.now(UTC).replace(microsecond=0)
    return Completed(
        id=record_id(key),
        fence=3,
        owner=owner(5),
        identity=claim(key).identity,
        created_at=now,
        answer=ANSWER,
        replay_until=now + replayed,
        forget_at=now + 2 * replayed,
    )


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(params=["fake", *BINARIES])
def front(request: pytest.FixtureRequest, loop: asyncio.Runner) -> Iterator[Front]:
    front: Front = DictFront() if request.param == "fake" else RedisFront.at(emptied(request.param).url)
    loop.run(joined(front))
    yield front
    loop.run(closed(front))


def emptied(name: str) -> RedisServer:
    running = shared(name)
    running.ask.flushall()
    return running


async def joined(front: Front) -> None:
    await front.join(DIGESTER)


async def closed(front: Front) -> None:
    await front.close()


def test_law_f1_a_copy_is_recalled_as_it_was_kept(front: Front, loop: asyncio.Runner) -> None:
    async def scenario() -> None:
        for record in (completed(), replace(completed("n"), answer=NOT_KEPT)):
            assert await front.recall(record.id) is None
            await front.keep(record)
            assert await front.recall(record.id) == record
        assert await front.recall(record_id("another")) is None

    loop.run(scenario())


def test_law_f1_a_hint_is_recalled_as_it_was_written_and_dropped_when_told(front: Front, loop: asyncio.Runner) -> None:
    async def scenario() -> None:
        await front.hint(record_id("k"), HINT, SECOND)
        assert await front.recall(record_id("k")) == HINT
        await front.drop(record_id("k"))
        assert await front.recall(record_id("k")) is None

    loop.run(scenario())


def test_law_f2_a_hint_never_takes_the_place_of_a_copy_and_a_copy_takes_that_of_a_hint(
    front: Front, loop: asyncio.Runner
) -> None:
    async def scenario() -> None:
        await front.hint(record_id("k"), HINT, SECOND)
        await front.keep(completed())
        assert await front.recall(record_id("k")) == completed()
        await front.hint(record_id("k"), HINT, SECOND)
        assert await front.recall(record_id("k")) == completed()

    loop.run(scenario())


def test_laws_f2_and_f3_copies_and_hints_end_by_themselves(loop: asyncio.Runner) -> None:
    server = emptied("valkey")

    async def scenario() -> None:
        front = RedisFront.at(server.url)
        await front.join(DIGESTER)
        await front.hint(record_id("h"), HINT, SECOND)
        await front.keep(completed("k"))
        await front.keep(completed("over", replayed=-SECOND))
        assert await front.recall(record_id("over")) is None
        await front.close()

    loop.run(scenario())
    assert 0 < int(server.ask.pttl(PREFIX + record_id("h").digest)) <= 1000
    left = int(server.ask.pttl(PREFIX + record_id("k").digest))
    assert 3_590_000 < left <= 3_600_000


@pytest.mark.parametrize("at", range(0, 600, 7))
def test_law_f1_a_copy_with_a_flipped_bit_is_none(loop: asyncio.Runner, at: int) -> None:
    server = shared("valkey")
    key = PREFIX + record_id("k").digest

    async def scenario() -> None:
        front = RedisFront.at(server.url)
        await front.join(DIGESTER)
        await front.keep(completed())
        text = bytearray(bytes(server.ask.get(key)))  # type: ignore[arg-type]
        text[at % len(text)] ^= 1
        server.ask.set(key, bytes(text))
        assert await front.recall(record_id("k")) is None
        await front.close()

    server.ask.flushall()
    loop.run(scenario())


def test_law_f1_a_copy_of_another_key_or_another_secret_or_sealed_by_another_is_none(loop: asyncio.Runner) -> None:
    server = emptied("valkey")

    async def scenario() -> None:
        front = RedisFront.at(server.url, sealer=Sealer([b"one key of sixteen bytes"]))
        await front.join(DIGESTER)
        await front.keep(completed("k"))
        await front.hint(record_id("h"), HINT, SECOND)
        for key in ("k", "h"):
            text = server.ask.get(PREFIX + record_id(key).digest)
            assert isinstance(text, bytes)
            server.ask.set(PREFIX + record_id("other").digest, text)
            assert await front.recall(record_id("other")) is None
        other = RedisFront.at(server.url, sealer=Sealer([b"another key of many bytes"]))
        await other.join(DIGESTER)
        assert await other.recall(record_id("k")) is None
        assert await front.recall(record_id("k")) == completed("k")
        await other.close()
        await front.close()

    loop.run(scenario())


# F5


async def try_everything(front: Front) -> None:
    """What may come late, from a gateway that was paused while the record was forgotten."""
    await front.keep(completed())
    await front.hint(record_id("k"), HINT, SECOND)
    await front.drop(record_id("k"))
    await front.keep(completed())


@pytest.mark.parametrize("before", ["nothing", "a copy", "a hint"])
def test_law_f5_where_a_copy_was_erased_nothing_that_comes_late_takes_its_place(
    front: Front, loop: asyncio.Runner, before: str
) -> None:
    async def scenario() -> None:
        if before == "a copy":
            await front.keep(completed())
        elif before == "a hint":
            await front.hint(record_id("k"), HINT, SECOND)
        await front.erase(record_id("k"), completed().replay_until)
        assert await front.recall(record_id("k")) is None
        await try_everything(front)
        assert await front.recall(record_id("k")) is None
        await front.keep(completed("another"))
        assert await front.recall(record_id("another")) == completed("another")

    loop.run(scenario())


def test_law_f5_a_marker_whose_time_is_over_stands_in_nobodys_way(front: Front, loop: asyncio.Runner) -> None:
    async def scenario() -> None:
        await front.keep(completed())
        await front.erase(record_id("k"), datetime.now(UTC) - SECOND)
        assert await front.recall(record_id("k")) is None
        await front.keep(completed())
        assert await front.recall(record_id("k")) == completed()

    loop.run(scenario())


@pytest.mark.parametrize("binary", BINARIES)
def test_law_f5_a_marker_lasts_as_long_as_it_was_told_and_holds_nothing_of_the_answer(
    loop: asyncio.Runner, binary: str
) -> None:
    server = emptied(binary)

    async def scenario() -> None:
        front = RedisFront.at(server.url)
        await front.join(DIGESTER)
        await front.keep(completed())
        await front.erase(record_id("k"), completed().replay_until)
        await front.close()

    loop.run(scenario())
    key = PREFIX + record_id("k").digest
    text = server.ask.get(key)
    assert isinstance(text, bytes)
    assert len(text) == 34, "version, kind and tag"
    assert 3_590_000 < int(server.ask.pttl(key)) <= 3_600_000


@pytest.mark.parametrize("binary", BINARIES)
def test_law_f5_a_marker_of_another_key_or_a_damaged_one_erases_nothing(loop: asyncio.Runner, binary: str) -> None:
    server = emptied(binary)
    key = PREFIX + record_id("k").digest

    async def scenario() -> None:
        front = RedisFront.at(server.url)
        await front.join(DIGESTER)
        await front.erase(record_id("k"), completed().replay_until)
        await front.erase(record_id("other"), completed().replay_until)
        marker = bytes(server.ask.get(key))  # type: ignore[arg-type]
        others = bytes(server.ask.get(PREFIX + record_id("other").digest))  # type: ignore[arg-type]
        for stranger in (others, marker[:-1] + bytes([marker[-1] ^ 1])):
            server.ask.set(key, stranger)
            assert await front.recall(record_id("k")) is None
            await front.keep(completed())
            assert await front.recall(record_id("k")) == completed()
        await front.close()

    loop.run(scenario())


@pytest.mark.parametrize("binary", BINARIES)
def test_law_f5_a_full_redis_takes_no_copy_and_still_erases_one(loop: asyncio.Runner, binary: str) -> None:
    server = emptied(binary)

    async def scenario() -> None:
        front = RedisFront.at(server.url)
        await front.join(DIGESTER)
        await front.keep(completed())
        server.ask.config_set("maxmemory", "1")
        with pytest.raises(StoreUnavailable, match="no memory left"):
            await front.keep(completed("new"))
        await front.erase(record_id("k"), completed().replay_until)
        await front.drop(record_id("k"))
        server.ask.config_set("maxmemory", "0")
        await try_everything(front)
        assert await front.recall(record_id("k")) is None
        await front.close()

    try:
        loop.run(scenario())
    finally:
        server.ask.config_set("maxmemory", "0")


# F6


@pytest.mark.parametrize("binary", BINARIES.values(), ids=list(BINARIES))
def test_law_f6_a_server_is_one_incarnation_for_all_and_another_one_after_a_restart(
    loop: asyncio.Runner, binary: str
) -> None:
    port = unused_port()

    async def met(front: RedisFront) -> str:
        await front.ping()
        assert front.incarnation is not None
        return front.incarnation

    with running(binary, port=port) as server:
        one, other = RedisFront.at(server.url), RedisFront.at(server.url)
        assert one.incarnation is None
        first = loop.run(met(one))
        assert loop.run(met(other)) == first
        server.ask.client_kill_filter(_type="normal", skipme=True)
        assert loop.run(reconnected(lambda: met(other))) == first
    with running(binary, port=port):
        assert loop.run(reconnected(lambda: met(one))) != first
        loop.run(closed(one))
        loop.run(closed(other))


async def reconnected(meet: Callable[[], Awaitable[str]]) -> str:
    """What the first one says who hears that its line has ended, and then opens another."""
    while True:
        try:
            return await meet()
        except StoreUnavailable:
            await asyncio.sleep(0.01)


def test_law_f6_a_server_that_does_not_tell_its_id_is_another_one_each_time() -> None:
    assert incarnation_of(b"run_id:abc\r\n") == "abc"
    assert incarnation_of(b"redis_version:7.0.0\r\n") != incarnation_of(b"redis_version:7.0.0\r\n")


def test_a_redis_has_one_side_only(loop: asyncio.Runner) -> None:
    server = emptied("valkey")

    async def scenario() -> None:
        front, stranger = RedisFront.at(server.url), RedisFront.at(server.url)
        await front.join(DIGESTER)
        await front.join(DIGESTER)
        with pytest.raises(StoreUnfit, match="is marked as 'front of"):
            await stranger.join(Digester(b"another secret"))
        await stranger.join(Digester(b"another secret"), accept_change=True)
        with pytest.raises(StoreUnfit, match="is marked as 'front of"):
            await front.join(DIGESTER)
        with pytest.raises(StoreUnfit, match="must not grant claims too"):
            await RedisStore.open(server.url)
        await front.close()
        await stranger.close()
        server.ask.flushall()
        authority = await RedisStore.open(server.url)
        late = RedisFront.at(server.url)
        with pytest.raises(StoreUnfit, match="is marked as 'authority"):
            await late.join(DIGESTER, accept_change=True)
        await late.close()
        await authority.close()

    loop.run(scenario())


def test_law_f4_a_front_that_is_gone_says_so(loop: asyncio.Runner, unused_port: int) -> None:
    async def scenario() -> None:
        front = RedisFront.at(f"redis://127.0.0.1:{unused_port}/0")
        for asked in (front.join(DIGESTER), front.ping(), front.drop(record_id("k"))):
            with pytest.raises(StoreUnavailable):
                await asked
        await front.close()

    loop.run(scenario())
