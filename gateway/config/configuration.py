"""The configuration as the gateway is built from it: frozen values of the core, nothing left to parse."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Literal

from gateway.config.otlp import Otlp
from gateway.config.units import Address
from gateway.policies.callers import Entry, Limits
from gateway.policies.downstream import Downstream
from gateway.policies.routing import RouteTable, Tls
from gateway.policies.tokens import Tokens

DEFAULT_STORE = "idempotency-gateway.db"


@dataclass(frozen=True, slots=True)
class StoreChoice:
    """Which authority, for ``sqlite`` which file, and for a server its URL, which may hold a password.

    ``front``: the URL of a Redis in front of ``postgres``; empty for none.
    """

    kind: Literal["memory", "sqlite", "postgres", "redis"] = "sqlite"
    path: str = DEFAULT_STORE
    url: str = field(default="", repr=False)
    front: str = field(default="", repr=False)


class Role(StrEnum):
    """What an operator may do: see records, or decide on them too."""

    READ = "read"
    SETTLE = "settle"


@dataclass(frozen=True, slots=True)
class AdminToken:
    """An operator, or a program of theirs: the name that histories show, what it may do, the secret that it sends, and
    the file, if any, that holds it."""

    name: str
    role: Role
    secret: bytes = field(repr=False)
    file: str | None = None


@dataclass(frozen=True, slots=True)
class ReplayCache:
    """Replayed answers kept in each process: so many bytes in all, each for so long. ``0`` bytes: none."""

    max_bytes: int
    max_age: timedelta


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that an operator decided."""

    listen: Address
    listen_tls: Tls | None
    admin_listen: Address
    admin_tokens: tuple[AdminToken, ...]
    downstream: Downstream
    # None: whoever can reach the gateway may call.
    entry: Entry | None
    limits: Limits
    store: StoreChoice
    replay_cache: ReplayCache
    # ``None`` in the place of a key: the one that the store makes and keeps.
    digest_keys: tuple[bytes | None, ...] = field(repr=False)
    encryption_keys: tuple[bytes, ...] = field(repr=False)
    shutdown_grace: timedelta
    shutdown_delay: timedelta
    # Not shown: a header that a route sets upstream is often a credential.
    routes: RouteTable = field(repr=False)
    problem_base_url: str | None
    public_url: str | None
    workers: int
    log_format: Literal["json", "console"] | None
    log_level: str
    otlp: Otlp = field(default_factory=Otlp)
    log_sample: float = 0.0
    log_most: int = 20
    # None: nobody shows a token.
    tokens: Tokens | None = None
