"""Claims, many at a time: insert if absent, read what was there, judge, and write grants over free rows.

Plain functions over a connection; who calls them owns the transaction, or has none: each step is safe by itself, so
that the same code serves a database in which every statement commits alone. Refuses to know what a verdict means.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from gateway.errors import GatewayError, RecordUnreadable, StoreUnavailable
from gateway.protocol.claims import judge
from gateway.protocol.dossier import Happening
from gateway.protocol.model import Claim, Grant, Granted, InFlight, Record, Verdict
from gateway.stores.codec import Codec, write_recipe
from gateway.stores.sql import histories, statements
from gateway.stores.sql.clock import milliseconds
from gateway.stores.sql.dialects import arranged
from gateway.stores.sql.rows import Row, Stored

Answered = Verdict | GatewayError

# In one transaction two rounds always do: the second finds what the first one wrote. Statements that commit alone may
# lose a row to others more often; who loses it so many times is not served by trying on.
_ROUNDS = 8
_FIRST_FENCE = 1


@dataclass(slots=True)
class _Pending:
    """A claim of the batch, and its answer once it has one."""

    claim: Claim
    answer: Answered | None = None


def claim_all(connection: Connection, codec: Codec, claims: Sequence[Claim]) -> list[Answered]:
    """An answer for each claim, in their order. The caller commits before anybody hears it."""
    batch = [_Pending(claim) for claim in claims]
    # Sorted, so that two batches that share keys take rows in one order and never wait for each other in a ring.
    pending = sorted(batch, key=lambda each: _shared(each.claim) or each.claim.id.digest)
    for _ in range(_ROUNDS):
        # What was made under another digest key is there before anything is inserted beside it (law 14).
        pending = _met(connection, codec, pending)
        if not pending:
            break
        _insert(connection, codec, pending)
        pending = [each for each in pending if each.answer is None]
        _judge(connection, codec, pending)
        pending = [each for each in pending if each.answer is None]
    lost = StoreUnavailable("other claims of this key came first too often to say what it is")
    return [each.answer or lost for each in batch]


def _met(connection: Connection, codec: Codec, pending: Sequence[_Pending]) -> list[_Pending]:
    """Those that have no answer yet, after the claims with other ids have been judged by what is there."""
    _judge(connection, codec, [each for each in pending if each.claim.others])
    return [each for each in pending if each.answer is None]


def _shared(claim: Claim) -> bytes | None:
    """What a key has under every order of the same digest keys; it is unique, too."""
    return min(each.digest for each in claim.ids) if claim.others else None


def _insert(connection: Connection, codec: Codec, pending: Iterable[_Pending]) -> None:
    dialect = connection.dialect.name
    rows = [
        {"new_id": each.claim.id.digest, "new_shared": _shared(each.claim)} | _written(codec, each.claim, _FIRST_FENCE)
        for each in pending
    ]
    written = {
        (row.id, row.owner) for row in connection.execute(statements.FIRST_GRANT[dialect], arranged(dialect, rows))
    }
    for each in pending:
        if (each.claim.id.digest, each.claim.owner) in written:
            grant = Grant(each.claim.id, _FIRST_FENCE, each.claim.owner, each.claim.retention)
            each.answer = Granted(grant)


def _judge(connection: Connection, codec: Codec, pending: Sequence[_Pending]) -> None:
    if not pending:
        return
    ids = sorted({record_id.digest for each in pending for record_id in each.claim.ids})
    losers = statements.LOSERS[connection.dialect.name]
    found = {row["id"]: row for row in connection.execute(losers, {"ids": ids}).mappings()}
    for each in pending:
        rows = (found.get(record_id.digest) for record_id in each.claim.ids)
        row = next((row for row in rows if row is not None), None)
        # A row that a sweep has forgotten meanwhile is inserted in the next round.
        each.answer = _ruled(connection, codec, each.claim, row) if row is not None else None


def _ruled(connection: Connection, codec: Codec, claim: Claim, row: Row) -> Answered | None:
    """The answer by the row that was read; ``None`` where it changed before a grant could be written over it."""
    try:
        stored = Stored.of(row, codec)
        verdict = judge(stored.record, claim, stored.now)
        if not isinstance(verdict, Granted):
            return verdict
        if _is_repeated(stored.record, verdict):
            return verdict if confirmed(connection, row) else None
        claim = claim.under(verdict.grant.id)
        return verdict if _grant_over(connection, codec, claim, verdict.grant, stored) else None
    except RecordUnreadable as fault:
        return fault


def _is_repeated(record: Record, verdict: Granted) -> bool:
    """Whether the grant is already written: the same owner asked again (law 1)."""
    return isinstance(record, InFlight) and record.fence == verdict.grant.fence


def confirmed(connection: Connection, row: Row) -> bool:
    """Whether the row that was read still stands, and is by now as durable as any commit."""
    return connection.execute(statements.CONFIRM, as_read(row)).rowcount == 1


def as_read(row: Row) -> dict[str, Any]:
    """What a compare-and-set on the row as it was read compares."""
    return {"of_id": row["id"], "of_fence": row["fence"], "of_owner": row["owner"], "of_state": row["state"]}


def _grant_over(connection: Connection, codec: Codec, claim: Claim, grant: Grant, stored: Stored) -> bool:
    written = as_read(stored.row) | _written(codec, claim, grant.fence)
    if stored.turned is None:
        return connection.execute(statements.GRANT_ANEW, written).rowcount == 1
    written["new_history"] = histories.write(stored.history)
    if not grant.taken_over or claim.takeover is None:
        written["new_end"] = histories.end_of(Happening.GRANTED, grant.fence)
        return connection.execute(statements.GRANT_AGAIN, written).rowcount == 1
    written["new_end"] = histories.end_of(Happening.TAKEN_OVER, grant.fence)
    within = {"of_takeover_ms": milliseconds(claim.takeover)}
    return connection.execute(statements.TAKE_OVER, written | within).rowcount == 1


def _written(codec: Codec, claim: Claim, fence: int) -> dict[str, Any]:
    return {
        "new_fence": fence,
        "new_owner": claim.owner,
        "new_lease_ms": milliseconds(claim.lease),
        "new_recipe": write_recipe(claim.identity.recipe),
        "new_scope": claim.identity.scope,
        "new_fingerprint": claim.identity.fingerprint,
        "new_response_ms": milliseconds(claim.retention.response),
        "new_key_ms": milliseconds(claim.retention.key),
        "new_unknown_ms": milliseconds(claim.retention.unknown),
        "new_route": claim.route,
        "new_key_id": None if claim.key_id is None else claim.key_id.digest,
        "new_held_by": claim.holder.digest or None if claim.holder else None,
        "new_caller": claim.holder.name if claim.holder else None,
        "new_asks_with": None if claim.values is None else codec.seal_values(claim.id, fence, claim.values),
    }
