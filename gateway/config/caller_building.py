"""What settings say of callers, as the frozen values that decide: who they are, and what that means on a route."""

from gateway.config.caller_settings import CallerSettings, QuotaSettings
from gateway.config.policy_settings import PolicySettings
from gateway.config.settings import RouteSettings, Settings
from gateway.policies.callers import CallerKeys, Entry, Limits, Need, Quotas, Rate, with_key
from gateway.protocol.headers import CALLER


def build_entry(settings: Settings) -> Entry | None:
    """How callers say who they are; ``None`` where nobody has to."""
    if not asks(settings):
        return None
    return Entry(settings.caller_header.lower(), tuple(map(_keys, settings.callers)))


# Ten a second: far more than a caller meets who retries as they are told, and a week for guessing six digits.
DEFAULT_REFUSALS = Rate(600, 60)


def build_limits(settings: Settings) -> Limits:
    """What is counted, and where."""
    limits = settings.limits
    refusals = limits.refusals or (DEFAULT_REFUSALS if asks(settings) else None)
    return Limits(refusals, limits.redis or settings.store.redis or "")


def asks(settings: Settings) -> bool:
    """Whether callers have to say who they are, on any route."""
    return bool(settings.callers)


def need_of(settings: Settings, route: RouteSettings) -> Need:
    """What a route asks of its callers."""
    if not asks(settings):
        return Need.NONE
    return Need.REQUIRED if route.callers is None else route.callers


def credentials(settings: Settings) -> frozenset[str]:
    """The fields by which callers show who they are, in lower case."""
    return frozenset({settings.caller_header.lower()} if settings.callers else ())


def scope_of(settings: Settings, route: RouteSettings, policy: PolicySettings) -> tuple[str, ...]:
    """What tells callers apart. A credential is changed for another while its owner stays who they are, so the caller
    whom it names stands for it."""
    names = tuple(name.lower() for name in policy.scope.headers)
    if need_of(settings, route) is Need.NONE:
        return names
    ends_here = credentials(settings)
    return (*(name for name in names if name not in ends_here), CALLER.decode())


def _keys(caller: CallerSettings) -> CallerKeys:
    given = [*([caller.key] if caller.key is not None else []), *caller.keys]
    return CallerKeys(
        with_key(caller.name, None if caller.routes is None else frozenset(caller.routes), _quotas(caller.quotas)),
        frozenset(digest for each in given if each.file is None for digest in each.digests),
        tuple(each.file for each in given if each.file is not None),
    )


def _quotas(quotas: QuotaSettings) -> Quotas:
    return Quotas(quotas.calls, quotas.rate)
