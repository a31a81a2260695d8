"""The ways to the Redis where rates are counted: over TLS, by a socket, by Sentinels, as a store goes."""

import asyncio
import ssl
from pathlib import Path

import trustme

from gateway.stores.redis.rates import RedisRates
from tests.faultproxy import proxying
from tests.redis_servers import VALKEY, running, unused_port
from tests.stores.test_rates import hits
from tests.stores.test_redis_start import sentinel_of


def counts(url: str) -> bool:
    """Whether a call is counted there."""

    async def play() -> int:
        rates = RedisRates(url)
        try:
            return await hits(rates, 1)
        finally:
            await rates.close()

    return asyncio.run(play()) == 1


def test_rates_are_counted_over_tls_by_a_socket_and_behind_sentinels(tmp_path: Path) -> None:
    authority, path = trustme.CA(), tmp_path / "redis.sock"
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with running(VALKEY, "--unixsocket", str(path), "--save", "") as server:
        with proxying(server.port, tls=context) as proxy:
            assert counts(f"rediss://127.0.0.1:{proxy.port}/3?ca={tmp_path}/ca.pem")
        assert counts(f"redis+unix://{path}?db=4")
        with sentinel_of(VALKEY, server, tmp_path) as sentinel:
            assert counts(f"redis+sentinel://127.0.0.1:{unused_port()},127.0.0.1:{sentinel.port}/shop/5")
        assert set(server.ask.info("keyspace")) == {"db3", "db4", "db5"}
