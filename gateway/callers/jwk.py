"""An issuer's public keys, out of the document that publishes them (JSON Web Key Set, RFC 7517).

Takes the public part of a key and nothing else: a secret, or the private half of a pair that somebody published, never
gets into the process. Refuses to know where the document comes from.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.types import JWKDict

from gateway.policies.tokens import ALGORITHMS

# In bytes; sets that issuers publish have a few KiB.
LARGEST_SET = 256 * 1024

# In bits (NIST SP 800-131A).
_SHORTEST_RSA = 2048

_PUBLIC = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y"), "OKP": ("kty", "crv", "x")}

# By name of the key and algorithm.
IssuerKeys: TypeAlias = Mapping[tuple[str, str], Any]


def read_keys(document: bytes, algorithms: Sequence[str]) -> IssuerKeys:
    """Every key that has a name and is for one of ``algorithms``; others are left out. Where two have one name and
    kind, the first counts. ``ValueError`` where the document is no set of keys."""
    try:
        published = json.loads(document)["keys"]
    except (ValueError, RecursionError, LookupError, TypeError):
        raise ValueError("is no set of keys: a JSON object with a list named keys") from None
    if not isinstance(published, list):
        raise ValueError("is no set of keys: what it names keys is no list")
    found: dict[tuple[str, str], Any] = {}
    for each in published:
        if isinstance(each, dict) and isinstance(each.get("kid"), str):
            for algorithm in _algorithms(each, algorithms):
                if (key := _key(each, algorithm)) is not None:
                    found.setdefault((each["kid"], algorithm), key)
    return found


def _algorithms(key: JWKDict, algorithms: Sequence[str]) -> list[str]:
    """Those that the key may be used with: its own where it says one, else all of its kind."""
    if key.get("use", "sig") != "sig":
        return []
    operations = key.get("key_ops")
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        return []
    kind = key.get("kty"), key.get("crv", "")
    return [each for each in algorithms if ALGORITHMS[each] == kind and key.get("alg", each) == each]


def _key(key: JWKDict, algorithm: str) -> Any:  # noqa: ANN401 - one of several types of the library's
    public = {name: key[name] for name in _PUBLIC[key["kty"]] if isinstance(key.get(name), str)}
    try:
        read = jwt.PyJWK(public, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return None if isinstance(read, RSAPublicKey) and read.key_size < _SHORTEST_RSA else read
