"""Claims, many at a time: insert if absent, read what was there, judge, and write grants over free rows.

Plain functions over a connection; who calls them owns the transaction, or has none: each step is safe by itself, so
that the same code serves a database in which every statement commits alone. Refuses to know what a verdict means.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection

from gateway.errors import GatewayError, RecordUnreadable, StoreUnavailable
from gateway.protocol.claims import judge
from gateway.protocol.model import Claim, Grant, Granted, InFlight, Record, Verdict
from gateway.stores.codec import Codec, write_recipe
from gateway.stores.sql import statements
from gateway.stores.sql.clock import milliseconds
from gateway.stores.sql.dialects import arranged
from gateway.stores.sql.rows import Row, now_of, record_of

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
    pending = sorted(batch, key=lambda each: each.claim.id.digest)
    for _ in range(_ROUNDS):
        if not pending:
            break
        _insert(connection, pending)
        pending = [each for each in pending if each.answer is None]
        _judge(connection, codec, pending)
        pending = [each for each in pending if each.answer is None]
    lost = StoreUnavailable("other claims of this key came first too often to say what it is")
    return [each.answer or lost for each in batch]


def _insert(connection: Connection, pending: Iterable[_Pending]) -> None:
    dialect = connection.dialect.name
    rows = [{"new_id": each.claim.id.digest} | _written(each.claim, _FIRST_FENCE) for each in pending]
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
    ids = sorted({each.claim.id.digest for each in pending})
    losers = statements.LOSERS[connection.dialect.name]
    found = {row["id"]: row for row in connection.execute(losers, {"ids": ids}).mappings()}
    for each in pending:
        row = found.get(each.claim.id.digest)
        # A row that a sweep has forgotten meanwhile is inserted in the next round.
        each.answer = _ruled(connection, codec, each.claim, row) if row is not None else None


def _ruled(connection: Connection, codec: Codec, claim: Claim, row: Row) -> Answered | None:
    """The answer by the row that was read; ``None`` where it changed before a grant could be written over it."""
    try:
        record = record_of(row, codec)
    except RecordUnreadable as fault:
        return fault
    verdict = judge(record, claim, now_of(row))
    if not isinstance(verdict, Granted):
        return verdict
    write = confirmed if _is_repeated(record, verdict) else partial(_grant_over, claim=claim, verdict=verdict)
    return verdict if write(connection, row) else None


def _is_repeated(record: Record, verdict: Granted) -> bool:
    """Whether the grant is already written: the same owner asked again (law 1)."""
    return isinstance(record, InFlight) and record.fence == verdict.grant.fence


def confirmed(connection: Connection, row: Row) -> bool:
    """Whether the row that was read still stands, and is by now as durable as any commit."""
    return connection.execute(statements.CONFIRM, as_read(row)).rowcount == 1


def as_read(row: Row) -> dict[str, Any]:
    """What a compare-and-set on the row as it was read compares."""
    return {"of_id": row["id"], "of_fence": row["fence"], "of_owner": row["owner"], "of_state": row["state"]}


def _grant_over(connection: Connection, row: Row, *, claim: Claim, verdict: Granted) -> bool:
    written = as_read(row) | _written(claim, verdict.grant.fence)
    if not verdict.grant.taken_over or claim.takeover is None:
        return connection.execute(statements.GRANT_AGAIN, written).rowcount == 1
    within = {"of_takeover_ms": milliseconds(claim.takeover)}
    return connection.execute(statements.TAKE_OVER, written | within).rowcount == 1


def _written(claim: Claim, fence: int) -> dict[str, Any]:
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
    }
