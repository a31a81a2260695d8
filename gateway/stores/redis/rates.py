"""Counts that gateways share in a Redis: one trip a call, by the scripts of the library ``limits``.

On connections of its own, for those of a store wait for nobody. Nothing is tried twice: whoever asks counts by itself
where no answer comes. The counts end by themselves, and losing them lets a few calls more in, no more than that.
"""

from typing import Any

from limits import RateLimitItem
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.sentinel import Sentinel
from redis.exceptions import RedisError

from gateway.errors import StoreUnavailable
from gateway.stores.redis.address import Address, address_of
from gateway.stores.redis.connecting import arguments_of

# Beside the records and copies of a store that may be in the same Redis.
PREFIX = "ig:rate"

_MOST_CONNECTIONS = 64


class RedisRates:
    """A Redis, asked for nothing before the first count."""

    def __init__(self, url: str) -> None:
        self._pool, self._sentinels = _ways(address_of(url))
        # The pool alone says where the Redis is; the URL only which library to use.
        options: dict[str, Any] = {"connection_pool": self._pool}
        storage = RedisStorage("async+redis://", implementation="redispy", key_prefix=PREFIX, **options)
        self._limiter = SlidingWindowCounterRateLimiter(storage)

    async def hit(self, item: RateLimitItem, name: str) -> bool:
        """Counts one more."""
        try:
            return await self._limiter.hit(item, name)
        except (RedisError, OSError) as fault:
            raise StoreUnavailable(f"the Redis where rates are counted: {fault}") from fault

    async def close(self) -> None:
        """Closes every connection."""
        for pool in (self._pool, *self._sentinels):
            await pool.disconnect()


def _ways(address: Address) -> tuple[ConnectionPool, list[ConnectionPool]]:
    """Connections to the server, and those to the Sentinels that know where it is."""
    given: dict[str, Any] = {**arguments_of(address), "max_connections": _MOST_CONNECTIONS}
    if address.socket:
        return ConnectionPool(connection_class=UnixDomainSocketConnection, path=address.socket, **given), []
    if address.tls:
        given["ssl_ca_certs"] = address.ca
    if address.service is None:
        given["host"], given["port"] = address.hosts[0]
        return ConnectionPool(connection_class=SSLConnection if address.tls else Connection, **given), []
    return _behind_sentinels(address, address.service, given)


def _behind_sentinels(
    address: Address, service: str, given: dict[str, Any]
) -> tuple[ConnectionPool, list[ConnectionPool]]:
    asked = arguments_of(address, sentinel=True)
    if address.tls:
        asked |= {"ssl": True, "ssl_ca_certs": address.ca}
        given |= {"ssl": True}
    sentinel = Sentinel(address.hosts, sentinel_kwargs=asked, **given)  # type: ignore[no-untyped-call]  # theirs
    pool: ConnectionPool = sentinel.master_for(service).connection_pool
    return pool, [each.connection_pool for each in sentinel.sentinels]
