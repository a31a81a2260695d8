"""Encryption of kept answers: AES-256-GCM, bound to record and fence, under keys that can be rotated.

Knows ``cryptography``. The first key seals, every key opens, so that a rotation needs no pause: add the new key at the
end everywhere, then move it to the front, then drop the old one when ``retention.response`` has passed. Refuses to know
what it seals. Each record has a key of its own, derived from the configured one, so that chance nonces never meet.

A sealed answer, version 2, head and body apart::

    head: version 1 | key id 4 | nonce 12 | AES-GCM(head)          body: AES-GCM(body), the nonce's last bit turned
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import RecordUnreadable
from gateway.protocol.model import RecordId

SEALED_VERSION = 2

_ID, _NONCE = slice(1, 5), slice(5, 17)


@dataclass(frozen=True, slots=True)
class _Key:
    """A configured secret and the name under which records know it, which tells nothing of it."""

    name: bytes
    secret: bytes = field(repr=False)

    def of(self, record_id: RecordId, fence: int) -> AESGCM:
        """The key of one record under one fence."""
        return AESGCM(_derive(self.secret, b"record-sealing/2", record_id.digest, fence.to_bytes(8, "big")))


class Sealer:
    """Seals and opens answers. ``secrets``: at least one, of any length; the first one seals."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        keys = [_Key(_derive(secret, b"record-key-id/2")[:4], secret) for secret in secrets]
        self._first = keys[0]
        self._keys = {key.name: key for key in reversed(keys)}

    def seal(
        self, record_id: RecordId, fence: int, head: bytes, body: bytes | None, nonce: bytes
    ) -> tuple[bytes, bytes | None]:
        """``nonce``: 12 bytes of chance."""
        plain = bytes([SEALED_VERSION]) + self._first.name + nonce
        key, bound = self._first.of(record_id, fence), _bound(record_id, fence)
        sealed = plain + key.encrypt(nonce, head, b"head" + bound)
        return sealed, None if body is None else key.encrypt(_other(nonce), body, b"body" + bound)

    def open(self, record_id: RecordId, fence: int, head: bytes, body: bytes | None) -> tuple[bytes, bytes | None]:
        """What was sealed for this record and fence; ``RecordUnreadable`` where it is no such."""
        known = self._keys.get(head[_ID])
        if known is None:
            raise RecordUnreadable(
                f"the answer of record {str(record_id)[:12]} is sealed by a key that is not in encryption.keys"
            )
        key, bound, nonce = known.of(record_id, fence), _bound(record_id, fence), head[_NONCE]
        try:
            opened = key.decrypt(nonce, head[_NONCE.stop :], b"head" + bound)
            return opened, None if body is None else key.decrypt(_other(nonce), body, b"body" + bound)
        except (InvalidTag, ValueError) as fault:
            raise RecordUnreadable(
                f"the answer of record {str(record_id)[:12]} is damaged, or belongs to another record"
            ) from fault


def _bound(record_id: RecordId, fence: int) -> bytes:
    return record_id.digest + fence.to_bytes(8, "big")


def _other(nonce: bytes) -> bytes:
    return nonce[:-1] + bytes([nonce[-1] ^ 1])


def _derive(secret: bytes, purpose: bytes, *parts: bytes) -> bytes:
    """32 bytes (HMAC-SHA256); the parts are of fixed length."""
    return hmac.new(secret, purpose + b"".join(parts), hashlib.sha256).digest()
