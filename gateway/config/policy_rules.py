"""What a policy's settings say together: those that contradict each other, and those without effect.

Only what was written counts, never a default. A rule sees the policy as it counts on one route; whether the route or
the policy for all wrote a setting is for ``validate`` to find out.
"""

from collections.abc import Callable

from gateway.config.findings import NOT_TO_BE_SET, Findings, clash, idle
from gateway.config.policy_settings import PolicySettings
from gateway.config.reconcile_rules import reconciling
from gateway.policies.policy import OnChange, UpstreamKeyMode
from gateway.protocol.headers import HOP_BY_HOP, MARKS
from gateway.protocol.model import BodyForm
from gateway.protocol.terms import OnConflict, OnUnknown


def findings(policy: PolicySettings, unread: frozenset[str], *, known_callers: bool = False) -> Findings:
    """Every finding about settings that were written and could be read. ``known_callers``: the scope has them too."""
    for reads, rule in _RULES:
        if not unread & reads and not (known_callers and rule is _scope):
            yield from rule(policy)


def _guarded(policy: PolicySettings) -> Findings:
    if not policy.methods:
        for name in sorted(policy.model_fields_set - {"methods"}):
            yield from idle(policy, (name,), "with methods: [] nothing is guarded; remove it, or name methods")


def _key_source(policy: PolicySettings) -> Findings:
    key = policy.key
    if key.body is not None and key.derive is not None:
        yield from clash(
            "is a second source of the key; keep key.derive or key.body", ("key", "derive"), ("key", "body")
        )
        return
    if key.body is not None:
        yield from idle(policy, ("key", "header"), "with key.body the key is in the body; keep one of them")
    if key.derive is not None:
        for name in ("header", "required", "min_length", "max_length"):
            yield from idle(policy, ("key", name), "with key.derive every request has a key; remove one of them")


def _key_header(policy: PolicySettings) -> Findings:
    key = policy.key
    if key.body is not None or key.derive is not None:
        return
    name = key.header.lower()
    if name.encode() in NOT_TO_BE_SET | MARKS:
        yield from clash(f"cannot be {key.header}, which ends at the gateway; name another header", ("key", "header"))
    for path, names in (
        (("fingerprint", "headers"), policy.fingerprint.headers),
        (("scope", "headers"), policy.scope.headers),
    ):
        if name in [other.lower() for other in names]:
            told = f"{key.header} is the key's own header, and with it two forms of one key would not be the same"
            yield from clash(f"{told}; take it out of {'.'.join(path)}", path, ("key", "header"))


def _key_length(policy: PolicySettings) -> Findings:
    if policy.key.min_length > policy.key.max_length:
        told = "leaves no key good: min_length is larger than max_length; mend one of them"
        yield from clash(told, ("key", "min_length"), ("key", "max_length"))


def _content_as_key(policy: PolicySettings) -> Findings:
    if policy.key.derive is not None and policy.fingerprint.body is BodyForm.NONE:
        told = "cannot be none with key.derive: every body sent to one target would count as the same call"
        yield from clash(told, ("fingerprint", "body"), ("key", "derive"))


def _fingerprint(policy: PolicySettings) -> Findings:
    exclude = policy.fingerprint.exclude
    if exclude and policy.fingerprint.body is not BodyForm.JSON:
        yield from idle(policy, ("fingerprint", "exclude"), "it needs fingerprint.body: json; write that, or remove it")
    if "" in exclude:
        told = "leaves out the whole body; write fingerprint.body: none instead"
        yield from clash(told, ("fingerprint", "exclude"))


def _scope(policy: PolicySettings) -> Findings:
    if policy.scope.on_change is OnChange.SEPARATE and not policy.scope.headers:
        told = "cannot be separate without scope.headers, which tell callers apart; name some"
        yield from clash(told, ("scope", "on_change"), ("scope", "headers"))


def _conflict(policy: PolicySettings) -> Findings:
    if policy.on_conflict is OnConflict.REJECT:
        yield from idle(policy, ("wait_timeout",), "on_conflict: reject never waits; write wait, or remove it")
    elif not policy.wait_timeout:
        told = "waits no time at all; write on_conflict: reject, or a longer wait_timeout"
        yield from clash(told, ("wait_timeout",), ("on_conflict",))


