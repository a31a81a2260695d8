"""Which key a request carries under a policy, and the claim that follows from it."""

from dataclasses import dataclass
from datetime import timedelta

from gateway.policies.callers import KnownCaller
from gateway.policies.policy import KeySource, OnChange, Policy, UpstreamKeyMode
from gateway.policies.routing import Route
from gateway.protocol import problems
from gateway.protocol.fingerprint import Body, Digester, RequestFacts, point, pointer_tokens
from gateway.protocol.headers import Headers, values
from gateway.protocol.json_text import Literal, read_json
from gateway.protocol.key import KeyFault, check_length, parse_key, write_key
from gateway.protocol.model import Claim, Holder
from gateway.protocol.problems import Problem
from gateway.protocol.terms import OnUnknown


@dataclass(frozen=True, slots=True)
class Unguarded:
    """The request carries no key, and its route does not ask for one."""


def header_key(policy: Policy, headers: Headers) -> str | Problem | Unguarded | None:
    """The key as far as the head tells; ``None`` where the body has to be read for it."""
    rule = policy.key
    if rule.source is not KeySource.HEADER:
        return None
    found = parse_key(values(headers, rule.header.encode()), shortest=rule.shortest, longest=rule.longest)
    return _ruled(policy, f"the header {rule.header}", found)


def body_key(policy: Policy, body: Body) -> str | Problem | Unguarded:
    """The key that a JSON body carries at the policy's pointer."""
    rule = policy.key
    return _ruled(policy, f"the body's value at {rule.pointer}", _key_in(body, policy))


def _key_in(body: Body, policy: Policy) -> str | KeyFault | None:
    """``None`` only of a body that certainly has no key: what cannot be read for sure is never sent unguarded."""
    if not body.size:
        return None
    try:
        value = point(read_json(b"".join(body.chunks())), pointer_tokens(policy.key.pointer))
    except LookupError:
        return None
    except ValueError as fault:
        return KeyFault(f"cannot be read: the body {fault}")
    if value is None:
        return None
    if not isinstance(value, str) or (isinstance(value, Literal) and not value.whole):
        return KeyFault("is not a string or a whole number")
    if not value.isprintable():
        return KeyFault("has characters that cannot be printed")
    return check_length(str(value), shortest=policy.key.shortest, longest=policy.key.longest)


def _ruled(policy: Policy, name: str, found: str | KeyFault | None) -> str | Problem | Unguarded:
    if isinstance(found, KeyFault):
        return problems.key_invalid(name[0].upper() + name[1:], found.clause)
    if found is None:
        return problems.key_missing(name) if policy.key.required else Unguarded()
    return found


def claim_for(
    route: Route,
    digester: Digester,
    facts: RequestFacts,
    key: str | None,
    owner: bytes,
    left: bytes | None = None,
    who: KnownCaller | None = None,
) -> Claim:
    """The claim of one call. ``key`` is ``None`` where the fingerprint stands for it; ``left``: what it leaves to be
    asked with (``Reconcile.leave``); ``who``: the caller, where the gateway knows them."""
    others: tuple[Claim, ...] = ()
    if digester.others:
        others = tuple(claim_for(route, other, facts, key, owner, left, who) for other in digester.others)
    policy = route.policy
    identity = digester.identity(facts, policy.recipe)
    scope = identity.scope if policy.on_change is OnChange.SEPARATE else None
    text = identity.fingerprint.hex() if key is None else key
    return Claim(
        id=digester.record_id(policy.namespace, text, scope),
        owner=owner,
        identity=identity,
        lease=route.lease,
        retention=policy.retention,
        identify=lambda recipe: digester.identity(facts, recipe),
        takeover=_takeover(route),
        route=route.name,
        key_id=None if scope is None else digester.record_id(policy.namespace, text, None),
        values=left,
        holder=None if who is None else _holder(digester, who),
        others=others,
    )


def _holder(digester: Digester, who: KnownCaller) -> Holder:
    """Only a caller with a quota has their keys counted."""
    counts = who.quotas.stored_keys is not None
    return Holder(who.label, bytes.fromhex(digester.counted(who.identity)) if counts else b"")


def _takeover(route: Route) -> timedelta | None:
    """How long after the first sending another may be granted: it, too, has to arrive while the upstream remembers."""
    policy = route.policy
    if policy.terms.on_unknown is not OnUnknown.RETRY or policy.upstream_retention is None:
        return None
    return policy.upstream_retention - route.target.timeouts.total


def upstream_key(policy: Policy, digester: Digester, key: str | None) -> bytes | None:
    """The field value that tells the upstream the key; ``None`` where none is sent.

    A key that came in the body goes there with the body, and a fingerprint is nobody's key: ``forward`` adds no header
    for either.
    """
    match policy.upstream_key.mode:
        case UpstreamKeyMode.FORWARD if key is not None and policy.key.source is KeySource.HEADER:
            return write_key(key, policy.upstream_key.form)
        case UpstreamKeyMode.DERIVE if key is not None:
            return write_key(digester.derived_key(key), policy.upstream_key.form)
        case _:
            return None
