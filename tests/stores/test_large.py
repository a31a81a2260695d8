"""What is done with the bytes of a large answer is done in a thread, on every store that writes them; of a small one it
is not, for there and back would take longer."""

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.protocol.model import Complete, Granted, RecordId, Replay, Settled
from gateway.stores.large import LARGE
from gateway.stores.sealing import Sealer
from tests.postgres import Servers
from tests.redis_servers import shared
from tests.stores.backends import Backend, PostgresBackend, RedisBackend, SqliteBackend, TieredServers
from tests.stores.requests import ANSWER, claim


class Watched(Sealer):
    """Knows who seals and opens: whether that was the thread in which it was made, where the loop runs."""

    def __init__(self) -> None:
        super().__init__([b"the key of the records"])
        self._loops = threading.get_ident()
        self.on_the_loop: list[bool] = []

    def seal(
        self, record_id: RecordId, fence: int, head: bytes, body: bytes | None, nonce: bytes
    ) -> tuple[bytes, bytes | None]:
        self.on_the_loop.append(threading.get_ident() == self._loops)
        return super().seal(record_id, fence, head, body, nonce)

    def open(self, record_id: RecordId, fence: int, head: bytes, body: bytes | None) -> tuple[bytes, bytes | None]:
        self.on_the_loop.append(threading.get_ident() == self._loops)
        return super().open(record_id, fence, head, body)


@pytest.fixture(params=["sqlite", "postgres", "redis", "tiered"])
def opened(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[tuple[Backend, Watched]]:
    sealer = Watched()
    with ExitStack() as stack:
        match request.param:
            case "sqlite":
                yield SqliteBackend(tmp_path / "gateway.db", sealer), sealer
            case "redis":
                yield RedisBackend(shared("valkey"), sealer), sealer
            case kind:
                server = servers.get()
                authority = PostgresBackend(server, stack.enter_context(server.database()), sealer)
                redis = shared("valkey")
                yield authority if kind == "postgres" else TieredServers(authority, redis, redis.url), sealer


def played(backend: Backend, body: bytes) -> None:
    async def play() -> None:
        store = await backend.open()
        try:
            granted = await store.claim(claim("key"))
            assert isinstance(granted, Granted)
            answer = replace(ANSWER, body=body)
            assert isinstance(await store.settle(granted.grant, Complete(answer)), Settled)
            replayed = await store.claim(claim("key"))
            assert isinstance(replayed, Replay)
            assert replayed.response == answer
        finally:
            await store.close()

    asyncio.run(play())


def test_a_large_answer_is_sealed_and_opened_beside_the_loop(opened: tuple[Backend, Watched]) -> None:
    backend, sealer = opened
    # Chance does not become smaller.
    played(backend, os.urandom(LARGE))
    assert len(sealer.on_the_loop) >= 2
    assert not any(sealer.on_the_loop)


def test_a_small_one_is_not_sent_there(opened: tuple[Backend, Watched]) -> None:
    backend, sealer = opened
    played(backend, b"charged")
    assert len(sealer.on_the_loop) >= 2
    # All that is done on a SQLite file is done in a thread.
    assert set(sealer.on_the_loop) == {not isinstance(backend, SqliteBackend)}
