"""The guard in front of everything: what of HTTP is clear enough to be passed on.

Pure. It sees the head as it came on the wire, before any application code runs and before trailers can join the
fields. Whatever two parsers could read differently is refused (RFC 9112, sections 3 and 6; RFC 9110, section 7.6.1).
"""

import re
from collections.abc import Sequence
from itertools import chain

from gateway.edge.paths import ambiguous, as_others_read, usual
from gateway.policies.routing import Route, RouteTable
from gateway.protocol import problems
from gateway.protocol.headers import Fields, Header, Headers, connection_options
from gateway.protocol.problems import Problem

# Bounds on what is taken into memory before anything is known of the caller.
TARGET_LIMIT = 8 * 1024
HEADER_LIMIT = 16 * 1024
FIELD_LIMIT = 100

_TARGET = re.compile(rb"/(?!/)[!-\"$-~]*")
_LENGTH = re.compile(rb"[0-9]{1,15}")
# A name as it is looked up, or an address: nothing that a list, a header's parameter or a second decoding could part.
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")

# Methods that the parser takes as those of RTSP and ICE, whose request lines are no HTTP though they look like it.
_OF_OTHER_PROTOCOLS = frozenset(
    b"ANNOUNCE DESCRIBE FLUSH GET_PARAMETER PAUSE PLAY RECORD REDIRECT SETUP SET_PARAMETER SOURCE TEARDOWN".split()
)

# What Connection lists is a name each (RFC 9110, section 5.6.2): what is none might be read as two, or as another.
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_USUAL_OPTIONS = frozenset({b"keep-alive", b"close"})

# Fields that no intermediary may be told to drop: the request would mean something else without them.
_NOT_HOP_BY_HOP = frozenset({b"idempotency-key", b"authorization", b"cookie", b"host", b"forwarded", b"x-real-ip"})


def as_sent(came: Sequence[Header]) -> Fields:
    """The fields of a head as they came on the wire, without the white space around values (RFC 9110, section 5.5), of
    which the parser takes that in front only.

    ``Transfer-Encoding`` stays as it came, to be refused: a parser may not see ``chunked`` in it.
    """
    names = [name.lower() for name, _ in came]
    values = [value.strip(b" \t") for _, value in came]
    if b"transfer-encoding" in names:
        framed = zip(names, came, values, strict=True)
        values = [kept if name == b"transfer-encoding" else bare for name, (_, kept), bare in framed]
    return Fields.of(names, values)


def inspect(method: bytes, target: bytes, version: str, fields: Fields) -> Problem | None:
    """What is wrong with a head, or ``None``."""
    if method in (b"CONNECT", b"TRACE"):
        return problems.unsupported(405, f"This gateway does not carry {method.decode()}.")
    if method in _OF_OTHER_PROTOCOLS:
        return problems.bad_request(f"{method.decode()} is a method of another protocol than HTTP.")
    return _target(target) or _size(fields) or _framing(fields, version) or _others(fields)


def _size(fields: Fields) -> Problem | None:
    count = len(fields.names)
    if count <= FIELD_LIMIT and sum(map(len, chain.from_iterable(fields))) + 4 * count <= HEADER_LIMIT:
        return None
    detail = f"The header is larger than {HEADER_LIMIT} bytes or has more than {FIELD_LIMIT} fields."
    return problems.head_too_large(detail)


def _target(target: bytes) -> Problem | None:
    if len(target) > TARGET_LIMIT:
        return problems.target_too_long(TARGET_LIMIT)
    if not _TARGET.fullmatch(target):
        return problems.bad_request("The request target must be a path that begins with one slash, in printable ASCII.")
    return None


# What frames a body, says what it is, or says where a call came from: an underscore twin may pass for it further on.
_IMITATED = (b"content-", b"transfer-encoding", b"x-forwarded-", b"x-real-ip")
_RARE = frozenset({b"connection", b"upgrade", b"content-type", b"expect", b"http2-settings"})


