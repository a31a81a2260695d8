"""What is said of ``reconcile``: what it lacks, what would find a call that is another one, and what has no effect.

A release that rests on a wrong answer sends a call twice, and a settlement that does tells a caller of somebody else's
charge; so a question that is about no call in particular, or an answer that proves nothing, is refused here.
"""

from collections.abc import Iterator, Sequence

from gateway.config.findings import NOT_TO_BE_SET, Findings, Path, clash, idle
from gateway.config.policy_settings import PolicySettings
from gateway.config.reconcile_settings import FoundSettings, ReconcileSettings, RuleSettings, WhereSettings
from gateway.policies.policy import OnChange, UpstreamKeyMode
from gateway.policies.templates import Slot, Source, Template
from gateway.protocol.headers import HOP_BY_HOP, MARKS
from gateway.protocol.terms import OnUnknown

_AT: Path = ("reconcile",)
_REQUEST: Path = ("reconcile", "request")

# Whom an answer concerns is settled before it says anything of a call; nor does a failure say anything.
_SAYS_NOTHING = frozenset(
    {401, 402, 403, 405, 407, 408, 421, 425, 426, 429, 431, 451, *range(300, 400), *range(500, 600)}
)

_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})


def reconciling(policy: PolicySettings) -> Findings:
    """Every finding about ``reconcile`` on a route."""
    given = policy.reconcile
    if policy.on_unknown is not OnUnknown.RECONCILE:
        yield from idle(policy, _AT, "only on_unknown: reconcile asks the upstream; write that, or remove it")
        return
    if given is None:
        told = "needs reconcile: {request: {path: ...}, rules: [...]}, what to ask and what the answers mean; add it"
        yield from clash(told, ("on_unknown",))
        return
    yield from _lacking(given)
    yield from _request(policy, given)
    yield from _places(policy, given)
    for number, rule in enumerate(given.rules):
        yield from _rule(policy, given, rule, ("reconcile", "rules", number))
    yield from _never_reached(given)
    yield from _times(policy, given)


def _lacking(given: ReconcileSettings) -> Findings:
    if given.request.path is None:
        yield from clash("needs request.path, what the upstream is asked; add it", _AT)
    elif not (slots_of(given) if all(rule.not_found is None for rule in given.rules) else given.request.path.slots):
        # Where nothing says "not found", a list of all calls may be searched for one.
        told = "asks about no call in particular; put {key}, {header:Name}, {body:/pointer} or {form:name} in it"
        yield from clash(told, (*_REQUEST, "path"))
    if not given.rules:
        yield from clash("needs rules, what the answers mean, such as - not_found: {status: [404]}; add them", _AT)


def _request(policy: PolicySettings, given: ReconcileSettings) -> Findings:
    request = given.request
    if request.method not in ("GET", "HEAD") and not request.safe:
        told = f"may be executed: write GET or HEAD, or safe: true where {request.method} only looks something up"
        yield from clash(told, (*_REQUEST, "method"))
    if request.method in ("GET", "HEAD"):
        yield from idle(policy, (*_REQUEST, "safe"), f"{request.method} is safe; remove it")
    if not request.timeout:
        yield from clash("must be longer than 0s", (*_REQUEST, "timeout"))
    seen: set[str] = set()
    for name in request.headers:
        place = (*_REQUEST, "headers")
        if name.lower().encode() in NOT_TO_BE_SET | MARKS:
            yield from clash(f"holds {name}, which the gateway writes itself; remove it", place)
        if name.lower() in seen:
            yield from clash(f"holds {name} twice, in other letters; keep one", place)
        seen.add(name.lower())


def _places(policy: PolicySettings, given: ReconcileSettings) -> Findings:
    """What a place may take from a call."""
    own, sent = policy.key, policy.upstream_key.mode
    slots = slots_of(given)
    if policy.scope.on_change is OnChange.SEPARATE and slots and all(slot.source is Source.KEY for slot in slots):
        told = "asks by {key} alone, which two callers may both use (scope.on_change: separate); ask by another value"
        yield from clash(told, _AT)
    kept_apart = _CREDENTIALS | {name.lower() for name in policy.scope.headers}
    for slot in slots_of(given):
        if slot.source is Source.HEADER and slot.name in kept_apart:
            told = f"keeps the caller's {slot.name} with the call; name a credential of the gateway's own instead"
            yield from clash(told, _AT)
        if slot.source is not Source.KEY:
            continue
        if own.derive is not None:
            yield from clash("asks by {key}, and with key.derive no call has one; ask by another value", _AT)
        elif own.body is None and sent is not UpstreamKeyMode.FORWARD:
            told = f"asks by {{key}}, which the upstream never got with upstream_key: {sent}; ask by another value"
            yield from clash(told, _AT)


