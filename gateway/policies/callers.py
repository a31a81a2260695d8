"""Who may call: what an operator says of each caller, and what follows from it for one call.

Values and decisions. Refuses to know how a key or a token is read, where rates are counted, and what time it is.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.protocol import problems
from gateway.protocol.problems import Problem

# 128 bits of chance in base64 take 22 characters, in hexadecimal 32: what is shorter can be guessed.
SHORTEST_KEY = 22


_DIGEST = re.compile(rb"sha256:([0-9a-fA-F]{64})")

# SHA-256 of nothing: what a script writes whose key was empty.
_OF_NOTHING = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")


def read_digests(text: bytes) -> frozenset[bytes]:
    """The digests of keys, one a line as ``sha256:HEX``; none of an empty text. ``ValueError`` where a line is none."""
    found = [_DIGEST.fullmatch(line.strip()) for line in text.splitlines() if line.strip()]
    digests = frozenset(bytes.fromhex(each[1].decode()) for each in found if each)
    if not all(found):
        raise ValueError("must be sha256: and 64 hexadecimal digits, as idempotency-gateway caller-key prints it")
    if _OF_NOTHING in digests:
        raise ValueError("is the digest of an empty key; make one with: idempotency-gateway caller-key --name NAME")
    return digests


class Need(StrEnum):
    """What a route asks of those who call it: to be known, to be known if they say who they are, or nothing."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in so long; ``seconds``: 1, 60 or 3600."""

    amount: int
    seconds: int

    @property
    def pause(self) -> int:
        """Seconds until another may be let in, where there were as many as may be."""
        return max(1, math.ceil(self.seconds / self.amount))


@dataclass(frozen=True, slots=True)
class Quotas:
    """What one caller may take; ``None``: as much as there is. ``calls``: in flight, on all routes together;
    ``stored_keys``: held at a time, in the store."""

    calls: int | None = None
    rate: Rate | None = None
    stored_keys: int | None = None


@dataclass(frozen=True, slots=True)
class KnownCaller:
    """A caller whom the gateway knows. ``identity`` is what a scope is made of: how they showed who they are, and
    their name. ``label``: for metrics. ``routes``: the names of those they may use, ``None``: all."""

    identity: bytes
    label: str
    routes: frozenset[str] | None = None
    quotas: Quotas = field(default_factory=Quotas)


@dataclass(frozen=True, slots=True)
class CallerKeys:
    """A caller, and the SHA-256 digests of their keys: those that are written down, and files with one a line."""

    caller: KnownCaller
    digests: frozenset[bytes] = field(default=frozenset(), repr=False)
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """How callers say who they are, those with tokens apart. ``keys``: those who have keys, sent in ``header``, a
    lower-case field name."""

    header: str = "x-gateway-key"
    keys: Sequence[CallerKeys] = ()

    @property
    def credentials(self) -> frozenset[str]:
        """The fields that end at the gateway, in lower case."""
        return frozenset({self.header})


@dataclass(frozen=True, slots=True)
class Limits:
    """``refusals``: how many answers 409 and 422 one caller may collect. ``redis``: the URL of a Redis where rates are
    counted for all gateways together; empty: each process counts its own."""

    refusals: Rate | None = None
    redis: str = field(default="", repr=False)


def with_key(name: str, routes: frozenset[str] | None, quotas: Quotas) -> KnownCaller:
    """A configured caller."""
    return KnownCaller(b"key/" + name.encode(), name, routes, quotas)


def may_use(caller: KnownCaller, route: str) -> Problem | None:
    """Why not, or ``None``."""
    return None if caller.routes is None or route in caller.routes else problems.route_forbidden()
