"""What is said of callers' tokens: times that cannot be kept, a header with two meanings, callers without a token."""

from collections.abc import Iterator
from datetime import timedelta

from gateway.config.caller_building import need_of
from gateway.config.caller_rules import NO_KEYS, keep_keys
from gateway.config.caller_settings import JwtSettings
from gateway.config.documents import Place
from gateway.config.findings import NOT_TO_BE_SET, written
from gateway.config.settings import Settings
from gateway.policies.callers import Need
from gateway.protocol.headers import MARKS

Complaints = Iterator[tuple[Place, str]]

# Clocks that are further apart are wrong, and a token that has ended this long ago is no caller's.
LONGEST_LEEWAY = timedelta(minutes=5)

# An issuer is not to be asked without a pause.
SHORTEST_REFRESH = timedelta(seconds=1)

_TAKEN = frozenset({b"cookie", b"content-type", b"content-encoding", b"idempotency-key"})


def jwt_complaints(settings: Settings) -> Complaints:
    """Everything about tokens."""
    yield from _subjects(settings)
    jwt = settings.jwt
    if jwt is None:
        return
    yield from _times(jwt)
    if not jwt.algorithms:
        yield ("jwt", "algorithms"), "lets no token in; name some, such as [RS256], or leave it out"
    if jwt.ca is not None and jwt.jwks.url is None:
        yield ("jwt", "ca"), "has no effect: the keys are in a file; remove it"
    header = jwt.header.lower().encode()
    if header in NOT_TO_BE_SET | MARKS | _TAKEN:
        yield ("jwt", "header"), f"cannot be {jwt.header}, which means something else already; name another header"
    if header == settings.caller_header.lower().encode():
        yield ("jwt", "header"), "is the header of callers' keys (caller_header) too; name another one"
    yield from _routes(settings, jwt)
    most = settings.downstream.max_calls
    if jwt.quotas.calls is not None and jwt.quotas.calls > most:
        told = f"has no effect: downstream.max_calls lets all callers together have {most}; lower it, or raise that"
        yield ("jwt", "quotas", "calls"), told
    if jwt.quotas.stored_keys is not None and jwt.routes != [] and not keep_keys(settings, jwt.routes):
        yield ("jwt", "quotas", "stored_keys"), NO_KEYS


def _times(jwt: JwtSettings) -> Complaints:
    if jwt.leeway > LONGEST_LEEWAY:
        yield ("jwt", "leeway"), "is longer than 5m, for which a token that has ended would count on; shorten it"
    if jwt.refresh < SHORTEST_REFRESH:
        yield ("jwt", "refresh"), "is shorter than 1s; lengthen it"
    if jwt.max_age < 2 * jwt.refresh:
        place = "max_age" if written(jwt, ("max_age",)) else "refresh"
        yield ("jwt", place), "lets no reading fail: max_age has to be twice as long as refresh, or longer"


def _routes(settings: Settings, jwt: JwtSettings) -> Complaints:
    needs = {route.name: need_of(settings, route) for route in settings.routes}
    for number, name in enumerate(jwt.routes or []):
        if name not in needs:
            yield ("jwt", "routes", number), f"is no route; there are: {', '.join(needs)}"
        elif needs[name] is Need.NONE:
            yield ("jwt", "routes", number), "has no effect: that route has callers: none; remove one of them"


def _subjects(settings: Settings) -> Complaints:
    """A caller by a token is another one than a caller by a key, whatever their names."""
    owners: dict[str, int] = {}
    for index, each in enumerate(settings.callers):
        if each.subject is None:
            continue
        place: Place = ("callers", index, "subject")
        if settings.jwt is None:
            yield place, "has no effect: no token counts; add jwt, or give this caller a key"
        if each.key is not None or each.keys:
            yield place, "stands beside a key, and a token's caller is never a key's; make two callers of this one"
        if each.subject in owners:
            yield place, f"is the subject of caller {owners[each.subject]} too; give each one of their own"
        owners.setdefault(each.subject, index)
