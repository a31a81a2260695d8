"""Laws of a Redis store's start: what cannot keep the promise is refused in one sentence, however it is reached."""

import asyncio
import ssl
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import trustme

from gateway.errors import StoreUnavailable, StoreUnfit
from gateway.protocol.model import Busy, Complete, Granted
from gateway.stores.redis.address import Address, Credentials, address_of
from gateway.stores.redis.fitness import NO_FILE, examine
from gateway.stores.redis.store import RedisStore
from tests.faultproxy import proxying
from tests.redis_servers import BINARIES, VALKEY, RedisServer, answering, eventually, running, unused_port
from tests.stores.backends import RedisBackend
from tests.stores.requests import ANSWER, claim


async def _serves(url: str) -> tuple[str, ...]:
    """Claims and settles once; what the store's cautions are."""
    store = await RedisStore.open(url)
    try:
        await store.digest_keys([None])
        verdict = await store.claim(claim("k"))
        assert isinstance(verdict, Granted)
        await store.settle(verdict.grant, Complete(ANSWER))
        await store.ping()
        return store.cautions
    finally:
        await store.close()


def serves(url: str) -> tuple[str, ...]:
    return asyncio.run(_serves(url))


def refusal(url: str) -> str:
    with pytest.raises(StoreUnfit) as refused:
        asyncio.run(RedisStore.open(url))
    return str(refused.value)


@pytest.fixture(params=BINARIES.values(), ids=list(BINARIES))
def binary(request: pytest.FixtureRequest) -> str:
    path: str = request.param
    return path


POLICIES = (
    *("allkeys-lru", "allkeys-lfu", "allkeys-random"),
    *("volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"),
)


@pytest.fixture
def evicting(server: RedisServer) -> Iterator[RedisServer]:
    yield server
    server.ask.config_set("maxmemory-policy", "noeviction")


@pytest.mark.parametrize("policy", POLICIES)
def test_a_redis_that_may_evict_is_refused(evicting: RedisServer, policy: str) -> None:
    evicting.ask.config_set("maxmemory-policy", policy)
    assert f"maxmemory-policy is {policy}" in refusal(evicting.url)
    assert list(evicting.ask.scan_iter("*")) == [], "nothing is written to a server that was refused"


def test_a_replica_is_refused(binary: str) -> None:
    with running(binary) as master, running(binary) as replica:
        replica.ask.replicaof("127.0.0.1", str(master.port))
        assert "is a replica" in refusal(replica.url)


def test_a_cluster_is_refused(binary: str) -> None:
    with running(binary, "--cluster-enabled", "yes", "--cluster-port", str(unused_port()), "--save", "") as server:
        assert "Redis Cluster" in refusal(server.url)


FIT = {"redis_version": "7.0.0", "redis_mode": "standalone", "role": "master", "maxmemory_policy": "noeviction"}


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"redis_version": "6.2.14"}, "Redis 6.2.14: use Redis 7.0"),
        ({"redis_version": ""}, "use Redis 7.0"),
        ({"redis_mode": "cluster"}, "Redis Cluster"),
        ({"redis_mode": "sentinel"}, "a Sentinel"),
        ({"redis_mode": "", "server_mode": "sentinel"}, "a Sentinel"),
        ({"role": "slave"}, "a replica"),
        ({"maxmemory_policy": "volatile-ttl"}, "volatile-ttl"),
        ({"maxmemory_policy": ""}, "not told"),
    ],
)
def test_what_a_server_tells_of_itself_decides(told: dict[str, str], sentence: str) -> None:
    assert examine(FIT) == (NO_FILE,)
    assert examine(FIT | {"redis_version": "10.1.0", "aof_enabled": "1"}) == ()
    with pytest.raises(StoreUnfit, match=sentence):
        examine(FIT | told)


def test_a_redis_that_is_a_front_elsewhere_is_refused(server: RedisServer) -> None:
    server.ask.set("ig:role", "front of 00ff")
    assert "marked as 'front of 00ff'" in refusal(server.url)


