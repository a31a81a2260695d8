"""What an operator may choose for a route: the policy of the contract, section 3, as frozen values."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from gateway.policies.reconciling import Reconcile
from gateway.protocol.key import KeyForm
from gateway.protocol.model import Recipe, Retention
from gateway.protocol.terms import Terms

MIB = 1024 * 1024


class OnChange(StrEnum):
    """What a known key with other scope values means."""

    REFUSE = "refuse"
    SEPARATE = "separate"


class UpstreamKeyMode(StrEnum):
    """What the upstream is told of the key."""

    FORWARD = "forward"
    DERIVE = "derive"
    DROP = "drop"


class KeySource(StrEnum):
    """Where a key comes from."""

    HEADER = "header"
    BODY = "body"
    FINGERPRINT = "fingerprint"


@dataclass(frozen=True, slots=True)
class KeyRule:
    """Where the key is, and which are good. ``header`` is lower case, ``pointer`` RFC 6901, lengths in characters."""

    source: KeySource = KeySource.HEADER
    header: str = "idempotency-key"
    pointer: str = ""
    required: bool = False
    shortest: int = 1
    longest: int = 255


@dataclass(frozen=True, slots=True)
class UpstreamKey:
    """How the key goes upstream; ``header`` is the field name as it is written there."""

    mode: UpstreamKeyMode = UpstreamKeyMode.FORWARD
    header: str = "Idempotency-Key"
    form: KeyForm = KeyForm.BARE


def _default_retention() -> Retention:
    return Retention(response=timedelta(hours=24), key=timedelta(days=30), unknown=timedelta(days=90))


@dataclass(frozen=True, slots=True)
class Policy:
    """One route's choices, defaults as the contract has them. Sizes in bytes."""

    methods: frozenset[str] = frozenset({"POST", "PATCH"})
    namespace: str = ""
    key: KeyRule = field(default_factory=KeyRule)
    on_change: OnChange = OnChange.REFUSE
    recipe: Recipe = field(default_factory=Recipe)
    wait_timeout: timedelta = timedelta(seconds=30)
    terms: Terms = field(default_factory=Terms)
    upstream_retention: timedelta | None = None
    reconcile: Reconcile | None = None
    retention: Retention = field(default_factory=_default_retention)
    keep_body: bool = True
    drop_headers: frozenset[bytes] = frozenset()
    max_request_body: int = 10 * MIB
    max_response_body: int = 10 * MIB
    upstream_key: UpstreamKey = field(default_factory=UpstreamKey)

    def key_space(self) -> str:
        """The settings that form a key's identity, as one line that a store remembers by namespace."""
        source = self.key.source
        name = {KeySource.HEADER: self.key.header, KeySource.BODY: self.key.pointer, KeySource.FINGERPRINT: ""}[source]
        # With callers refused the scope is judged by each record's own recipe, so only separation forms identity.
        scope = ",".join(self.recipe.scope) if self.on_change is OnChange.SEPARATE else "-"
        return f"key={source}:{name} callers={self.on_change}:{scope}"