def _framing(fields: Fields, version: str) -> Problem | None:
    names = fields.names
    if names.count(b"host") != 1:
        return problems.bad_request("There must be exactly one Host field.")
    if names.count(b"content-length") + names.count(b"transfer-encoding") > 1:
        return problems.bad_request("The length of the body is given twice.")
    values = dict(fields)
    if not _HOST.fullmatch(values[b"host"]):
        return problems.bad_request("The Host field is not a host name.")
    if (length := values.get(b"content-length")) is not None and not _LENGTH.fullmatch(length):
        return problems.bad_request("Content-Length must be one number of at most 15 digits.")
    coding = values.get(b"transfer-encoding")
    if coding is not None and (coding.lower() != b"chunked" or version == "1.0"):
        return problems.bad_request("Transfer-Encoding may only be chunked, once, in HTTP/1.1.")
    return None


def _others(fields: Fields) -> Problem | None:
    """Most fields are of no concern here, so the names are asked first whether any is."""
    if not _RARE.isdisjoint(fields.names):
        for name, value in fields:
            if name in _RARE and (problem := _rare(name, value, fields)):
                return problem
    for name in imitating(fields.names):
        if name.startswith(_IMITATED):
            return problems.bad_request("A field name with an underscore imitates one that frames or addresses a call.")
    return None


def imitating(names: Sequence[bytes]) -> list[bytes]:
    """What names with an underscore become in frameworks that map names to variables."""
    if b"_" not in b"".join(names):
        return []
    return [name.replace(b"_", b"-") for name in names if b"_" in name]


def _rare(name: bytes, value: bytes, headers: Headers) -> Problem | None:
    if name in (b"upgrade", b"http2-settings"):
        return problems.unsupported(501, "This gateway does not upgrade connections.")
    if name == b"content-type" and value.lower().startswith(b"application/grpc"):
        return problems.unsupported(501, "This gateway does not carry gRPC.")
    if name == b"expect" and value.lower() != b"100-continue":
        return problems.bad_request("The only expectation that can be met is 100-continue.")
    if name == b"connection":
        return _connection(connection_options(headers) - _USUAL_OPTIONS)
    return None


def _connection(options: frozenset[bytes]) -> Problem | None:
    if not all(map(_TOKEN.fullmatch, options)):
        return problems.bad_request("Connection must be a list of names, with commas between them.")
    if named := _wrongly_named(options):
        return problems.bad_request(f"Connection must not name {named.decode('ascii')}.")
    return None


def _wrongly_named(options: frozenset[bytes]) -> bytes | None:
    for option in sorted(options):
        if option in _NOT_HOP_BY_HOP or option.startswith((b"content-", b"x-forwarded-")):
            return option
    return None


def route_guard(headers: Fields, meaningful: frozenset[bytes]) -> Problem | None:
    """What is wrong once the route is known. ``meaningful``: its key and scope fields, lower case.

    An underscore twin (``Idempotency_Key``) becomes the real field in frameworks that map names to variables; a
    ``Connection`` that names one would take it away from the request.
    """
    if not meaningful.isdisjoint(imitating(headers.names)):
        return problems.bad_request("A field name with an underscore imitates one that this route reads.")
    if (options := connection_options(headers)) and (named := options & meaningful):
        return problems.bad_request(f"Connection must not name {min(named).decode('ascii', 'replace')}.")
    return None


def path_guard(path: str, host: str, method: str, route: Route | None, routes: RouteTable) -> Problem | None:
    """What is wrong with a path that took ``route``: it must lead there however it is read, and look plain upstream."""
    if usual(path):
        return None
    if route is not None and route.upstream_target(path).startswith("//"):
        return problems.bad_request("The path has two slashes where the upstream would read the name of a host.")
    if route is not None and route.match.ambiguous_paths:
        return None
    if ambiguous(path):
        return problems.bad_request(
            "The path has a dot segment, an encoded slash, backslash or NUL, a backslash, or a percent sign that"
            " encodes nothing; write the path that is meant."
        )
    if routes.find(host, as_others_read(path), method) is not route:
        return problems.bad_request(
            "The path can be read as another one, to which other rules apply; write it without parameters, double"
            " slashes and needless encoding."
        )
    return None