def test_an_authority_keeps_its_marker_for_all_who_come(server: RedisServer) -> None:
    serves(server.url)
    marker = server.ask.get("ig:role")
    assert isinstance(marker, bytes)
    assert marker.startswith(b"authority ")
    asyncio.run(_close_at_once(server.url))
    assert server.ask.get("ig:role") == marker


async def _close_at_once(url: str) -> None:
    await (await RedisStore.open(url)).close()


def test_a_redis_without_an_append_only_file_is_cautioned_against_and_serves(binary: str) -> None:
    with running(binary, "--save", "", "--appendonly", "yes") as lasting, running(binary) as forgetful:
        assert serves(lasting.url) == ()
        assert serves(forgetful.url) == (NO_FILE,)


def test_a_wrong_password_is_refused_and_told_nowhere(server: RedisServer) -> None:
    server.ask.acl_setuser("shop", enabled=True, reset=True, passwords=["+right"], keys=["*"], commands=["+@all"])
    serves(f"redis://shop:right@127.0.0.1:{server.port}")
    said = refusal(f"redis://shop:canary@127.0.0.1:{server.port}")
    assert "refuses the user or password" in said
    assert "canary" not in said


def test_a_user_who_may_do_no_more_than_it_needs_will_do_and_one_who_may_less_is_refused(
    backend: RedisBackend,
) -> None:
    serves(backend.url)
    backend.server.ask.acl_setuser("bench", enabled=True, commands=["-info"])
    assert "does not let this user" in refusal(backend.url)


def test_a_redis_that_does_not_answer_is_unavailable_in_time(unused_port: int) -> None:
    with pytest.raises(StoreUnavailable):
        asyncio.run(RedisStore.open(f"redis://127.0.0.1:{unused_port}", deadline=timedelta(seconds=0.3)))


