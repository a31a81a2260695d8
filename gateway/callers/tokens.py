"""Whom a token names: ``ports.Verifier`` (laws V1 and V2), by PyJWT.

What a token says of itself decides nothing before its signature is good: the algorithm has to be a configured one, and
picks a key of its own kind, so that no public key is ever taken for a secret. Refuses to tell or keep a token: those
that are good are remembered by their SHA-256 for a while, so that a signature is not verified again on each call.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import jwt
from jwt.exceptions import InvalidSubjectError

from gateway.callers.token_keys import TokenKeys
from gateway.policies.callers import KnownCaller
from gateway.policies.tokens import TokenFault, Tokens

# In bytes. Issuers that put every group of a user into their tokens stay below.
LARGEST_TOKEN = 8 * 1024

# Seconds for which a good token is not looked at again, and how many such there are at once.
REMEMBERED, MOST = 60.0, 4096

# What is wrong with a token, by the fault of the library; the first that matches.
_FAULTS: tuple[tuple[type[Exception], TokenFault], ...] = (
    (jwt.InvalidAlgorithmError, TokenFault.ALGORITHM),
    (jwt.InvalidSignatureError, TokenFault.SIGNATURE),
    (jwt.ExpiredSignatureError, TokenFault.EXPIRED),
    (jwt.ImmatureSignatureError, TokenFault.EARLY),
    (jwt.InvalidIssuerError, TokenFault.ISSUER),
    (jwt.InvalidAudienceError, TokenFault.AUDIENCE),
    (jwt.MissingRequiredClaimError, TokenFault.CLAIM),
    (InvalidSubjectError, TokenFault.CLAIM),
)

# A number or a nesting that no issuer writes is a fault of the token's, whatever Python calls it.
_OF_THE_TOKEN = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True)
class _Good:
    """Whom a token named, until when (monotonic seconds) and by which keys that counts."""

    who: KnownCaller
    until: float
    generation: int


class JwtVerifier:
    """Verifies the tokens of one issuer."""

    def __init__(self, tokens: Tokens, keys: TokenKeys, now: Callable[[], float] = time.time) -> None:
        """``now``: seconds since 1970, by which tokens end."""
        self._tokens = tokens
        self._keys = keys
        self._now = now
        self._good: dict[bytes, _Good] = {}

    async def caller(self, token: bytes) -> KnownCaller | TokenFault:
        """Whom it names, or what is wrong with it."""
        if len(token) > LARGEST_TOKEN:
            return TokenFault.TOO_LONG
        name = sha256(token).digest()
        if (known := self._good.get(name)) is not None:
            if self._counts(known):
                return known.who
            del self._good[name]
        key = await self._key(token)
        if isinstance(key, TokenFault):
            return key
        claims = self._claims(token, *key)
        if isinstance(claims, TokenFault):
            return claims
        subject = claims.get(self._tokens.claim)
        if not isinstance(subject, str) or not subject:
            return TokenFault.CLAIM
        who = self._tokens.caller(subject)
        self._remember(name, who, int(claims["exp"]))
        return who

    def _counts(self, known: _Good) -> bool:
        return known.generation == self._keys.generation and time.monotonic() < known.until and self._keys.usable

    async def _key(self, token: bytes) -> tuple[str, Any] | TokenFault:
        """The algorithm, and the key for it."""
        try:
            told = jwt.get_unverified_header(token)
        except _OF_THE_TOKEN:
            return TokenFault.MALFORMED
        algorithm, name = told.get("alg"), told.get("kid")
        if not isinstance(algorithm, str) or algorithm not in self._tokens.algorithms:
            return TokenFault.ALGORITHM
        if not isinstance(name, str):
            return TokenFault.KEY
        try:
            key = await self._keys.find(name, algorithm)
        except LookupError:
            return TokenFault.UNVERIFIABLE
        return TokenFault.KEY if key is None else (algorithm, key)

    def _claims(self, token: bytes, algorithm: str, key: Any) -> dict[str, Any] | TokenFault:  # noqa: ANN401 - see TokenKeys
        tokens = self._tokens
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                issuer=tokens.issuer,
                audience=tokens.audience,
                leeway=tokens.leeway,
                options={"require": ["exp", "iss", "aud"]},
            )
        except _OF_THE_TOKEN as fault:
            return next((reason for kind, reason in _FAULTS if isinstance(fault, kind)), TokenFault.MALFORMED)
        return claims

    def _remember(self, name: bytes, who: KnownCaller, ends: int) -> None:
        left = ends + self._tokens.leeway.total_seconds() - self._now()
        if len(self._good) >= MOST:
            del self._good[next(iter(self._good))]
        self._good[name] = _Good(who, time.monotonic() + min(left, REMEMBERED), self._keys.generation)
