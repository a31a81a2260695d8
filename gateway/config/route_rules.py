"""What a route's match and upstream say together with its policy; places are given from the route on."""

from collections.abc import Iterator

from gateway.config.findings import NOT_TO_BE_SET, written
from gateway.config.policy_settings import PolicySettings
from gateway.config.settings import MatchSettings, RouteSettings, TlsSettings, UpstreamSettings
from gateway.config.way_rules import way_complaints
from gateway.policies.addresses import private
from gateway.policies.policy import UpstreamKeyMode
from gateway.policies.published import PATH
from gateway.policies.routing import Match, host_without_port
from gateway.protocol.headers import MARKS
from gateway.protocol.terms import OnUnknown

Path = tuple[str, ...]
Complaints = Iterator[tuple[Path, str]]

_FORWARDED = frozenset({b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"})


def match_complaints(route: RouteSettings, policy: PolicySettings) -> Complaints:
    """What a route covers, and what its policy guards of that."""
    match, guarded = route.match, set(policy.methods)
    if match.path == PATH:
        yield ("match", "path"), f"has no effect: the gateway itself answers {PATH}; choose another path"
    prefix = match.strip_prefix
    if prefix == "/":
        yield ("match", "strip_prefix"), "has no effect: every path begins with a slash; remove it"
    elif prefix and not Match(path=prefix).covers("", match.path, ""):
        told = f"is not where match.path ({match.path}) begins, up to a slash, so that it would not always apply"
        yield ("match", "strip_prefix"), f"{told}; make match.path begin with it"
    if not match.methods or not guarded:
        return
    if not guarded & set(match.methods):
        told = "holds none of the methods that the policy guards, so that nothing is guarded here"
        yield ("match", "methods"), f"{told}; add one, or write policy.methods: [] if that is meant"
    elif written(route.policy, ("methods",)) and (idle := sorted(guarded - set(match.methods))):
        yield ("policy", "methods"), f"guards {', '.join(idle)}, which match.methods keeps out; remove one of them"


def shadowed(earlier: MatchSettings, later: MatchSettings) -> bool:
    """Whether ``earlier`` takes every request that ``later`` covers."""
    if earlier.host and earlier.host not in (later.host, host_without_port(later.host)):
        return False
    if earlier.methods and not (later.methods and set(later.methods) <= set(earlier.methods)):
        return False
    return Match(path=earlier.path).covers("", later.path, "")


def upstream_complaints(upstream: UpstreamSettings, policy: PolicySettings, readable: frozenset[str]) -> Complaints:
    """Time-outs, TLS and headers; ``readable`` names the parts that may be judged."""
    if "timeout" in readable:
        yield from _timeouts(upstream)
        yield from _remembered(upstream, policy)
        yield from _quiet(upstream, policy)
    if "tls" in readable:
        yield from _tls(upstream.tls, plain="url" in readable and upstream.url.scheme == "http")
    yield from way_complaints(upstream, readable)
    if "url" in readable and upstream.refuse_private_addresses and _at_private(upstream.url.host):
        told = f"refuses the address of url itself ({upstream.url.host}), so that nothing is ever sent"
        yield ("refuse_private_addresses",), f"{told}; remove one of them"
    if {"headers", "keys"} <= readable:
        yield from _set_headers(upstream, policy)
        yield from _removed_headers(upstream, policy)


def _at_private(host: str) -> bool:
    try:
        return private(host)
    except ValueError:  # A name: what it stands for is known when it is connected to.
        return False


def _timeouts(upstream: UpstreamSettings) -> Complaints:
    timeout = upstream.timeout
    for name in ("connect", "response", "total", "idle"):
        if not getattr(timeout, name):
            yield ("timeout", name), "must be longer than 0s"
    for name in ("connect", "response"):
        if written(timeout, (name,)) and timeout.total and getattr(timeout, name) > timeout.total:
            told = f"is longer than timeout.total ({timeout.total.total_seconds():g}s), which ends the call"
            yield ("timeout", name), f"{told}; shorten it, or lengthen timeout.total"
    response = min(timeout.response, timeout.total)
    if written(timeout, ("connect",)) and response and response < timeout.connect <= timeout.total:
        told = f"is longer than timeout.response ({response.total_seconds():g}s), when the caller is answered"
        yield ("timeout", "connect"), f"{told}; shorten it, or lengthen timeout.response"


def _remembered(upstream: UpstreamSettings, policy: PolicySettings) -> Complaints:
    """A call that is sent again has to arrive while the upstream still remembers the first."""
    total, remembered = upstream.timeout.total, policy.upstream_retention
    if remembered is not None and policy.on_unknown is OnUnknown.RETRY and remembered <= total:
        told = f"has a call last longer than upstream_retention ({remembered.total_seconds():g}s), so that none is"
        yield ("timeout", "total"), f"{told} ever sent again; shorten it, or write on_unknown: hold"


def _quiet(upstream: UpstreamSettings, policy: PolicySettings) -> Complaints:
    """What is still on its way cannot be found yet, and must not count as never executed."""
    total, given = upstream.timeout.total, policy.reconcile
    quiet = given.quiet_period if given is not None and policy.on_unknown is OnUnknown.RECONCILE else None
    if quiet is not None and quiet < total:
        told = f"has a call last longer than reconcile.quiet_period ({quiet.total_seconds():g}s), so that one under way"
        yield ("timeout", "total"), f"{told} could be released; lengthen that"


def _tls(tls: TlsSettings, *, plain: bool) -> Complaints:
    if plain:
        for name in sorted(tls.model_fields_set):
            yield ("tls", name), "has no effect: the URL begins with http://; write https://, or remove it"
        return
    if tls.certificate is not None and tls.key is None:
        yield ("tls", "certificate"), "needs its key; add tls.key"
    if tls.key is not None and tls.certificate is None:
        yield ("tls", "key"), "needs its certificate; add tls.certificate"


def _set_headers(upstream: UpstreamSettings, policy: PolicySettings) -> Complaints:
    keys = {policy.key.header.lower().encode(), (policy.upstream_key.header or policy.key.header).lower().encode()}
    own = NOT_TO_BE_SET | MARKS | keys | (_FORWARDED if upstream.forwarded else frozenset())
    seen: set[str] = set()
    for name in upstream.headers.set:
        if name.lower().encode() in own:
            yield ("headers", "set", name), "is written by the gateway itself; remove it"
        if name.lower() in seen:
            yield ("headers", "set", name), "is set twice, in other letters; keep one"
        seen.add(name.lower())


def _removed_headers(upstream: UpstreamSettings, policy: PolicySettings) -> Complaints:
    removed = {name.lower(): name for name in upstream.headers.remove}
    for name in upstream.headers.set:
        if name.lower() in removed:
            told = f"holds {name}, which headers.set replaces anyway; remove one of them"
            yield ("headers", "remove"), told
    for lower, name in removed.items():
        if lower.encode() in NOT_TO_BE_SET - {b"accept-encoding"}:
            yield ("headers", "remove"), f"holds {name}, which the gateway never passes on as it came; remove it"
    sent = policy.upstream_key.header or policy.key.header
    forwards = policy.upstream_key.mode is not UpstreamKeyMode.DROP and policy.key.derive is None
    if forwards and policy.key.body is None and sent.lower() in removed:
        yield ("headers", "remove"), f"holds {sent}, in which the key goes upstream; write upstream_key: drop instead"
