"""An issuer of tokens: real keys of each kind, a set of them as it is published, and tokens signed by them."""

import base64
import json
import time
from collections.abc import Sequence
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from gateway.protocol.observations import Observation

NAME, AUDIENCE = "https://id.example.com/", "payments"

# By the algorithm that each is for.
KINDS = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}


@cache
def key(kind: str, number: int = 0) -> PrivateKeyTypes:
    """The same for the same arguments: a pair takes a while to make."""
    del number
    match kind:
        case "RSA":
            return rsa.generate_private_key(65537, 2048)
        case "short RSA":
            return rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused
        case "EC":
            return ec.generate_private_key(ec.SECP256R1())
        case "P-384":
            return ec.generate_private_key(ec.SECP384R1())
        case _:
            return ed25519.Ed25519PrivateKey.generate()


def jwk(private: PrivateKeyTypes, kid: str | None, **members: object) -> dict[str, Any]:
    """The public half, as it is published."""
    public = private.public_key()
    match public:
        case rsa.RSAPublicKey():
            told = RSAAlgorithm.to_jwk(public, as_dict=True)
        case ec.EllipticCurvePublicKey():
            told = ECAlgorithm.to_jwk(public, as_dict=True)
        case ed25519.Ed25519PublicKey():
            told = OKPAlgorithm.to_jwk(public, as_dict=True)
        case _:
            raise AssertionError(public)
    named = {} if kid is None else {"kid": kid}
    return {name: value for name, value in told.items() if name != "key_ops"} | named | members


def published(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def pem(private: PrivateKeyTypes) -> bytes:
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def claims(**changed: object) -> dict[str, Any]:
    """What a good token says; ``None`` leaves a claim out."""
    now = int(time.time())
    said = {"iss": NAME, "aud": AUDIENCE, "sub": "client-42", "exp": now + 300, "iat": now, **changed}
    return {name: value for name, value in said.items() if value is not None}


def token(private: PrivateKeyTypes, algorithm: str, kid: str | None, **changed: object) -> str:
    """A signed one."""
    return jwt.encode(claims(**changed), private, algorithm, headers={} if kid is None else {"kid": kid})  # type: ignore[arg-type]


def written(header: object, payload: object, signature: bytes = b"") -> str:
    """One that no library would make."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, signature))


def whole_set(kinds: Sequence[str] = ("RSA", "EC", "OKP")) -> bytes:
    """One key of each kind, named like it."""
    return published(*(jwk(key(kind), kind) for kind in kinds))


class Seen:
    def __init__(self) -> None:
        self.all: list[Observation] = []

    def observe(self, observation: Observation) -> None:
        self.all.append(observation)


class Publishing:
    """A place where keys are read; ``None`` is no answer. Counts how often."""

    def __init__(self, document: bytes | None = None) -> None:
        self.document = whole_set() if document is None else document
        self.silent = False
        self.read = 0

    async def __call__(self) -> bytes:
        self.read += 1
        if self.silent:
            raise ValueError("no answer: unreachable")
        return self.document
