"""Digests of keys, scopes and requests: HMAC-SHA256, never the texts themselves.

Every digest is domain-separated and every field carries its length, so no two requests share an encoding. The secret
matters: a bare hash of a card number is a card number (PCI DSS 3.5.1.1).
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from typing import Any, Protocol

import rfc8785

from gateway.protocol.headers import Headers, values
from gateway.protocol.model import KEY_NAME, BodyForm, Identity, Recipe, RecordId


class Body(Protocol):
    """A request body, whole, that can be read more than once; ``size`` in bytes."""

    @property
    def size(self) -> int:
        """Bytes in all."""
        ...

    def chunks(self) -> Iterable[bytes]:
        """The bytes, from the beginning at every call."""
        ...


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What identity is made of: method, canonical target as forwarded, header fields, body."""

    method: bytes
    target: bytes
    headers: Headers
    body: Body


@dataclass(frozen=True, slots=True)
class Digester:
    """Makes every digest under one secret; all gateways on one store share it.

    ``others``: the digesters of the other keys that are listed, under which earlier records were made, or later ones
    will be (law 14 of ``claims``).
    """

    key: bytes = field(repr=False)
    others: tuple["Digester", ...] = field(default=(), repr=False)
    name: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """``name``: by which records know the key; it tells nothing of it."""
        object.__setattr__(self, "name", self.check[:KEY_NAME])

    @property
    def check(self) -> bytes:
        """By which the key is recognised, and which tells nothing of it. 32 bytes, the first of them its name."""
        return self.subkey("digest-key-check")

    @property
    def all(self) -> tuple["Digester", ...]:
        """One of each listed key; the one that new records are made with first."""
        return (self, *self.others)

    def which_made(self, record_id: RecordId) -> "Digester":
        """The one of ``all`` under whose key a record was made; this one where none was."""
        return next((each for each in self.others if each.name == record_id.made_with), self)

    def record_id(self, namespace: str, key: str, scope: bytes | None) -> RecordId:
        """The look-up digest (law 10); ``scope`` only where the policy keeps callers apart."""
        parts = [b"record/1", namespace.encode(), key.encode()]
        return RecordId(self.name + self._digest(parts if scope is None else [*parts, scope])[:-KEY_NAME])

    def identity(self, facts: RequestFacts, recipe: Recipe) -> Identity:
        """Scope and fingerprint of a request under ``recipe``."""
        return Identity(recipe, self.scope(facts.headers, recipe), self.fingerprint(facts, recipe))

    def scope(self, headers: Headers, recipe: Recipe) -> bytes:
        """The digest of the fields that tell callers apart."""
        return self._digest([b"scope/1", *_chosen(headers, recipe.scope)])

    def fingerprint(self, facts: RequestFacts, recipe: Recipe) -> bytes:
        """The digest of method, target, chosen fields and body."""
        parts = [b"fingerprint/1", facts.method, facts.target, *_chosen(facts.headers, recipe.headers)]
        form, body = _body(facts.body, recipe)
        mac = hmac.new(self.key, _framed([*parts, form]), hashlib.sha256)
        for chunk in body:
            mac.update(chunk)
        return mac.digest()

    def derived_key(self, text: str) -> str:
        """A digest that can stand for a key towards the upstream (``upstream_key: derive``). 64 hex digits."""
        return self._digest([b"upstream-key/1", text.encode()]).hex()

    def counted(self, who: bytes) -> str:
        """A name under which something is counted, that tells nobody whose it is. 32 hex digits."""
        return self._digest([b"counted/1", who])[:16].hex()

    def subkey(self, purpose: str) -> bytes:
        """A secret of its own for another purpose. 32 bytes."""
        return self._digest([b"subkey/1", purpose.encode()])

    def _digest(self, parts: Sequence[bytes]) -> bytes:
        return hmac.digest(self.key, _framed(parts), "sha256")


def key_digest(key: bytes) -> bytes:
    """SHA-256 of a caller's key, which is long and made by chance, so that its bare digest gives nothing away."""
    return hashlib.sha256(key).digest()


def _framed(parts: Sequence[bytes]) -> bytes:
    try:
        lengths = [_LENGTHS[size] for size in map(len, parts)]
    except IndexError:
        lengths = [len(part).to_bytes(8, "big") for part in parts]
    return b"".join(chain.from_iterable(zip(lengths, parts, strict=True)))


# Nearly every part is shorter than this; its length is written once and for all.
_LENGTHS = tuple(length.to_bytes(8, "big") for length in range(256))


_NONE = bytes(2)


def _chosen(headers: Headers, names: Sequence[str]) -> list[bytes]:
    parts: list[bytes] = []
    for name in names:
        encoded = name.encode()
        found = values(headers, encoded)
        parts += (encoded, len(found).to_bytes(2, "big"), *found) if found else (encoded, _NONE)
    return parts


