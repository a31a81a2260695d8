"""Where a Redis is, from its URL: one server, a socket, or a name that Sentinels know.

Knows the URL's forms. Refuses to repeat one: it may hold a password, which shows in no sentence and no ``repr``.

::

    redis://[USER:PASSWORD@]HOST[:PORT][/DB]             rediss:// the same over TLS
    redis+sentinel://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]…]/SERVICE[/DB]        rediss+sentinel:// likewise
    redis+unix://[USER:PASSWORD@]/path/of/the.sock[?db=DB]

With TLS, ``?ca=/path.pem`` names authorities instead of the system's. The user and password are those of the servers;
``sentinel_username`` and ``sentinel_password`` are for Sentinels that ask for their own.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from gateway.errors import StoreUnfit

_SCHEMES = ("redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+unix")
_PORT, _SENTINEL_PORT = 6379, 26379
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and a password; without a user it is the server's default one."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Address:
    """One of three ways to reach a server: ``hosts`` alone, ``hosts`` that are Sentinels of ``service``, ``socket``."""

    hosts: tuple[tuple[str, int], ...] = ()
    service: str | None = None
    socket: str | None = None
    db: int = 0
    tls: bool = False
    ca: str | None = None
    credentials: Credentials = Credentials()
    sentinel_credentials: Credentials = Credentials()

    @property
    def shown(self) -> str:
        """For people: everything but credentials."""
        if self.socket:
            return f"redis {self.socket} db {self.db}"
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        service = f" service {self.service}" if self.service else ""
        return f"redis {hosts}{service} db {self.db}{' over TLS' if self.tls else ''}"


def address_of(url: str) -> Address:
    """The address that a URL names; ``StoreUnfit`` with what is wrong where it names none."""
    try:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise _unfit("cannot be read: write redis://HOST:PORT/DB") from None
    if parts.scheme not in _SCHEMES:
        raise _unfit(f"must begin with one of {', '.join(f'{scheme}://' for scheme in _SCHEMES)}")
    if parts.fragment:
        raise _unfit("must not have a fragment; write '#' in a password as %23")
    tls = parts.scheme.startswith("rediss")
    socket, service, db = _places(parts, query)
    address = Address(
        hosts=() if socket else _hosts(parts, _SENTINEL_PORT if service else _PORT),
        service=service,
        socket=socket,
        db=_db(db),
        tls=tls,
        ca=query.pop("ca", None) if tls else None,
        credentials=_credentials(parts),
        sentinel_credentials=_sentinel_credentials(query) if service else Credentials(),
    )
    if query:
        raise _unfit(f"has a query that means nothing here: {', '.join(sorted(query))}")
    return address


def _places(parts: SplitResult, query: dict[str, str]) -> tuple[str | None, str | None, str]:
    """Socket, service and database number, by the scheme's form of a path."""
    if parts.scheme == "redis+unix":
        if not parts.path.strip("/") or parts.netloc.rpartition("@")[2]:
            raise _unfit("names no socket: write redis+unix:///path/of/the.sock")
        return unquote(parts.path), None, query.pop("db", "0")
    steps = parts.path.strip("/").split("/") if parts.path.strip("/") else []
    if parts.scheme.endswith("+sentinel"):
        if not 1 <= len(steps) <= 2:
            raise _unfit("names no service: write redis+sentinel://HOST,HOST/SERVICE/DB")
        return None, unquote(steps[0]), steps[1] if len(steps) == 2 else "0"
    if len(steps) > 1:
        raise _unfit("has a path that is no database number: write redis://HOST:PORT/DB")
    return None, None, steps[0] if steps else "0"


def _hosts(parts: SplitResult, port: int) -> tuple[tuple[str, int], ...]:
    names = parts.netloc.rpartition("@")[2].split(",")
    if len(names) > 1 and not parts.scheme.endswith("+sentinel"):
        raise _unfit("names several hosts: only Sentinels are several; write redis+sentinel://HOST,HOST/SERVICE/DB")
    hosts: list[tuple[str, int]] = []
    for name in names:
        found = _HOST.fullmatch(name)
        if found is None or not 0 < int(found[2] or port) < 65536:
            raise _unfit("has a host or port that is none: write redis://HOST:PORT/DB")
        hosts.append((found[1].strip("[]"), int(found[2] or port)))
    return tuple(hosts)


def _db(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text):
        raise _unfit("has a path that is no database number: write redis://HOST:PORT/DB")
    return int(text)


def _credentials(parts: SplitResult) -> Credentials:
    username, _, password = parts.netloc.rpartition("@")[0].partition(":")
    return Credentials(unquote(username) or None, unquote(password) or None)


def _sentinel_credentials(query: dict[str, str]) -> Credentials:
    return Credentials(query.pop("sentinel_username", None), query.pop("sentinel_password", None))


def _unfit(sentence: str) -> StoreUnfit:
    return StoreUnfit(f"the store's URL {sentence}")
