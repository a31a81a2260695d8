"""How an answer and a recipe lie in a store: bytes that open to exactly what was put in, or not at all.

Knows the written form and its version, and binds each answer to its record and fence, so that flipped bits and swapped
rows do not open: with a keyed tag, or sealed (``sealing``, version 2) where encryption is configured. Refuses to know
tables, and never guesses: what does not open is ``RecordUnreadable``.

The head of an answer, version 1, integers big-endian::

    version 1 | flags 1 | status 2 | fields 4 | per field: length 4, name, length 4, value | trace 24 or none | tag 32

The body lies beside it. Flags: 1 kept, 2 made by the gateway, 4 length unverified, 8 body compressed (zstd), 16 with
the trace of the call that got it.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from struct import Struct
from typing import Any, Self

from gateway.errors import RecordUnreadable, StoreUnfit
from gateway.protocol.fingerprint import Digester
from gateway.protocol.headers import Header, Headers
from gateway.protocol.model import BodyForm, NotKept, Origin, Recipe, RecordId, StoredResponse
from gateway.stores.compression import compress, decompress
from gateway.stores.sealing import SEALED_VERSION, Seal, Sealer

ANSWER_VERSION = 1
RECIPE_VERSION = 1

_KEPT, _GATEWAY, _LENGTH_UNVERIFIED, _COMPRESSED, _TRACED = 1, 2, 4, 8, 16
_FIXED = Struct(">BBHI")
_LENGTH = Struct(">I")
_LONG = Struct(">Q").pack
_TAG_SIZE = 32
_TRACE_SIZE = 24

# What a digest key is a source of, beside digests.
_PURPOSE = "record-integrity"

_VALUES_ARE_SEALED = "a claim leaves values for a reconciler, and they are kept only sealed"
NOTHING_TO_SEAL_WITH = "nothing can be sealed anew, because there is no key to seal with"


@dataclass(frozen=True, slots=True)
class Encoded:
    """An answer as it is stored; ``body`` is ``None`` where the answer was not kept."""

    head: bytes
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Codec:
    """Writes and opens answers under one secret of at most 64 bytes; with a ``sealer``, nobody else reads them.

    ``others``: the secrets of records that were made under another digest key than the first, by its name. Values, of
    which a request's body may be the source, are written with a ``sealer`` only.
    """

    key: bytes = field(repr=False)
    sealer: Sealer | None = None
    others: Mapping[bytes, bytes] = field(default_factory=dict[bytes, bytes], repr=False)

    @classmethod
    def of(cls, digester: Digester, sealer: Sealer | None = None) -> Self:
        """The codec of a store whose digest keys these are."""
        others = {other.name: other.subkey(_PURPOSE) for other in digester.others}
        return cls(digester.subkey(_PURPOSE), sealer, others)

    def encode(self, record_id: RecordId, fence: int, answer: StoredResponse | NotKept) -> Encoded:
        """``answer``, bound to its record and fence."""
        body: bytes | None = None
        flags = 0
        if isinstance(answer, StoredResponse):
            body = compress(answer.body)
            flags = _KEPT if body is answer.body else _KEPT | _COMPRESSED
        head = _head(answer, flags)
        if self.sealer is not None:
            return Encoded(*self.sealer.seal(record_id, fence, head, body, secrets.token_bytes(12)))
        return Encoded(head + self._tag(record_id, fence, head, body), body)

    def decode(self, record_id: RecordId, fence: int, head: bytes, body: bytes | None) -> StoredResponse | NotKept:
        """The answer that was encoded for this record and fence; ``RecordUnreadable`` where it is no such."""
        plain, body = self._opened(record_id, fence, head, body)
        _, flags, status, count = _FIXED.unpack_from(plain)
        if bool(flags & _KEPT) != (body is not None):
            raise _damaged(record_id)
        if body is None:
            return NotKept(status)
        if flags & _COMPRESSED:
            body = decompress(body)
        origin = Origin.GATEWAY if flags & _GATEWAY else Origin.UPSTREAM
        fields, end = _fields(plain, count)
        trace = plain[end : end + _TRACE_SIZE] if flags & _TRACED else b""
        return StoredResponse(status, fields, body, origin, bool(flags & _LENGTH_UNVERIFIED), trace)

    def seal_of(self, beginning: bytes) -> Seal:
        """How an answer, or values, that begin so are sealed; ``StoreUnfit`` without a sealer."""
        sealer = self.demand_sealer(NOTHING_TO_SEAL_WITH)
        return Seal.OTHER if beginning[:1] == bytes([ANSWER_VERSION]) else sealer.seal_of(beginning)

    def reseal(self, record_id: RecordId, fence: int, head: bytes, body: bytes | None) -> Encoded:
        """The same answer under the first key; ``RecordUnreadable`` where it does not open."""
        sealer = self.demand_sealer(NOTHING_TO_SEAL_WITH)
        plain, body = self._opened(record_id, fence, head, body)
        return Encoded(*sealer.seal(record_id, fence, plain, body, secrets.token_bytes(12)))

    def reseal_values(self, record_id: RecordId, fence: int, sealed: bytes) -> bytes:
        """The same values under the first key; ``RecordUnreadable`` where they do not open."""
        return self.seal_values(record_id, fence, self.open_values(record_id, fence, sealed))

    def demand_sealer(self, why: str = _VALUES_ARE_SEALED) -> Sealer:
        """What seals; ``StoreUnfit``, and ``why``, where there is none."""
        if self.sealer is None:
            raise StoreUnfit(f"{why}: configure encryption.keys")
        return self.sealer

    def seal_values(self, record_id: RecordId, fence: int, values: bytes) -> bytes:
        """What a claim leaves for a reconciler, bound to record and fence; ``StoreUnfit`` without a sealer."""
        return self.demand_sealer().seal_values(record_id, fence, values, secrets.token_bytes(12))

    def open_values(self, record_id: RecordId, fence: int, sealed: bytes) -> bytes:
        """The values that were sealed for this record and fence; ``RecordUnreadable`` where they are no such."""
        if self.sealer is None:
            raise RecordUnreadable(
                f"what record {str(record_id)[:12]} keeps for a reconciler is sealed, "
                "and no encryption.keys are configured"
            )
        return self.sealer.open_values(record_id, fence, sealed)

    def _opened(self, record_id: RecordId, fence: int, head: bytes, body: bytes | None) -> tuple[bytes, bytes | None]:
        """Head and body as they were written, after whatever binds them has been checked."""
        version = head[0] if head else None
        if version == ANSWER_VERSION:
            plain, tag = head[:-_TAG_SIZE], head[-_TAG_SIZE:]
            if not hmac.compare_digest(tag, self._tag(record_id, fence, plain, body)):
                raise _damaged(record_id)
            return plain, body
        if version != SEALED_VERSION:
            raise RecordUnreadable(f"the answer of record {str(record_id)[:12]} is of a newer version, or damaged")
        if self.sealer is None:
            raise RecordUnreadable(
                f"the answer of record {str(record_id)[:12]} is sealed, and no encryption.keys are configured"
            )
        return self.sealer.open(record_id, fence, head, body)

    def _tag(self, record_id: RecordId, fence: int, head: bytes, body: bytes | None) -> bytes:
        # None and an empty body look alike here; the head's flag tells them apart, and is under the tag.
        key = self.others.get(record_id.made_with, self.key)
        body, place = body or b"", record_id.digest
        front = b"".join((_LONG(len(place)), place, _LONG(8), _LONG(fence), _LONG(len(head)), head, _LONG(len(body))))
        mac = hashlib.blake2b(front, key=key, digest_size=_TAG_SIZE, person=b"record-answer/1")
        mac.update(body)
        return mac.digest()


def _head(answer: StoredResponse | NotKept, flags: int) -> bytes:
    if isinstance(answer, NotKept):
        return _FIXED.pack(ANSWER_VERSION, flags, answer.status, 0)
    flags |= _GATEWAY if answer.origin is Origin.GATEWAY else 0
    flags |= _LENGTH_UNVERIFIED if answer.length_unverified else 0
    flags |= _TRACED if answer.trace else 0
    size = _LENGTH.pack
    fields = [size(len(name)) + name + size(len(value)) + value for name, value in answer.headers]
    return b"".join((_FIXED.pack(ANSWER_VERSION, flags, answer.status, len(fields)), *fields, answer.trace))


def _fields(head: bytes, count: int) -> tuple[Headers, int]:
    """The fields, and where they end."""
    fields: list[Header] = []
    at = _FIXED.size
    for _ in range(count):
        name, at = _piece(head, at)
        value, at = _piece(head, at)
        fields.append((name, value))
    return tuple(fields), at


def _piece(head: bytes, at: int) -> tuple[bytes, int]:
    start = at + _LENGTH.size
    end = start + _LENGTH.unpack_from(head, at)[0]
    return head[start:end], end


@lru_cache(maxsize=1024)
def write_recipe(recipe: Recipe) -> str:
    """A recipe as one line of JSON; a store sees few different ones, many times."""
    parts = [RECIPE_VERSION, recipe.body, recipe.exclude, recipe.headers, recipe.scope, recipe.algorithm]
    return json.dumps(parts, separators=(",", ":"))


@lru_cache(maxsize=1024)
def read_recipe(text: str) -> Recipe:
    """The recipe that was written; ``RecordUnreadable`` where it is no such."""
    try:
        version, body, exclude, headers, scope, algorithm = json.loads(text)
        recipe = Recipe(BodyForm(body), _names(exclude), _names(headers), _names(scope), int(algorithm))
    except (ValueError, TypeError) as error:
        raise RecordUnreadable("a record's recipe cannot be read: it is damaged, or of a newer version") from error
    if version != RECIPE_VERSION:
        raise RecordUnreadable("a record's recipe is of a newer version")
    return recipe


def _names(value: Any) -> tuple[str, ...]:  # noqa: ANN401 - any JSON value
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise TypeError("not a list of texts")
    return tuple(value)


def _damaged(record_id: RecordId) -> RecordUnreadable:
    return RecordUnreadable(f"the answer of record {str(record_id)[:12]} is damaged, or belongs to another record")
