"""Tokens of callers (JSON Web Tokens, RFC 7519): what an operator says of them, and whom one names.

Values and decisions. Refuses to know how a token is verified, where keys come from, and what time it is.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from gateway.policies.callers import KnownCaller, Quotas
from gateway.policies.routing import Target

# Of every caller by a token who has no entry of their own: a label of metrics must not be anybody's to choose, and this
# one is no name that ``callers`` could have.
BY_TOKEN = "(token)"  # noqa: S105 - a label

# Each with the kind of key that it is for, as a JSON Web Key says it (RFC 7518, section 6.1; RFC 8037): ``kty``, and
# the curve. An algorithm with a shared secret is none of them: it would take a public key for the secret.
ALGORITHMS: Mapping[str, tuple[str, str]] = {
    "RS256": ("RSA", ""),
    "RS384": ("RSA", ""),
    "RS512": ("RSA", ""),
    "PS256": ("RSA", ""),
    "PS384": ("RSA", ""),
    "PS512": ("RSA", ""),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}


class TokenFault(StrEnum):
    """Why a token names nobody; the reasons of a metric."""

    MALFORMED = "token-malformed"
    TOO_LONG = "token-too-long"
    ALGORITHM = "token-algorithm"
    KEY = "token-key"
    SIGNATURE = "token-signature"
    EXPIRED = "token-expired"
    EARLY = "token-early"
    ISSUER = "token-issuer"
    AUDIENCE = "token-audience"
    CLAIM = "token-claim"
    # Nothing is known against it: the keys by which it could be told are not there.
    UNVERIFIABLE = "token-unverifiable"


@dataclass(frozen=True, slots=True)
class Named:
    """What the operator says of the caller with one value of the claim. ``routes``: ``None`` for all."""

    label: str
    routes: frozenset[str] | None = None
    quotas: Quotas = field(default_factory=Quotas)


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where an issuer's keys are published (RFC 7517, section 5): the path of a file, or a URL at ``target``.

    ``refresh``: how old keys get before they are read again. ``max_age``: how old they get before nothing is verified
    by them, where they cannot be read.
    """

    place: str
    target: Target | None = None
    refresh: timedelta = timedelta(minutes=5)
    max_age: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Which tokens name a caller. ``claim`` holds the name; ``header``: a lower-case field name.

    ``named``: what is said of some of them, by the value of the claim; ``others``: of all who have no entry.
    """

    keys: KeyPlace
    issuer: str
    audience: str
    claim: str = "sub"
    algorithms: tuple[str, ...] = ("RS256", "ES256", "EdDSA")
    leeway: timedelta = timedelta(seconds=30)
    header: str = "authorization"
    named: Mapping[str, Named] = field(default_factory=dict[str, Named])
    others: Named = field(default_factory=lambda: Named(BY_TOKEN))

    def caller(self, subject: str) -> KnownCaller:
        """Whom a verified token names. A name is somebody's at one issuer and in one claim; no name of ``callers`` is
        made into an identity that begins like this one."""
        who = self.named.get(subject, self.others)
        identity = b"jwt/" + json.dumps([self.issuer, self.claim, subject]).encode("ascii")
        return KnownCaller(identity, who.label, who.routes, who.quotas)
