"""A front's copies as they are written: a completed record, the hint of a call in flight, or the marker of an erasure.

Knows the layout. Each is under a keyed tag: what is damaged, of another record, of another version or of another secret
is no copy, and the authority is asked, so nothing here raises. The tag covers the identity too, because the front tells
callers apart by it; the answer in it has its own seal (``stores.codec``). A record's marker is always the same bytes,
whatever the secrets are, and its tag is no secret's: whoever could forge one might as well delete the copy.

Integers big-endian, instants in milliseconds since 1970, durations in milliseconds::

    version 1 | kind 1 | tag 32 | rest
    kind c: fence 8 | owner 16 | created 8 | replayed until 8 | forgotten 8 | identity's length 4 | identity | answer
    kind h: owner 16 | age 8 | rest of the lease 8 | identity
    kind g: nothing
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from struct import Struct, error
from typing import Self

from gateway.errors import RecordUnreadable
from gateway.ports import Hint
from gateway.protocol.fingerprint import Digester
from gateway.protocol.model import Completed, RecordId
from gateway.stores.codec import Codec
from gateway.stores.redis.layout import instant, milliseconds, since_1970
from gateway.stores.redis.records import answer_head, read_answer, read_identity, write_answer, write_identity
from gateway.stores.sealing import Seal, Sealer

VERSION = 1

# So many bytes tell how a copy is sealed.
LONGEST_BEGINNING = 4096

# What a digest key is a source of, beside digests.
_PURPOSE = "front-copies"

_PREFIX = Struct(">Bc32s")
_COPY = Struct(">Q16sQQQI")
_HINT = Struct(">16sQQ")


@dataclass(frozen=True, slots=True)
class Copies:
    """Writes and opens copies. ``key`` is a secret that only the gateways of this authority have; ``others``: those of
    records that were made under another digest key, by its name."""

    key: bytes = field(repr=False)
    codec: Codec
    others: Mapping[bytes, bytes] = field(default_factory=dict[bytes, bytes], repr=False)

    @classmethod
    def of(cls, digester: Digester, sealer: Sealer | None = None) -> Self:
        """The copies of an authority whose digest keys these are."""
        others = {other.name: other.subkey(_PURPOSE) for other in digester.others}
        return cls(digester.subkey(_PURPOSE), Codec.of(digester, sealer), others)

    def write_completed(self, record: Completed) -> bytes:
        """A completed record."""
        identity = write_identity(record.identity)
        instants = [since_1970(at) for at in (record.created_at, record.replay_until, record.forget_at)]
        head = _COPY.pack(record.fence, record.owner, *instants, len(identity))
        return self._written(record.id, b"c", head + identity + self._answer(record))

    def write_hint(self, record_id: RecordId, hint: Hint) -> bytes:
        """A hint."""
        head = _HINT.pack(hint.owner, milliseconds(hint.age), milliseconds(hint.rest))
        return self._written(record_id, b"h", head + write_identity(hint.identity))

    def marker(self, record_id: RecordId) -> bytes:
        """What stands in the place of a copy that was erased."""
        return _PREFIX.pack(VERSION, b"g", hashlib.sha256(b"erased" + record_id.digest).digest())

    def read(self, record_id: RecordId, text: bytes) -> Completed | Hint | None:
        """What was written for this very record; nothing where that is not certain."""
        try:
            version, kind, tag = _PREFIX.unpack_from(text)
            rest = text[_PREFIX.size :]
            if version != VERSION or not hmac.compare_digest(tag, self._tag(record_id, kind, rest)):
                return None
            return self._opened(record_id, kind, rest)
        except (RecordUnreadable, ValueError, OverflowError, error):
            return None

    def is_older(self, beginning: bytes) -> bool:
        """Whether a text that begins so is a copy whose answer is not sealed by the key that seals now."""
        try:
            _, kind, _ = _PREFIX.unpack_from(beginning)
            if kind != b"c":
                return False
            size = _COPY.unpack_from(beginning, _PREFIX.size)[-1]
            answer = beginning[_PREFIX.size + _COPY.size + size :]
            return self.codec.seal_of(answer_head(answer)) is not Seal.FIRST
        except error:
            # Nothing, or a recipe too long to see behind it: a copy is only a copy.
            return bool(beginning)

    def _opened(self, record_id: RecordId, kind: bytes, rest: bytes) -> Completed | Hint | None:
        match kind:
            case b"c":
                return self._completed(record_id, rest)
            case b"h":
                return _hint(rest)
            case _:
                return None

    def _completed(self, record_id: RecordId, rest: bytes) -> Completed:
        fence, owner, created, until, forget, size = _COPY.unpack_from(rest)
        identity, answer = rest[_COPY.size : _COPY.size + size], rest[_COPY.size + size :]
        return Completed(
            id=record_id,
            fence=fence,
            owner=owner,
            identity=read_identity(identity),
            created_at=instant(created),
            answer=read_answer(self.codec, record_id, fence, answer),
            replay_until=instant(until),
            forget_at=instant(forget),
        )

    def _answer(self, record: Completed) -> bytes:
        return write_answer(self.codec, record.id, record.fence, record.answer)

    def _written(self, record_id: RecordId, kind: bytes, rest: bytes) -> bytes:
        return _PREFIX.pack(VERSION, kind, self._tag(record_id, kind, rest)) + rest

    def _tag(self, record_id: RecordId, kind: bytes, rest: bytes) -> bytes:
        key = self.others.get(record_id.made_with, self.key)
        return hmac.digest(key, record_id.digest + kind + rest, "sha256")


def _hint(rest: bytes) -> Hint:
    owner, age, left = _HINT.unpack_from(rest)
    return Hint(
        identity=read_identity(rest[_HINT.size :]),
        owner=owner,
        age=timedelta(milliseconds=age),
        rest=timedelta(milliseconds=left),
    )