def test_tls_believes_the_named_authority_and_no_other(server: RedisServer, tmp_path: Path) -> None:
    authority, other = trustme.CA(), trustme.CA()
    for name, ca in (("ca", authority), ("other", other)):
        ca.cert_pem.write_to_path(tmp_path / f"{name}.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with proxying(server.port, tls=context) as proxy:
        url = f"rediss://127.0.0.1:{proxy.port}/3"
        serves(f"{url}?ca={tmp_path}/ca.pem")
        assert server.ask.info("keyspace")["db3"]["keys"] > 0
        for stranger in (f"{url}?ca={tmp_path}/other.pem", url):
            assert "certificate" in refusal(stranger)


def test_a_socket_will_do(binary: str, tmp_path: Path) -> None:
    path = tmp_path / "the redis.sock"
    with running(binary, "--unixsocket", str(path), "--save", ""):
        serves(f"redis+unix://{str(path).replace(' ', '%20')}")


@contextmanager
def sentinel_of(binary: str, master: RedisServer, folder: Path) -> Generator[RedisServer]:
    """A Sentinel that watches ``master`` as ``shop``, and decides alone."""
    port, file = unused_port(), folder / "sentinel.conf"
    watch = f"sentinel monitor shop 127.0.0.1 {master.port} 1\nsentinel failover-timeout shop 2000\n"
    file.write_text(f"port {port}\ndir {folder}\n{watch}")
    process = subprocess.Popen([binary, str(file), "--sentinel"], stdout=subprocess.DEVNULL)
    try:
        sentinel = RedisServer(process, port, answering(process, port))
        yield sentinel
        sentinel.ask.close()
    finally:
        process.kill()
        process.wait()


def test_sentinels_lead_to_the_master(binary: str, tmp_path: Path) -> None:
    with running(binary) as master, sentinel_of(binary, master, tmp_path) as sentinel:
        url = f"redis+sentinel://127.0.0.1:{unused_port()},127.0.0.1:{sentinel.port}/shop"
        serves(url)
        assert master.ask.exists("ig:role")
        assert "a Sentinel" in refusal(f"redis://127.0.0.1:{sentinel.port}")
        with pytest.raises(StoreUnavailable, match="no Sentinel knows the master of other"):
            asyncio.run(RedisStore.open(url.replace("shop", "other"), deadline=timedelta(seconds=0.5)))


def test_a_store_behind_sentinels_follows_a_failover_and_loses_nothing_that_was_replicated(
    tmp_path: Path,
) -> None:
    async def calls(sentinel: RedisServer, old: RedisServer, new: RedisServer) -> None:
        store = await RedisStore.open(
            f"redis+sentinel://127.0.0.1:{sentinel.port}/shop", deadline=timedelta(seconds=30)
        )
        await store.digest_keys([None])
        assert isinstance(await store.claim(claim("k")), Granted)
        assert old.ask.wait(1, 20_000) == 1
        sentinel.ask.sentinel_failover("shop")
        await asyncio.to_thread(eventually, lambda: new.ask.role()[0] == b"master")
        await asyncio.to_thread(eventually, lambda: old.ask.role()[0] == b"slave")
        assert isinstance(await store.claim(claim("k")), Busy)
        assert isinstance(await store.claim(claim("new")), Granted)
        assert new.ask.zcard("ig:in-flight") == 2
        await store.close()

    with running(VALKEY) as one, running(VALKEY) as two:
        two.ask.replicaof("127.0.0.1", str(one.port))
        eventually(lambda: one.ask.info("replication")["connected_slaves"] == 1)
        with sentinel_of(VALKEY, one, tmp_path) as sentinel:
            eventually(lambda: len(sentinel.ask.sentinel_slaves("shop")) == 1)
            asyncio.run(calls(sentinel, one, two))


@pytest.mark.parametrize(
    ("url", "address", "shown"),
    [
        ("redis://r", Address((("r", 6379),)), "redis r:6379 db 0"),
        ("redis://r:7/2", Address((("r", 7),), db=2), "redis r:7 db 2"),
        (
            "redis://shop:p%40ss%2F@r",
            Address((("r", 6379),), credentials=Credentials("shop", "p@ss/")),
            "redis r:6379 db 0",
        ),
        ("redis://:p@r", Address((("r", 6379),), credentials=Credentials(None, "p")), "redis r:6379 db 0"),
        ("rediss://[::1]:7?ca=/ca", Address((("::1", 7),), tls=True, ca="/ca"), "redis [::1]:7 db 0 over TLS"),
        (
            "redis+sentinel://u:p@a,b:7/shop/1?sentinel_password=s",
            Address(
                (("a", 26379), ("b", 7)),
                "shop",
                db=1,
                credentials=Credentials("u", "p"),
                sentinel_credentials=Credentials(None, "s"),
            ),
            "redis a:26379,b:7 service shop db 1",
        ),
        ("redis+unix:///run/r.sock?db=4", Address(socket="/run/r.sock", db=4), "redis /run/r.sock db 4"),
    ],
)
def test_a_url_is_one_address_and_shows_no_credentials(url: str, address: Address, shown: str) -> None:
    assert address_of(url) == address
    assert address.shown == shown
    for secret in ("p@ss", "'p'", "'s'"):
        assert secret not in repr(address)


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis://canary@",
        "redis://r:canary",
        "redis://r:0",
        "redis://r:70000",
        "redis://a,b",
        "redis://r/canary",
        "redis://r/1/2",
        "redis://r#canary",
        "redis://r?canary=1",
        "redis://r?canary",
        "redis://r?ca=/canary",
        "redis+sentinel://r",
        "redis+sentinel://r/shop/x",
        "redis+unix://host/path",
        "redis+unix://",
        "http://canary",
        "redis://[canary",
    ],
)
def test_a_url_that_means_nothing_is_refused_in_one_sentence_without_its_text(url: str) -> None:
    with pytest.raises(StoreUnfit) as refused:
        address_of(url)
    said = str(refused.value)
    assert said.startswith("the store's URL ")
    assert "canary" not in said.replace("means nothing here: canary", "")
