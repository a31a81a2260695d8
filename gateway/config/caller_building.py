"""What settings say of callers, as the frozen values that decide: who they are, and what that means on a route."""

from gateway.config.caller_settings import CallerSettings, JwtSettings, QuotaSettings
from gateway.config.policy_settings import PolicySettings
from gateway.config.settings import RouteSettings, Settings
from gateway.policies.callers import CallerKeys, Entry, Limits, Need, Quotas, Rate, with_key
from gateway.policies.routing import Target, Tls
from gateway.policies.tokens import BY_TOKEN, KeyPlace, Named, Tokens
from gateway.protocol.headers import CALLER


def build_entry(settings: Settings) -> Entry | None:
    """How callers say who they are; ``None`` where nobody has to."""
    if not asks(settings):
        return None
    return Entry(
        settings.caller_header.lower(), tuple(_keys(each) for each in settings.callers if each.subject is None)
    )


def build_tokens(settings: Settings) -> Tokens | None:
    """Which tokens name a caller; ``None`` where none does."""
    jwt = settings.jwt
    if jwt is None:
        return None
    by_subject = {each.subject: each for each in settings.callers if each.subject is not None}
    return Tokens(
        KeyPlace(jwt.jwks.place, _published_at(jwt), jwt.refresh, jwt.max_age),
        jwt.issuer,
        jwt.audience,
        jwt.claim,
        tuple(jwt.algorithms),
        jwt.leeway,
        jwt.header.lower(),
        {subject: Named(each.name, _routes(each), _quotas(each.quotas)) for subject, each in by_subject.items()},
        Named(BY_TOKEN, _routes(jwt), _quotas(jwt.quotas)),
    )


def _published_at(jwt: JwtSettings) -> Target | None:
    url = jwt.jwks.url
    return None if url is None else Target(url.scheme, url.host, url.port, tls=Tls(jwt.ca))


# Ten a second: far more than a caller meets who retries as they are told, and a week for guessing six digits.
DEFAULT_REFUSALS = Rate(600, 60)


def build_limits(settings: Settings) -> Limits:
    """What is counted, and where."""
    limits = settings.limits
    refusals = limits.refusals or (DEFAULT_REFUSALS if asks(settings) else None)
    return Limits(refusals, limits.redis or settings.store.redis or "")


def asks(settings: Settings) -> bool:
    """Whether callers have to say who they are, on any route."""
    return bool(settings.callers) or settings.jwt is not None


def need_of(settings: Settings, route: RouteSettings) -> Need:
    """What a route asks of its callers."""
    if not asks(settings):
        return Need.NONE
    return Need.REQUIRED if route.callers is None else route.callers


def credentials(settings: Settings) -> frozenset[str]:
    """The fields by which callers show who they are, in lower case."""
    keys = {settings.caller_header.lower()} if asks(settings) else set[str]()
    return frozenset(keys if settings.jwt is None else {*keys, settings.jwt.header.lower()})


def ends_here(settings: Settings) -> frozenset[str]:
    """Those of them that no upstream sees."""
    kept = {settings.jwt.header.lower()} if settings.jwt is not None and settings.jwt.forward else set[str]()
    return credentials(settings) - kept


def scope_of(settings: Settings, route: RouteSettings, policy: PolicySettings) -> tuple[str, ...]:
    """What tells callers apart. A credential is changed for another while its owner stays who they are, so the caller
    whom it names stands for it."""
    names = tuple(name.lower() for name in policy.scope.headers)
    if need_of(settings, route) is Need.NONE:
        return names
    shown = credentials(settings)
    return (*(name for name in names if name not in shown), CALLER.decode())


def _keys(caller: CallerSettings) -> CallerKeys:
    given = [*([caller.key] if caller.key is not None else []), *caller.keys]
    return CallerKeys(
        with_key(caller.name, _routes(caller), _quotas(caller.quotas)),
        frozenset(digest for each in given if each.file is None for digest in each.digests),
        tuple(each.file for each in given if each.file is not None),
    )


def _routes(given: CallerSettings | JwtSettings) -> frozenset[str] | None:
    return None if given.routes is None else frozenset(given.routes)


def _quotas(quotas: QuotaSettings) -> Quotas:
    return Quotas(quotas.calls, quotas.rate, quotas.stored_keys)
