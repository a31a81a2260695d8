"""Settings, already validated, as the frozen values that the core is built from."""

from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from gateway.config.caller_building import (
    build_entry,
    build_limits,
    build_tokens,
    ends_here,
    need_of,
    scope_of,
)
from gateway.config.configuration import AdminToken, Configuration, ReplayCache, StoreChoice
from gateway.config.otlp import Otlp
from gateway.config.policy_settings import Key, PolicySettings
from gateway.config.reconcile_building import added_of, build_reconcile
from gateway.config.settings import (
    DigestSettings,
    DownstreamSettings,
    ListenTlsSettings,
    RouteSettings,
    Settings,
    StoreSettings,
    TimeoutSettings,
    UpstreamSettings,
)
from gateway.config.shapes import Shape
from gateway.config.urls import BaseUrl
from gateway.policies.downstream import CallLimits, Downstream, Patience
from gateway.policies.policy import KeyRule, KeySource, Policy, UpstreamKey
from gateway.policies.reconciling import Reconcile
from gateway.policies.routing import Match, Route, RouteTable, Target, Timeouts, Tls
from gateway.protocol.model import Recipe, Retention
from gateway.protocol.terms import UNKNOWN_WHERE_ASKED, OnUnknown, Terms

AnyShape = TypeVar("AnyShape", bound=Shape)

# After the longest call, so that its settlement is written too.
GRACE_MARGIN = timedelta(seconds=5)

# Deduplication by content: long enough for a retry, short enough for the same order tomorrow.
DERIVED_RESPONSE, DERIVED_KEY = timedelta(minutes=5), timedelta(0)


def build(settings: Settings, otlp: Otlp) -> Configuration:
    """The configuration that settings stand for; ``otlp`` comes from the environment alone."""
    routes = [build_route(settings, route) for route in settings.routes]
    longest = max(route.target.timeouts.total for route in routes)
    return Configuration(
        listen=settings.listen.address,
        listen_tls=_listen_tls(settings.listen.tls),
        admin_listen=settings.admin.listen,
        admin_tokens=tuple(
            AdminToken(each.name, each.role, each.token.value, each.token.file) for each in settings.admin.tokens
        ),
        downstream=_downstream(settings.downstream),
        entry=build_entry(settings),
        tokens=build_tokens(settings),
        limits=build_limits(settings),
        store=_store(settings.store),
        replay_cache=ReplayCache(settings.replay_cache.max_bytes, settings.replay_cache.max_age),
        digest_keys=_digest_keys(settings.digest),
        encryption_keys=tuple(settings.encryption.keys),
        shutdown_grace=longest + GRACE_MARGIN if settings.shutdown_grace is None else settings.shutdown_grace,
        shutdown_delay=settings.shutdown_delay,
        routes=RouteTable(routes),
        problem_base_url=settings.problem_base_url,
        public_url=origin(settings.public_url) if settings.public_url else None,
        log_format=settings.log.format,
        workers=settings.workers,
        log_level=settings.log.level,
        otlp=otlp,
        log_sample=settings.log.calls.sample,
        log_most=settings.log.calls.most,
    )


def _digest_keys(digest: DigestSettings) -> tuple[bytes | None, ...]:
    if not digest.keys:
        return (digest.key,)
    return tuple(None if isinstance(key, str) else key for key in digest.keys)


def _listen_tls(tls: ListenTlsSettings | None) -> Tls | None:
    return None if tls is None else Tls(None, tls.certificate, tls.key)


def _downstream(downstream: DownstreamSettings) -> Downstream:
    timeout = downstream.timeout
    return Downstream(
        Patience(
            timeout.head, timeout.body, timeout.total, timeout.answer, timeout.idle, least_rate=downstream.least_rate
        ),
        downstream.max_connections,
        downstream.max_calls,
    )


def _store(store: StoreSettings) -> StoreChoice:
    if store.memory:
        return StoreChoice("memory", "")
    if store.postgres is not None:
        return StoreChoice("postgres", "", store.postgres, store.redis or "")
    if store.redis is not None:
        return StoreChoice("redis", "", store.redis)
    return StoreChoice() if store.sqlite is None else StoreChoice("sqlite", store.sqlite)


def origin(url: BaseUrl) -> str:
    """Scheme, host, and the port where it is not the scheme's own."""
    return Target(url.scheme, url.host, url.port).origin


def build_route(settings: Settings, route: RouteSettings) -> Route:
    """One route, its policy laid over the one for all."""
    match = route.match
    target = _target(route.upstream, ends=ends_here(settings))
    policy = merged_policy(settings.policy, route.policy)
    return Route(
        name=route.name,
        match=Match(
            host=match.host,
            path=match.path,
            methods=frozenset(match.methods),
            strip_prefix=match.strip_prefix,
            ambiguous_paths=match.ambiguous_paths == "pass",
        ),
        target=target,
        policy=build_policy(policy, target, scope_of(settings, route, policy)),
        calls=CallLimits(route.calls.max, route.calls.per_caller),
        callers=need_of(settings, route),
    )


