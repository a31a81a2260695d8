"""Foreign errors become faults here, at the seam, by a table, and nowhere else.

Refuses to pass on what a server or a library wrote: it may quote a command, and with it what a caller sent. The table's
sentences say what the operator may do; what is not in it is told by its code alone.
"""

from collections.abc import Mapping
from ssl import SSLCertVerificationError

from redis.exceptions import BusyLoadingError, RedisError, ResponseError

from gateway.errors import GatewayError, RecordUnreadable, StoreUnavailable

# The commands of the store and of its scripts, as an ACL names them; ``role`` only behind Sentinels.
PERMISSIONS = (
    *("evalsha", "script|load", "info", "role", "select", "time", "scan"),
    *("get", "set", "getrange", "exists", "del", "hget", "hset", "hsetnx"),
    *("zadd", "zrem", "zcard", "zcount", "zscore", "zrange", "zrangebyscore", "zrevrangebyscore"),
    *("publish", "subscribe", "unsubscribe"),
)

# By the code that begins the server's answer.
SENTENCES: Mapping[str, str] = {
    "BUSY": "the Redis is busy with somebody's script",
    "CLUSTERDOWN": "the Redis is part of a cluster that is down",
    "EMPTIED": "this is not the Redis that the gateway started with: it was emptied or replaced, so that nothing can "
    "be known of earlier calls; restart the gateway to accept that",
    "LOADING": "the Redis is loading its records",
    "MASTERDOWN": "the Redis is a replica, and its master is down",
    "MISCONF": "the Redis cannot write its snapshot to the disk, and so takes no writes",
    "NOAUTH": "the Redis asks for a password",
    "NOPERM": "the Redis does not let this user do what the store needs: the keys ~ig:*, the channels &ig:* and "
    f"{' '.join(PERMISSIONS)}",
    "NOREPLICAS": "the Redis takes no writes with so few replicas",
    "NOSCRIPT": "the Redis forgot its scripts",
    "OOM": "the Redis has no memory left: raise maxmemory, or shorten retention",
    "READONLY": "the Redis is a replica",
    "WRONGPASS": "the Redis refuses the user or password",
}

# After these the connection is of no use: another may lead elsewhere, and brings its scripts with it.
_ENDS_CONNECTION = frozenset({"LOADING", "MASTERDOWN", "NOSCRIPT", "READONLY"})

# What an operator has to mend before a start can succeed.
_REFUSALS = frozenset({"NOAUTH", "NOPERM", "WRONGPASS"})


class NoReply(StoreUnavailable):
    """Nobody knows whether the command was executed, or another server may execute it: it may be asked again."""

    def __init__(self, message: str, *, unsure: bool = True) -> None:
        super().__init__(message, unsure=unsure)


class Refused(StoreUnavailable):
    """The server does not let this user in; only the operator can mend that."""


def translated(error: Exception) -> GatewayError:
    """The fault that a foreign error is to whoever asked; nothing may be concluded from it."""
    code = code_of(error)
    if isinstance(error.__context__, SSLCertVerificationError):
        return Refused("the certificate of the Redis is not to be trusted: name its authority as ?ca=/path.pem")
    if code == "WRONGTYPE":
        return RecordUnreadable("a key of the store holds something that no gateway wrote")
    if code in _REFUSALS:
        return Refused(SENTENCES[code])
    if ends_connection(error):
        return NoReply(SENTENCES.get(code, "the Redis does not answer"))
    return StoreUnavailable(SENTENCES.get(code, f"the Redis did not do as it was asked: {code[:40]!r}"))


def ends_connection(error: Exception) -> bool:
    """Whether nothing more is to be asked on the connection that brought this answer."""
    return not isinstance(error, ResponseError) or code_of(error) in _ENDS_CONNECTION


def code_of(error: Exception) -> str:
    """The code of a server's answer; empty where it is none."""
    if isinstance(error, BusyLoadingError):
        return "LOADING"
    known = getattr(error, "status_code", None) if isinstance(error, RedisError) else None
    if isinstance(known, str) and known:
        return known
    return str(error).partition(" ")[0] if isinstance(error, ResponseError) else ""