def _statuses(policy: PolicySettings) -> Findings:
    unknown, proof = ("unknown_statuses",), ("not_executed_statuses",)
    if policy.unknown_statuses and policy.on_unknown is OnUnknown.FAIL:
        yield from idle(policy, unknown, "on_unknown: fail keeps every answer; remove one of them")
    if proven := [status for status in policy.not_executed_statuses if 200 <= status < 300]:
        told = f"holds {proven[0]}, by which an upstream says that it did execute the call; remove it"
        yield from clash(told, proof)
    if both := sorted(set(policy.unknown_statuses) & set(policy.not_executed_statuses)):
        named = ", ".join(map(str, both))
        told = f"holds {named}, and so does the other of unknown_statuses and not_executed_statuses"
        yield from clash(f"{told}; a status proves one thing, so take it out of one", unknown, proof)


def _sending_again(policy: PolicySettings) -> Findings:
    """``retry`` is for an upstream that recognises the key, and for as long as it does."""
    if policy.on_unknown is not OnUnknown.RETRY:
        yield from idle(policy, ("upstream_retention",), "only on_unknown: retry sends again; write that, or remove it")
        return
    if policy.upstream_retention is None:
        told = "needs upstream_retention, how long the upstream itself remembers a key; add it"
        yield from clash(told, ("on_unknown",))
    for path, given in (
        (("upstream_key", "mode"), policy.upstream_key.mode is UpstreamKeyMode.DROP),
        (("key", "derive"), policy.key.derive is not None),
    ):
        if given:
            told = f"needs an upstream that recognises the key, and with {'.'.join(path)} it gets none"
            yield from clash(f"{told}; write on_unknown: hold, or send the key", ("on_unknown",), path)


def _keep(policy: PolicySettings) -> Findings:
    if policy.keep.body == "never":
        why = "keep.body: never keeps no answer; remove one of them"
        if policy.keep.drop_headers:
            yield from idle(policy, ("keep", "drop_headers"), why)
        yield from idle(policy, ("response", "max_body"), why)
        yield from idle(
            policy, ("retention", "response"), f"{why}, and set retention.key for how long the key is known"
        )
    never = HOP_BY_HOP | MARKS | {b"set-cookie"}
    if never_said := [name for name in policy.keep.drop_headers if name.lower().encode() in never]:
        yield from clash(
            f"holds {', '.join(never_said)}, which is never replayed anyway; remove it", ("keep", "drop_headers")
        )


def _retention(policy: PolicySettings) -> Findings:
    if not policy.retention.unknown:
        told = "must be longer than 0s: an outcome that is unknown would be given up at once, before a late answer"
        yield from clash(f"{told} or an operator can settle it", ("retention", "unknown"))


def _upstream_key(policy: PolicySettings) -> Findings:
    told, key = policy.upstream_key, policy.key
    why = ""
    if told.mode is UpstreamKeyMode.DROP:
        why = "with upstream_key: drop no key is sent; remove it"
    elif key.derive is not None:
        why = "with key.derive there is no key to send; remove it"
        if told.mode is UpstreamKeyMode.DERIVE:
            yield from idle(policy, ("upstream_key", "mode"), why)
    elif key.body is not None and told.mode is UpstreamKeyMode.FORWARD:
        why = "with key.body the key goes upstream in the body; remove it, or write upstream_key: derive"
    if why:
        yield from idle(policy, ("upstream_key", "header"), why)
        yield from idle(policy, ("upstream_key", "form"), why)
    if told.header is not None and told.header.lower().encode() in NOT_TO_BE_SET | MARKS:
        named = f"cannot be {told.header}, which the gateway writes itself; name another header"
        yield from clash(named, ("upstream_key", "header"))


# The parts of a policy that a rule reads; where one could not be read, the rule says nothing.
_RULES: tuple[tuple[frozenset[str], Callable[[PolicySettings], Findings]], ...] = (
    (frozenset({"methods"}), _guarded),
    (frozenset({"key"}), _key_source),
    (frozenset({"key", "fingerprint", "scope"}), _key_header),
    (frozenset({"key"}), _key_length),
    (frozenset({"key", "fingerprint"}), _content_as_key),
    (frozenset({"fingerprint"}), _fingerprint),
    (frozenset({"scope"}), _scope),
    (frozenset({"on_conflict", "wait_timeout"}), _conflict),
    (frozenset({"on_unknown", "unknown_statuses", "not_executed_statuses"}), _statuses),
    (frozenset({"on_unknown", "upstream_retention", "upstream_key", "key"}), _sending_again),
    (frozenset({"on_unknown", "reconcile", "upstream_key", "key", "scope", "keep", "retention"}), reconciling),
    (frozenset({"keep"}), _keep),
    (frozenset({"retention"}), _retention),
    (frozenset({"upstream_key", "key"}), _upstream_key),
)
