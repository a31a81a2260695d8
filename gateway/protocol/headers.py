"""Header fields as ordered pairs of bytes (RFC 9110, section 5).

Knows which fields end at one hop and which the gateway claims for itself. Refuses to know sockets and frameworks.
Order and multiplicity are part of an answer, so nothing here ever turns fields into a mapping.
"""

from collections.abc import Container, Iterable
from functools import lru_cache
from itertools import compress
from typing import Self

Header = tuple[bytes, bytes]
Headers = tuple[Header, ...]

# RFC 9110, section 7.6.1, and the older fields that RFC 2616 named. Trailer is one: trailers are not forwarded.
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)

STATUS = b"Idempotency-Status"
EXPIRES = b"Idempotency-Expires"
ORIGIN = b"Idempotency-Origin"
RECORDED = b"Idempotency-Recorded"
REPLAYED = b"Idempotent-Replayed"
AGAIN = b"Idempotency-Sent-Again"

# Where a scope names the caller whom the gateway knows among fields: no field can have this name (RFC 9110, 5.6.2).
CALLER = b":caller"

# The cookie of an operator's session. Cookies know no ports (RFC 6265, section 8.5), so a browser that has one for the
# operator's listener shows it to the data listener of the same host too; no upstream is to see it.
SESSION_COOKIE = b"idempotency_gateway_session"

# Only the gateway may say these; an upstream's field of the same name is removed.
MARKS = frozenset(name.lower() for name in (STATUS, EXPIRES, ORIGIN, RECORDED, REPLAYED, AGAIN))


_NONE: frozenset[bytes] = frozenset()


class Fields(tuple[Header, ...]):
    """Fields with their names in lower case beside them; those of a request have no others.

    Most look-ups are for a field that is not there, and a list of names says so at once.
    """

    names: list[bytes]

    @classmethod
    def of(cls, names: list[bytes], values: Iterable[bytes]) -> Self:
        """The fields of these names, in order, and their values."""
        return cls.beside(names, zip(names, values, strict=True))

    @classmethod
    def beside(cls, names: list[bytes], came: Iterable[Header]) -> Self:
        """Fields as they came, and in the same order their names in lower case."""
        fields = cls(came)
        fields.names = names
        return fields

    def less(self, dropped: Container[bytes]) -> Self:
        """The others, in order."""
        kept = [name not in dropped for name in self.names]
        return self if all(kept) else self.beside(list(compress(self.names, kept)), compress(self, kept))

    def and_also(self, name: bytes, value: bytes) -> Self:
        """These and one more at the end."""
        return self.beside([*self.names, name], (*self, (name, value)))


def named(headers: Iterable[Header]) -> Fields:
    """The fields with their names beside them."""
    if isinstance(headers, Fields):
        return headers
    fields = tuple(headers)
    return Fields.beside([name.lower() for name, _ in fields], fields)


def values(headers: Iterable[Header], name: bytes) -> list[bytes]:
    """All values of the field ``name`` (lower case), in order."""
    if isinstance(headers, Fields):
        names = headers.names
        return [field[1] for known, field in zip(names, headers, strict=True) if known == name] if name in names else []
    length = len(name)  # Compared first: most fields differ in it, and lowering each one would cost more.
    return [value for field, value in headers if len(field) == length and field.lower() == name]


def connection_options(headers: Iterable[Header]) -> frozenset[bytes]:
    """The field names and options that ``Connection`` lists, in lower case (RFC 9110, section 7.6.1)."""
    listed = values(headers, b"connection")
    if not listed:
        return _NONE
    return frozenset(token.strip().lower() for value in listed for token in value.split(b",") if token.strip())


def end_to_end(headers: Iterable[Header], *, without: frozenset[bytes] = frozenset()) -> Headers:
    """The fields that travel past this hop, in order, less ``without`` (lower-case names)."""
    fields = named(headers)
    return fields.less(_dropped(connection_options(fields), without))


# By far most answers list nothing in ``Connection``, and a route drops the same fields of each.
@lru_cache(maxsize=256)
def _dropped(options: frozenset[bytes], without: frozenset[bytes]) -> frozenset[bytes]:
    return HOP_BY_HOP | options | without


def kept(headers: Iterable[Header], drop: frozenset[bytes]) -> Headers:
    """What a replay may say again: end-to-end fields less ``Set-Cookie``, the gateway's marks and ``drop``."""
    return kept_of(end_to_end(headers, without=MARKS), drop)


def kept_of(fields: Headers, drop: frozenset[bytes]) -> Headers:
    """The same of ``fields`` that are end-to-end already, and nobody's marks."""
    return named(fields).less(_never_again(drop))


@lru_cache(maxsize=256)
def _never_again(drop: frozenset[bytes]) -> frozenset[bytes]:
    return drop | {b"set-cookie"}


def is_event_stream(headers: Iterable[Header]) -> bool:
    """Whether an answer is a stream of events without an end of its own (``text/event-stream``)."""
    return any(
        value.split(b";")[0].strip().lower() == b"text/event-stream" for value in values(headers, b"content-type")
    )


def without_session(cookies: bytes) -> bytes:
    """A ``Cookie`` field less the operator's session; everything else in it as it was (RFC 6265, section 4.2)."""
    pairs = cookies.split(b";")
    kept = [pair for pair in pairs if pair.split(b"=", 1)[0].strip() != SESSION_COOKIE]
    return cookies if len(kept) == len(pairs) else b";".join(kept).strip()