def _rule(policy: PolicySettings, given: ReconcileSettings, rule: RuleSettings, place: Path) -> Findings:
    if (absent := rule.not_found) is not None:
        yield from _statuses(absent.statuses, (*place, "not_found"))
        return
    found = rule.found or FoundSettings()
    at = (*place, "found")
    yield from _statuses(found.status, at)
    if found.first is not None and not found.where:
        yield from clash("takes any element of a list for the call; add where, which tells the call's own", at)
    elif not found.where and not _in_path(given):
        told = "takes any answer for the call, because the call's value is not in the path; add where"
        yield from clash(told, at)
    elif found.where and not _in_path(given) and not any(_of_the_call(found.where)):
        told = "takes another call's for the call: nothing in where is the call's own; compare with {key} or the like"
        yield from clash(told, (*at, "where"))
    yield from _answer(policy, found, (*at, "answer"))


def _statuses(statuses: Sequence[int], place: Path) -> Findings:
    if wrong := sorted(set(statuses) & _SAYS_NOTHING):
        told = f"holds {', '.join(map(str, wrong))}, which says nothing of the call; take it out"
        yield from clash(told, (*place, "status"))
    if not statuses:
        yield from clash("names no status, so that no answer is meant; name one", (*place, "status"))


def _answer(policy: PolicySettings, found: FoundSettings, place: Path) -> Findings:
    never = HOP_BY_HOP | MARKS | {b"set-cookie", b"content-length"}
    if wrong := [name for name in found.answer.headers if name.lower().encode() in never]:
        yield from clash(f"holds {', '.join(wrong)}, which no replay says so; remove it", (*place, "headers"))
    if policy.keep.body == "never":
        for name in ("headers", "body"):
            yield from idle(policy, (*place, name), "keep.body: never keeps no answer; remove one of them")
    if found.answer.status in (204, 304):
        why = f"an answer with status {found.answer.status} has no body; remove one of them"
        yield from idle(policy, (*place, "body"), why)


def _never_reached(given: ReconcileSettings) -> Findings:
    """Behind a rule that asks for nothing but a status."""
    taken: set[int] = set()
    for number, rule in enumerate(given.rules):
        found, absent = rule.found, rule.not_found
        statuses = absent.statuses if absent is not None else (found or FoundSettings()).status
        if statuses and set(statuses) <= taken:
            told = "is never reached: the rules before it take all answers with its status; put it before them"
            yield from clash(told, ("reconcile", "rules", number))
        plain = absent is not None and absent.empty is None and not absent.where
        if plain or (found is not None and found.first is None and not found.where):
            taken |= set(statuses)


def _times(policy: PolicySettings, given: ReconcileSettings) -> Findings:
    pause, quiet = given.pause, given.quiet_period
    if not pause.first:
        yield from clash("must be longer than 0s", ("reconcile", "pause", "first"))
    if pause.first > pause.longest:
        told = "is longer than pause.longest, which bounds it; shorten it, or lengthen pause.longest"
        yield from clash(told, ("reconcile", "pause", "first"), ("reconcile", "pause", "longest"))
    if not any(rule.not_found is not None for rule in given.rules):
        why = "no rule says not_found; add one, or remove it"
        yield from idle(policy, ("reconcile", "quiet_period"), why)
    elif quiet is not None and quiet >= policy.retention.unknown:
        told = "is as long as retention.unknown, so that no call is ever released; shorten it"
        yield from clash(told, ("reconcile", "quiet_period"), ("retention", "unknown"))


def slots_of(given: ReconcileSettings) -> tuple[Slot, ...]:
    """Of the request, and of what its answers are compared with."""
    headers = [each for each in given.request.headers.values() if isinstance(each, Template)]
    asked = [*([given.request.path] if given.request.path else []), *headers]
    compared = [
        each.equals
        for rule in given.rules
        for part in (rule.found, rule.not_found)
        if part is not None
        for each in part.where
        if isinstance(each.equals, Template)
    ]
    return tuple(dict.fromkeys(slot for template in (*asked, *compared) for slot in template.slots))


def _in_path(given: ReconcileSettings) -> bool:
    """Whether what is asked for is one thing, named by its path, and not a list or a search."""
    for piece in given.request.path.pieces if given.request.path else ():
        if isinstance(piece, Slot):
            return True
        if "?" in piece:
            return False
    return False


def _of_the_call(where: Sequence[WhereSettings]) -> Iterator[bool]:
    for each in where:
        yield isinstance(each.equals, Template) and bool(each.equals.slots)
