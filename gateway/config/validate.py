"""What each setting alone cannot tell: settings that contradict each other, and settings without effect.

A setting that does nothing is a complaint, because whoever wrote it believes that it does something. Only what was
written counts, never a default. Where a part of the configuration could not be read, the rules that look at it say
nothing, and all others still do, so that every complaint is told at once.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sized
from datetime import timedelta

from gateway.config.building import build_route, merged_policy
from gateway.config.caller_building import need_of
from gateway.config.caller_rules import caller_complaints, credential_complaints
from gateway.config.documents import Place
from gateway.config.findings import Finding, written
from gateway.config.jwt_rules import jwt_complaints
from gateway.config.policy_rules import findings
from gateway.config.policy_settings import PolicySettings
from gateway.config.route_rules import match_complaints, shadowed, upstream_complaints
from gateway.config.settings import AdminTokenSettings, Settings
from gateway.config.units import Address
from gateway.policies.callers import Need
from gateway.protocol.terms import OnUnknown

# Law 6 of a record (``protocol.claims``) bears no more.
LONGEST_KEPT = timedelta(seconds=60)

Complaints = Iterator[tuple[Place, str]]

# Lists of which an empty one is as good as none, and what holds without any.
_LISTS: tuple[tuple[Place, Callable[[Settings], Sized], str], ...] = (
    (("encryption", "keys"), lambda settings: settings.encryption.keys, "without a key nothing is sealed"),
    (("digest", "keys"), lambda settings: settings.digest.keys, "without a key the store makes one and keeps it"),
    (
        ("admin", "tokens"),
        lambda settings: settings.admin.tokens,
        "without a token the admin API answers this machine alone",
    ),
)

_OF_CALLERS: tuple[Place, ...] = (("callers",), ("caller_header",), ("jwt",), ("limits",))


def complaints(settings: Settings, unread: frozenset[Place] = frozenset()) -> list[tuple[Place, str]]:
    """Every complaint about settings that could be read; ``unread`` are the parts that hold a stand-in."""
    judge = _Judge(settings, unread)
    return [*judge.top(), *judge.policies(), *judge.routes()]


class _Judge:
    """One configuration under judgement."""

    def __init__(self, settings: Settings, unread: frozenset[Place]) -> None:
        self._settings = settings
        self._unread = unread

    def _readable(self, *places: Place) -> bool:
        """Whether each place, and whatever it stands in, could be read."""
        return not any(place[:length] in self._unread for place in places for length in range(1, len(place) + 1))

    def top(self) -> Complaints:
        """What stands outside of routes."""
        settings = self._settings
        stores = [name for name in type(settings.store).model_fields if getattr(settings.store, name) is not None]
        if len(stores) > 1 and set(stores) != {"postgres", "redis"}:
            told = f"names {len(stores)} stores: {', '.join(stores[:-1])} and {stores[-1]}"
            yield ("store",), f"{told}; keep one, or postgres with redis in front of it"
        yield from self._empty()
        keys = settings.encryption.keys
        if keys and settings.store.memory:
            yield ("encryption",), "has no effect: a store in memory writes nothing down; remove one of them"
        if settings.workers > 1 and settings.store.memory:
            yield ("workers",), "must be 1 with a store in memory, which no other process sees; choose another store"
        if len(set(keys)) < len(keys):
            yield ("encryption", "keys"), "holds one key twice; remove one"
        digest = settings.digest
        if digest.key is not None and digest.keys:
            yield ("digest",), "has key and keys; key is short for keys with one in it: write them all there"
        if len(set(digest.keys)) < len(digest.keys):
            yield ("digest", "keys"), "holds one key twice; remove one"
        if self._readable(("listen",), ("admin",)) and _same_port(settings.listen.address, settings.admin.listen):
            place: Place = ("admin", "listen") if written(settings, ("admin", "listen")) else ("listen",)
            yield place, "is the address of both listeners; choose another port for one"
        yield from self._replay_cache()
        if self._readable(("admin",)):
            yield from _tokens(settings.admin.tokens)
        yield from self._downstream()
        yield from self._callers()
        totals = [
            route.upstream.timeout.total
            for index, route in enumerate(settings.routes)
            if self._readable(("routes", index, "upstream", "timeout"))
        ]
        if settings.shutdown_grace is not None and totals and settings.shutdown_grace < max(totals):
            told = f"is shorter than the longest timeout.total ({max(totals).total_seconds():g}s), so that a shutdown"
            yield ("shutdown_grace",), f"{told} would leave outcomes unknown; lengthen it, or leave it out"

    def _empty(self) -> Complaints:
        """Lists that were written, and hold nothing."""
        for place, given, without in _LISTS:
            if written(self._settings, place) and not given(self._settings):
                yield place, f"has no effect: it is empty, and {without}; add one, or remove it"

    def _replay_cache(self) -> Complaints:
        settings = self._settings
        if settings.replay_cache.max_age > LONGEST_KEPT:
            told = f"is longer than {LONGEST_KEPT.total_seconds():g}s, for which a process may keep an answer at most"
            yield ("replay_cache", "max_age"), f"{told}; shorten it"
        if settings.store.memory and written(settings, ("replay_cache",)):
            yield ("replay_cache",), "has no effect: a store in memory is as near as that; remove one of them"

    def _downstream(self) -> Complaints:
        """How slow callers may be, and how many."""
        downstream = self._settings.downstream
        timeout = downstream.timeout
        place: Place = ("downstream", "timeout")
        if self._readable(place):
            for name in type(timeout).model_fields:
                if not getattr(timeout, name):
                    yield (*place, name), "must be longer than 0s"
            if written(timeout, ("body",)) and timeout.body > timeout.total > timedelta(0):
                told = f"is longer than timeout.total ({timeout.total.total_seconds():g}s), which ends a body"
                yield (*place, "body"), f"{told}; shorten it, or lengthen timeout.total"
        if not downstream.least_rate:
            yield ("downstream", "least_rate"), "must be more than 0B: every caller would be fast enough"
        for index, route in enumerate(self._settings.routes):
            calls, most = route.calls, downstream.max_calls
            if not self._readable(("routes", index, "calls"), ("downstream", "max_calls")):
                continue
            if calls.max is not None and calls.max > most:
                told = f"has no effect: downstream.max_calls lets all routes together have {most}"
                yield ("routes", index, "calls", "max"), f"{told}; lower it, or raise that"
            elif written(calls, ("per_caller",)) and calls.per_caller > (calls.max or most):
                told = f"has no effect: there are {calls.max or most} calls at once in all; lower it, or remove it"
                yield ("routes", index, "calls", "per_caller"), told

    def _callers(self) -> Complaints:
        """Who may call, where all that has to do with it could be read."""
        if not self._readable(*_OF_CALLERS) or any(
            place[:1] == ("routes",) and len(place) < 4 for place in self._unread
        ):
            return
        yield from caller_complaints(self._settings)
        yield from jwt_complaints(self._settings)
        for index in range(len(self._settings.routes)):
            yield from credential_complaints(self._settings, index, self._unread_policy(index))

    def policies(self) -> Complaints:
        """What the policies say, told where it was written: on the route, else in the policy for all."""
        general, routes = self._settings.policy, self._settings.routes
        for_all: Counter[Finding] = Counter()
        for index, route in enumerate(routes):
            known = not self._readable(*_OF_CALLERS) or need_of(self._settings, route) is not Need.NONE
            merged = merged_policy(general, route.policy)
            for finding in findings(merged, self._unread_policy(index), known_callers=known):
                own = next((path for path in finding.settings if written(route.policy, path)), None)
                if own is None:
                    for_all[finding] += 1
                else:
                    yield ("routes", index, "policy", *own), finding.sentence
        known = not any(place[:1] == ("routes",) and len(place) < 4 for place in self._unread)
        for finding, count in for_all.items():
            if finding.harmful or (count == len(routes) and known):
                shared = next(path for path in finding.settings if written(general, path))
                yield ("policy", *shared), finding.sentence
        if all(not merged_policy(general, route.policy).methods for route in routes) and not self._unread:
            place: Place = (
                ("policy", "methods") if written(general, ("methods",)) else ("routes", 0, "policy", "methods")
            )
            yield place, "guards nothing on any route; name methods, such as [POST, PATCH]"

    def _unread_policy(self, index: int) -> frozenset[str]:
        """The parts of a route's policy that could not be read, on the route or for all."""
        names = frozenset(type(self._settings.policy).model_fields)
        own: Place = ("routes", index, "policy")
        return frozenset(name for name in names if not self._readable((*own, name), ("policy", name)))

    def routes(self) -> Complaints:
        """What each route says by itself, and next to the others."""
        names: dict[str, int] = {}
        for index, route in enumerate(self._settings.routes):
            place: Place = ("routes", index)
            if self._readable((*place, "name")):
                if route.name in names:
                    yield (*place, "name"), f"is the name of route {names[route.name]} too; give it one of its own"
                names.setdefault(route.name, index)
            policy = merged_policy(self._settings.policy, route.policy)
            unread = self._unread_policy(index)
            if self._readable((*place, "upstream")):
                for path, sentence in upstream_complaints(route.upstream, policy, self._readable_parts(index)):
                    yield (*place, "upstream", *path), sentence
            if self._readable(("encryption",), ("store",)) and not {"on_unknown", "reconcile"} & unread:
                yield from self._unsealed(index, policy)
            if self._readable((*place, "match")) and "methods" not in unread:
                for path, sentence in match_complaints(route, policy):
                    yield (*place, *path), sentence
        yield from self._hidden()
        yield from self._spaces()

    def _unsealed(self, index: int, policy: PolicySettings) -> Complaints:
        """Values of requests are kept to ask with, and never in the clear."""
        settings = self._settings
        if policy.on_unknown is not OnUnknown.RECONCILE or settings.encryption.keys or settings.store.memory:
            return
        told = "needs encryption.keys, because values of the request are kept to ask with; add encryption:"
        own = written(settings.routes[index].policy, ("on_unknown",))
        place: Place = ("routes", index, "policy", "on_unknown") if own else ("policy", "on_unknown")
        yield place, f"{told} {{keys: [file:///run/secrets/record-key]}}"

    def _readable_parts(self, index: int) -> frozenset[str]:
        place: Place = ("routes", index)
        names = ("url", "timeout", "tls", "headers", "proxy")
        parts = {name for name in names if self._readable((*place, "upstream", name))}
        keys = {"key", "upstream_key"}
        return frozenset(parts | {"keys"} if not keys & self._unread_policy(index) else parts)

    def _hidden(self) -> Complaints:
        matches = [
            (index, route.name, route.match)
            for index, route in enumerate(self._settings.routes)
            if self._readable(("routes", index, "match"))
        ]
        for number, (index, _, later) in enumerate(matches):
            for before, name, earlier in matches[:number]:
                if shadowed(earlier, later):
                    told = f"is never reached: route {before} ({name}) matches all of it first"
                    yield ("routes", index), f"{told}; put it before that one, or remove it"
                    break

    def _spaces(self) -> Complaints:
        """Two routes that share keys have to form them alike, or one key would be two."""
        spaces: dict[str, tuple[str, str]] = {}
        for index, route in enumerate(self._settings.routes):
            unread = {"key", "scope", "namespace"} & self._unread_policy(index)
            if unread or not self._readable(("routes", index, "upstream", "url")):
                continue
            policy = build_route(self._settings, route).policy
            name, space = spaces.setdefault(policy.namespace, (route.name, policy.key_space()))
            if space != policy.key_space():
                told = f"shares the namespace {policy.namespace} with route {name}, whose keys are formed otherwise"
                differ = f"({space}; here {policy.key_space()}); set policy.namespace, or form them alike"
                yield ("routes", index, "policy"), f"{told} {differ}"


def _tokens(tokens: list[AdminTokenSettings]) -> Complaints:
    """A name tells whose word it was, and a token has to tell whose name."""
    names: dict[str, int] = {}
    secrets: dict[bytes, int] = {}
    for index, each in enumerate(tokens):
        place: Place = ("admin", "tokens", index)
        if each.name in names:
            yield (*place, "name"), f"is the name of token {names[each.name]} too; give it one of its own"
        secret = each.token.value
        if secret in secrets:
            yield (*place, "token"), f"is the secret of token {secrets[secret]} too; make another one"
        names.setdefault(each.name, index)
        secrets.setdefault(secret, index)


def _same_port(one: Address, other: Address) -> bool:
    hosts = {one.host, other.host}
    everywhere = "0.0.0.0" in hosts and not any(":" in host for host in hosts)  # noqa: S104 - compared, not bound
    return one.port == other.port != 0 and (len(hosts) == 1 or everywhere)
