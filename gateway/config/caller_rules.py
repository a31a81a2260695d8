"""What is said of callers: names and keys that are two callers', routes that are none, and settings without effect.

A rule that is ignored is worse here than anywhere else: whoever wrote it believes that somebody is kept out.
"""

from collections.abc import Iterator, Sequence

from gateway.config.building import merged_policy
from gateway.config.caller_building import asks, credentials, need_of
from gateway.config.caller_settings import CallerSettings
from gateway.config.documents import Place
from gateway.config.findings import NOT_TO_BE_SET, Path, written
from gateway.config.policy_settings import PolicySettings
from gateway.config.reconcile_rules import slots_of
from gateway.config.settings import Settings
from gateway.policies.callers import Need
from gateway.policies.templates import Source
from gateway.protocol.headers import MARKS

Complaints = Iterator[tuple[Place, str]]

# What the gateway or its upstream reads by itself, so that a caller's key in it would be another thing too.
_TAKEN = frozenset({b"authorization", b"cookie", b"content-type", b"content-encoding", b"idempotency-key"})


def caller_complaints(settings: Settings) -> Complaints:
    """What stands outside of routes."""
    counts = settings.limits.refusals is not None or asks(settings)
    if settings.limits.redis is not None and not counts:
        yield ("limits", "redis"), "has no effect: nothing is counted; add refusals, or callers, or remove it"
    listed = written(settings, ("callers",))
    if listed and not asks(settings):
        yield ("callers",), "lets nobody in; add one, or remove it, and whoever reaches the gateway may call"
    if not asks(settings):
        if written(settings, ("caller_header",)) and not listed:
            yield ("caller_header",), "has no effect: there are no callers; add them, or remove it"
        for index in range(len(settings.routes)):
            if written(settings.routes[index], ("callers",)) and not listed:
                yield ("routes", index, "callers"), "has no effect: no callers are configured; add them, or remove it"
        return
    if settings.caller_header.lower().encode() in NOT_TO_BE_SET | MARKS | _TAKEN:
        told = f"cannot be {settings.caller_header}, which means something else already"
        yield ("caller_header",), f"{told}; name another header, such as X-Gateway-Key"
    if written(settings, ("caller_header",)) and all(each.subject is not None for each in settings.callers):
        yield ("caller_header",), "has no effect: no caller has a key; remove it"
    yield from _names(settings.callers)
    yield from _keys(settings.callers)
    yield from _routes(settings)
    yield from _quotas(settings)


def _names(callers: Sequence[CallerSettings]) -> Complaints:
    names: dict[str, int] = {}
    for index, each in enumerate(callers):
        if each.name in names:
            yield ("callers", index, "name"), f"is the name of caller {names[each.name]} too; give it one of its own"
        names.setdefault(each.name, index)


def _keys(callers: Sequence[CallerSettings]) -> Complaints:
    """A key has to tell one caller."""
    owners: dict[bytes, int] = {}
    for index, each in enumerate(callers):
        if each.key is None and not each.keys and each.subject is None:
            yield ("callers", index), "has no key, so that nobody can be it; add key: sha256:HEX"
        given: list[tuple[Path, frozenset[bytes]]] = [] if each.key is None else [(("key",), each.key.digests)]
        given += [(("keys", number), key.digests) for number, key in enumerate(each.keys)]
        for path, digests in given:
            for digest in digests:
                if digest in owners:
                    whose = "this caller" if owners[digest] == index else f"caller {owners[digest]}"
                    yield ("callers", index, *path), f"holds a key that {whose} has already; make another one"
                owners.setdefault(digest, index)


def _routes(settings: Settings) -> Complaints:
    needs = {route.name: need_of(settings, route) for route in settings.routes}
    if all(need is Need.NONE for need in needs.values()):
        yield (
            ("callers" if settings.callers else "jwt",),
            "has no effect: callers: none stands on every route; remove it there, or here",
        )
        return
    for index, each in enumerate(settings.callers):
        place: Place = ("callers", index, "routes")
        if each.routes == []:
            yield place, "lets this caller use no route; name some, or remove the caller"
        for number, name in enumerate(each.routes or []):
            if name not in needs:
                yield (*place, number), f"is no route; there are: {', '.join(needs)}"
            elif needs[name] is Need.NONE:
                yield (*place, number), "has no effect: that route has callers: none; remove one of them"


def _quotas(settings: Settings) -> Complaints:
    most = settings.downstream.max_calls
    for index, each in enumerate(settings.callers):
        if each.quotas.calls is not None and each.quotas.calls > most:
            told = f"has no effect: downstream.max_calls lets all callers together have {most}; lower it, or raise that"
            yield ("callers", index, "quotas", "calls"), told
        if each.quotas.stored_keys is not None and not keep_keys(settings, each.routes):
            yield ("callers", index, "quotas", "stored_keys"), NO_KEYS


NO_KEYS = "has no effect: no route that they may use guards a call, so that no key of theirs is stored; remove it"


def keep_keys(settings: Settings, names: Sequence[str] | None) -> bool:
    """Whether a route guards calls of callers who may use these; ``None``: all."""
    return any(
        merged_policy(settings.policy, route.policy).methods
        for route in settings.routes
        if need_of(settings, route) is not Need.NONE and (names is None or route.name in names)
    )


def credential_complaints(settings: Settings, index: int, unread: frozenset[str]) -> Complaints:
    """Settings of a route's policy that take a credential for something else; ``unread``: parts that are not known."""
    route = settings.routes[index]
    if need_of(settings, route) is Need.NONE:
        return
    policy = merged_policy(settings.policy, route.policy)
    for path, name in _named(policy):
        if name.lower() not in credentials(settings) or path[0] in unread:
            continue
        if path == ("scope", "headers") and not any(written(each, path) for each in (route.policy, settings.policy)):
            continue  # The default, of which a credential is taken out.
        own = written(route.policy, path[:2])
        place: Place = ("routes", index, "policy", *path[:2]) if own else ("policy", *path[:2])
        yield place, f"holds {name}, by which a caller shows who they are, and which they may change; {_INSTEAD[path]}"


_INSTEAD = {
    ("key", "header"): "name another header",
    ("upstream_key", "header"): "name another header",
    ("fingerprint", "headers"): "take it out",
    ("scope", "headers"): "take it out: the caller is part of the scope by itself",
    ("reconcile", "request"): "name a credential of the gateway's own instead",
}


def _named(policy: PolicySettings) -> Iterator[tuple[tuple[str, str], str]]:
    if policy.key.body is None and policy.key.derive is None:
        yield ("key", "header"), policy.key.header
    if policy.upstream_key.header is not None:
        yield ("upstream_key", "header"), policy.upstream_key.header
    yield from ((("fingerprint", "headers"), name) for name in policy.fingerprint.headers)
    yield from ((("scope", "headers"), name) for name in policy.scope.headers)
    if policy.reconcile is not None:
        slots = slots_of(policy.reconcile)
        yield from ((("reconcile", "request"), slot.name) for slot in slots if slot.source is Source.HEADER)
