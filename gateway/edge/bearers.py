"""Callers who show a token: where it stands in a request, and what is said of one that names nobody.

Refuses to know how a token is verified, and to repeat it.
"""

from gateway.policies.callers import KnownCaller
from gateway.policies.tokens import TokenFault
from gateway.ports import Verifier
from gateway.protocol.headers import Headers, values

# Seconds until a call is worth another try where there are no keys to verify its token by.
UNVERIFIABLE_FOR = 5

_SCHEME = b"bearer "

# Whoever has no key of the issuer's learns nothing by these: they are told of signed tokens, or of what the token says.
_TOLD = {
    TokenFault.MALFORMED: "is no JSON Web Token",
    TokenFault.TOO_LONG: "is longer than 8 KiB",
    TokenFault.ALGORITHM: "is signed by an algorithm that is not taken here",
    TokenFault.KEY: "names no key of the issuer's",
    TokenFault.SIGNATURE: "has a signature that is not the issuer's",
    TokenFault.EXPIRED: "has expired; get another one",
    TokenFault.EARLY: "is not valid yet",
    TokenFault.ISSUER: "is another issuer's",
    TokenFault.AUDIENCE: "is for another audience",
    TokenFault.CLAIM: "lacks a claim that is needed here",
}


class Bearers:
    """Tokens in ``header``, a lower-case field name."""

    def __init__(self, header: str, verifier: Verifier) -> None:
        self.header = header
        self._header = header.encode()
        self._verifier = verifier
        told = "" if header == "authorization" else f', header="{header}"'
        self._challenge = f'Bearer realm="idempotency-gateway"{told}'

    def shown(self, headers: Headers) -> list[bytes]:
        """What stands in the header, as often as it came."""
        return values(headers, self._header)

    async def caller(self, shown: bytes) -> KnownCaller | TokenFault:
        """Whom a value of the header names. ``Bearer`` stands before a token (RFC 6750), and in another header than
        ``Authorization`` may be left out, as proxies that verify tokens do."""
        if shown[: len(_SCHEME)].lower() == _SCHEME:
            return await self._verifier.caller(shown[len(_SCHEME) :].strip(b" "))
        if self._header == b"authorization":
            return TokenFault.MALFORMED
        return await self._verifier.caller(shown)

    def challenge(self, *, shown: bool) -> str:
        """RFC 6750, section 3; ``shown``: a token was."""
        return f'{self._challenge}, error="invalid_token"' if shown else self._challenge

    def told(self, fault: TokenFault) -> str:
        """For a person."""
        return f"The token in the header {self.header} {_TOLD[fault]}."
