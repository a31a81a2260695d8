"""One connection to the server that an address means, shaken hands with, never retried.

Knows redis-py's connections, Sentinels and TLS. Refuses to send anything twice: redis-py's own retries and health
checks are switched off, so that a command goes out exactly as often as the store asked (a claim that redis-py repeats
by itself would find its own first attempt in its way).
"""

import asyncio
from contextlib import suppress
from typing import Any

from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway.stores.redis.address import Address, Credentials
from gateway.stores.redis.faults import NoReply, Refused, translated

# One of several Sentinels may be silent, and there must be time for the others.
_SENTINEL_PATIENCE = 0.3
_GOOD_BYE = 0.5


async def connect(address: Address) -> AbstractConnection:
    """A new connection; a fault of ``StoreUnavailable``'s kind where there is none. Whoever asks bounds its time."""
    if address.socket:
        return await _open(UnixDomainSocketConnection(path=address.socket, **arguments_of(address)))
    if address.service is None:
        return await _open(_tcp(*address.hosts[0], address, arguments_of(address)))
    connection = await _open(_tcp(*await _master(address), address, arguments_of(address)))
    if (await _asked(connection, "ROLE"))[0] != b"master":
        await hang_up(connection)
        raise NoReply("the Sentinels name a Redis that is no master (any more)")
    return connection


async def hang_up(connection: AbstractConnection) -> None:
    """Closes the connection; a TLS peer that does not say good-bye is not waited for long."""
    with suppress(TimeoutError, RedisError, OSError):
        async with asyncio.timeout(_GOOD_BYE):
            await connection.disconnect()


def arguments_of(address: Address, *, sentinel: bool = False) -> dict[str, Any]:
    """What every connection to the server, or to one of its Sentinels, is made with."""
    if sentinel:
        return _plain(address.sentinel_credentials)
    return _plain(address.credentials) | {"db": address.db}


def _plain(credentials: Credentials) -> dict[str, Any]:
    return {
        "username": credentials.username,
        "password": credentials.password,
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 0,
        "socket_timeout": None,
        "socket_connect_timeout": None,
        "protocol": 2,
        # It would cost a command on each connection to tell the server the library's name.
        "driver_info": None,
    }


def _tcp(host: str, port: int, address: Address, arguments: dict[str, Any]) -> AbstractConnection:
    if address.tls:
        return SSLConnection(host=host, port=port, ssl_ca_certs=address.ca, **arguments)
    return Connection(host=host, port=port, **arguments)


async def _open(connection: AbstractConnection) -> AbstractConnection:
    try:
        await connection.connect()  # type: ignore[no-untyped-call]  # theirs
    except (RedisError, OSError) as error:
        raise translated(error) from error
    except BaseException:
        await hang_up(connection)
        raise
    return connection


async def _asked(connection: AbstractConnection, *words: str) -> Any:  # noqa: ANN401 - any reply
    """The reply to one command; without one the connection is closed."""
    try:
        await connection.send_command(*words)
        return await connection.read_response()
    except (RedisError, OSError) as error:
        await hang_up(connection)
        raise translated(error) from error


async def _master(address: Address) -> tuple[str, int]:
    """Where the master of the service is, by the first Sentinel that knows it."""
    refused: Refused | None = None
    for host, port in address.hosts:
        try:
            async with asyncio.timeout(_SENTINEL_PATIENCE):
                found = await _ask_sentinel(host, port, address)
        except Refused as fault:
            refused = fault
        except (TimeoutError, NoReply):
            continue
        else:
            if found is not None:
                return found
    raise refused or NoReply(f"no Sentinel knows the master of {address.service}")


async def _ask_sentinel(host: str, port: int, address: Address) -> tuple[str, int] | None:
    sentinel = await _open(_tcp(host, port, address, _plain(address.sentinel_credentials)))
    reply = await _asked(sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", str(address.service))
    await hang_up(sentinel)
    return (reply[0].decode(), int(reply[1])) if reply else None