# In bytes. All other calls stand still while one body is brought into its form: 0.2 s for the worst of this size.
LARGEST_JSON = 256 * 1024


def _body(body: Body, recipe: Recipe) -> tuple[bytes, Iterable[bytes]]:
    """The form that was possible, and the bytes to digest.

    JSON that has no one canonical form counts as raw, and so does JSON above ``LARGEST_JSON``, ``exclude`` included.
    That depends on the body alone, so a retry with the same bytes always agrees.
    """
    if recipe.body is BodyForm.NONE:
        return b"none", ()
    if recipe.body is BodyForm.JSON and body.size <= LARGEST_JSON:
        try:
            return b"json", (canonical_json(b"".join(body.chunks()), recipe.exclude),)
        except NotCanonical:
            pass
    return b"raw", body.chunks()


class NotCanonical(ValueError):
    """The text has no RFC 8785 form that says exactly the same."""


def parse_json(text: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The JSON value of ``text``; ``NotCanonical`` on bad UTF-8, a name twice, a number that a double cannot hold."""
    try:
        return json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_int=_exact_int,
            parse_float=_exact_float,
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError) as error:
        raise NotCanonical(str(error)) from error


def canonical_json(text: bytes, exclude: Sequence[str] = ()) -> bytes:
    """The RFC 8785 form of ``text`` without the values at the ``exclude`` pointers."""
    value = parse_json(text)
    if exclude:
        value = _without(value, exclude)
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, ValueError, RecursionError) as error:
        raise NotCanonical(str(error)) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotCanonical("a name occurs twice")
    return members


def _exact_int(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > 2**53 - 1:
        raise NotCanonical("an integer beyond 2^53")
    return int(text)


# Fifteen digits or fewer come back from a double as they went in (DBL_DIG), which is much cheaper than asking.
_SHORT = 16


def _exact_float(text: str) -> float:
    number = float(text)
    # With its point, and so without an exponent, which could take it out of a double's range.
    if len(text) <= _SHORT and "e" not in text and "E" not in text:
        return number
    # 1.00 and 1e0 are 1.0; 0.10000000000000000001 is not 0.1, and two such amounts must not look alike.
    if number in (float("inf"), float("-inf")) or Decimal(text) != Decimal(repr(number)):
        raise NotCanonical("a number that a double cannot hold")
    return number


def _no_constant(name: str) -> float:
    raise NotCanonical(f"{name} is not JSON")


def pointer_tokens(pointer: str) -> tuple[str, ...]:
    """The reference tokens of a JSON Pointer (RFC 6901); ``ValueError`` where it is none."""
    if not pointer:
        return ()
    if not pointer.startswith("/"):
        raise ValueError(f"{pointer!r} is not a JSON Pointer: it must be empty or start with '/'")
    tokens = pointer[1:].split("/")
    if any("~" in token.replace("~0", "").replace("~1", "") for token in tokens):
        raise ValueError(f"{pointer!r} is not a JSON Pointer: '~' must be followed by 0 or 1")
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in tokens)


_ABSENT = object()


def point(value: Any, tokens: Sequence[str]) -> Any:  # noqa: ANN401 - any JSON value
    """The value that a pointer leads to; raises ``LookupError`` where it leads nowhere."""
    for token in tokens:
        value = _step(value, token)
        if value is _ABSENT:
            raise LookupError("the pointer leads nowhere")
    return value


def _step(value: Any, token: str) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return value.get(token, _ABSENT)
    if isinstance(value, list) and (index := _index(token, len(value))) is not None:
        return value[index]
    return _ABSENT


def _index(token: str, length: int) -> int | None:
    if not token.isascii() or not token.isdigit() or (len(token) > 1 and token[0] == "0") or int(token) >= length:
        return None
    return int(token)


def _without(value: Any, pointers: Sequence[str]) -> Any:  # noqa: ANN401 - any JSON value
    """``value`` less what the pointers lead to, all of them read on the value as it came."""
    paths = {pointer_tokens(pointer) for pointer in pointers}
    if () in paths:
        return None
    return _prune(value, paths)


def _prune(value: Any, paths: set[tuple[str, ...]]) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        members = [(name, child, _below(paths, name)) for name, child in value.items()]
        return {name: _prune(child, below) if below else child for name, child, below in members if () not in below}
    if isinstance(value, list):
        items = [(child, _below(paths, str(index))) for index, child in enumerate(value)]
        return [_prune(child, below) if below else child for child, below in items if () not in below]
    return value


def _below(paths: set[tuple[str, ...]], token: str) -> set[tuple[str, ...]]:
    return {path[1:] for path in paths if path and path[0] == token}
