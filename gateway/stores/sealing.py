"""Encryption of what records hold: AES-256-GCM, bound to record and fence, under keys that can be rotated.

Knows ``cryptography``. The first key seals, every key opens, so that a rotation needs no pause: add the new key at the
end everywhere, then move it to the front, then seal anew what lies under the old one (``registry.Resealing``), or wait
until ``retention.response`` has passed, and drop it. Refuses to know what it seals. Each record has a key of its own,
derived from the configured one, so that chance nonces never meet.

A sealed answer, version 2, head and body apart::

    head: version 1 | key id 4 | nonce 12 | AES-GCM(head)          body: AES-GCM(body), the nonce's last bit turned

Sealed values, which a claim leaves for a reconciler, are one piece of the same form, under keys of another purpose.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import RecordUnreadable
from gateway.protocol.model import RecordId

SEALED_VERSION = 2

_ID, _NONCE = slice(1, 5), slice(5, 17)

# So many bytes of a text tell how it is sealed.
BEGINNING = 5

# What a record's key is derived for: neither kind of text opens as the other.
_ANSWER, _VALUES = b"record-sealing/2", b"record-values/2"


@dataclass(frozen=True, slots=True)
class _Key:
    """A configured secret and the name under which records know it, which tells nothing of it."""

    name: bytes
    secret: bytes = field(repr=False)

    def of(self, record_id: RecordId, fence: int, purpose: bytes) -> AESGCM:
        """The key of one record under one fence, for one purpose."""
        return AESGCM(_derive(self.secret, purpose, record_id.digest, fence.to_bytes(8, "big")))


class Seal(StrEnum):
    """How a text is sealed, as far as its beginning tells: by the key that seals, by none or by another one that opens
    it, or by what is not known here."""

    FIRST = "first"
    OTHER = "other"
    STRANGE = "strange"


class Sealer:
    """Seals and opens answers and values. ``secrets``: at least one, of any length; the first one seals."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        keys = [_Key(_derive(secret, b"record-key-id/2")[:4], secret) for secret in secrets]
        self._first = keys[0]
        self._keys = {key.name: key for key in reversed(keys)}

    def seal_of(self, sealed: bytes) -> Seal:
        """How a text that begins so is sealed, if it is."""
        name = sealed[_ID]
        if sealed[:1] != bytes([SEALED_VERSION]) or name not in self._keys:
            return Seal.STRANGE
        return Seal.FIRST if name == self._first.name else Seal.OTHER

    def seal(
        self, record_id: RecordId, fence: int, head: bytes, body: bytes | None, nonce: bytes
    ) -> tuple[bytes, bytes | None]:
        """``nonce``: 12 bytes of chance."""
        key, bound = self._first.of(record_id, fence, _ANSWER), _bound(record_id, fence)
        sealed = self._plain(nonce) + key.encrypt(nonce, head, b"head" + bound)
        return sealed, None if body is None else key.encrypt(_other(nonce), body, b"body" + bound)

    def open(self, record_id: RecordId, fence: int, head: bytes, body: bytes | None) -> tuple[bytes, bytes | None]:
        """What was sealed for this record and fence; ``RecordUnreadable`` where it is no such."""
        key, bound, nonce = self._key_of(record_id, fence, _ANSWER, head), _bound(record_id, fence), head[_NONCE]
        try:
            opened = key.decrypt(nonce, head[_NONCE.stop :], b"head" + bound)
            return opened, None if body is None else key.decrypt(_other(nonce), body, b"body" + bound)
        except (InvalidTag, ValueError) as fault:
            raise _damaged(record_id, _ANSWER) from fault

    def seal_values(self, record_id: RecordId, fence: int, values: bytes, nonce: bytes) -> bytes:
        """``nonce``: 12 bytes of chance."""
        key, bound = self._first.of(record_id, fence, _VALUES), _bound(record_id, fence)
        return self._plain(nonce) + key.encrypt(nonce, values, b"values" + bound)

    def open_values(self, record_id: RecordId, fence: int, sealed: bytes) -> bytes:
        """What was sealed for this record and fence; ``RecordUnreadable`` where it is no such."""
        if sealed[:1] != bytes([SEALED_VERSION]):
            raise RecordUnreadable(f"{_what(record_id, _VALUES)} is of a newer version, or damaged")
        key = self._key_of(record_id, fence, _VALUES, sealed)
        try:
            return key.decrypt(sealed[_NONCE], sealed[_NONCE.stop :], b"values" + _bound(record_id, fence))
        except (InvalidTag, ValueError) as fault:
            raise _damaged(record_id, _VALUES) from fault

    def _plain(self, nonce: bytes) -> bytes:
        return bytes([SEALED_VERSION]) + self._first.name + nonce

    def _key_of(self, record_id: RecordId, fence: int, purpose: bytes, sealed: bytes) -> AESGCM:
        known = self._keys.get(sealed[_ID])
        if known is None:
            raise RecordUnreadable(f"{_what(record_id, purpose)} is sealed by a key that is not in encryption.keys")
        return known.of(record_id, fence, purpose)


def _what(record_id: RecordId, purpose: bytes) -> str:
    name = f"record {str(record_id)[:12]}"
    return f"the answer of {name}" if purpose == _ANSWER else f"what {name} keeps for a reconciler"


def _damaged(record_id: RecordId, purpose: bytes) -> RecordUnreadable:
    return RecordUnreadable(f"{_what(record_id, purpose)} is damaged, or belongs to another record")


def _bound(record_id: RecordId, fence: int) -> bytes:
    return record_id.digest + fence.to_bytes(8, "big")


def _other(nonce: bytes) -> bytes:
    return nonce[:-1] + bytes([nonce[-1] ^ 1])


def _derive(secret: bytes, purpose: bytes, *parts: bytes) -> bytes:
    """32 bytes (HMAC-SHA256); the parts are of fixed length."""
    return hmac.new(secret, purpose + b"".join(parts), hashlib.sha256).digest()