def merged_policy(general: PolicySettings, special: PolicySettings) -> PolicySettings:
    """What is set for the route, then what is set for all, then the defaults; field by field."""
    return _laid_over(general, special)


def _laid_over(below: AnyShape, above: AnyShape) -> AnyShape:
    changes: dict[str, object] = {}
    for name in above.model_fields_set:
        value, under = getattr(above, name), getattr(below, name)
        parts = isinstance(value, Shape) and isinstance(under, Shape)
        changes[name] = _laid_over(under, value) if parts else value
    return below.model_copy(update=changes)


def _target(upstream: UpstreamSettings, ends: frozenset[str]) -> Target:
    """``ends``: fields that show the gateway who calls, and nobody behind it."""
    url, tls = upstream.url, upstream.tls
    return Target(
        scheme=url.scheme,
        host=url.host,
        port=url.port,
        base_path=url.path,
        timeouts=_timeouts(upstream.timeout),
        keep_alive=upstream.keep_alive,
        max_connections=upstream.max_connections,
        tls=Tls(tls.ca, tls.certificate, tls.key),
        added=added_of(upstream.headers.set),
        remove_headers=frozenset(name.lower().encode() for name in (*upstream.headers.remove, *ends)),
        forwarded=upstream.forwarded,
        refuse_private_addresses=upstream.refuse_private_addresses,
        http2=upstream.http == "2",
        believe_refusals=upstream.believe_refusals,
        proxy=None if upstream.proxy is None else replace(upstream.proxy, ca=upstream.proxy_ca),
    )


def _timeouts(timeout: TimeoutSettings) -> Timeouts:
    """What was not set is never longer than what ends the call, or its caller's patience."""
    response = min(timeout.response, timeout.total)
    return Timeouts(min(timeout.connect, response), response, timeout.total, timeout.idle)


def build_policy(policy: PolicySettings, target: Target, scope: tuple[str, ...]) -> Policy:
    """A policy of the core."""
    terms = Terms(
        not_executed=_not_executed_statuses(policy, target),
        unknown=_unknown_statuses(policy),
        on_conflict=policy.on_conflict,
        on_unknown=policy.on_unknown,
        on_store_down=policy.on_store_down,
    )
    recipe = Recipe(
        body=policy.fingerprint.body,
        exclude=tuple(policy.fingerprint.exclude),
        headers=tuple(name.lower() for name in policy.fingerprint.headers),
        scope=scope,
    )
    return Policy(
        methods=frozenset(policy.methods),
        namespace=policy.namespace or target.origin,
        key=_key(policy.key),
        on_change=policy.scope.on_change,
        recipe=recipe,
        wait_timeout=policy.wait_timeout,
        terms=terms,
        upstream_retention=policy.upstream_retention,
        reconcile=_reconcile(policy, target),
        retention=_retention(policy),
        keep_body=policy.keep.body == "always",
        drop_headers=frozenset(name.lower().encode() for name in policy.keep.drop_headers),
        max_request_body=policy.request.max_body,
        max_response_body=policy.response.max_body,
        upstream_key=UpstreamKey(
            policy.upstream_key.mode, policy.upstream_key.header or policy.key.header, policy.upstream_key.form
        ),
    )


def _not_executed_statuses(policy: PolicySettings, target: Target) -> frozenset[int]:
    """With 407 a proxy that forwards turns a request away for want of credentials: it has not passed it on."""
    given = frozenset(policy.not_executed_statuses)
    ours = target.forwarded_by_proxy and "not_executed_statuses" not in policy.model_fields_set
    return given | ({407} - frozenset(policy.unknown_statuses)) if ours else given


def _unknown_statuses(policy: PolicySettings) -> frozenset[int]:
    """Who can learn the truth is in doubt about more: by the next answer to the same key, or by asking."""
    if (
        policy.on_unknown in (OnUnknown.RETRY, OnUnknown.RECONCILE)
        and "unknown_statuses" not in policy.model_fields_set
    ):
        return UNKNOWN_WHERE_ASKED - frozenset(policy.not_executed_statuses)
    return frozenset(policy.unknown_statuses)


def _reconcile(policy: PolicySettings, target: Target) -> Reconcile | None:
    if policy.on_unknown is not OnUnknown.RECONCILE or policy.reconcile is None:
        return None
    return build_reconcile(policy.reconcile, target.timeouts.total)


def _key(key: Key) -> KeyRule:
    source = KeySource.FINGERPRINT if key.derive else KeySource.HEADER if key.body is None else KeySource.BODY
    return KeyRule(source, key.header.lower(), key.body or "", key.required, key.min_length, key.max_length)


def _retention(policy: PolicySettings) -> Retention:
    given, derived = policy.retention, policy.key.derive is not None
    unset = {"response", "key"} - given.model_fields_set if derived else set[str]()
    return Retention(
        response=DERIVED_RESPONSE if "response" in unset else given.response,
        key=DERIVED_KEY if "key" in unset else given.key,
        unknown=given.unknown,
    )
