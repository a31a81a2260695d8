"""Settlements: a compare-and-set that takes effect, or a ruling on what is there instead.

Plain functions over a connection, safe with and without a transaction around them. Each settlement is tried as one
conditional update first; only where none matched is the record read, and the protocol says whether it is already so
or has moved on.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, assert_never

from sqlalchemy import Connection, Update

from gateway.errors import GatewayError, RecordUnreadable, StoreUnavailable
from gateway.protocol import claims
from gateway.protocol.model import (
    Complete,
    Grant,
    MarkUnknown,
    Moved,
    NotKept,
    Release,
    Settled,
    Settlement,
    StoredResponse,
)
from gateway.stores.codec import Codec
from gateway.stores.large import size_of
from gateway.stores.sql import histories, statements
from gateway.stores.sql.claiming import confirmed
from gateway.stores.sql.clock import instant, milliseconds
from gateway.stores.sql.dialects import arranged
from gateway.stores.sql.large import apart
from gateway.stores.sql.rows import Stored

# A record changes between update and reading only where others write at the same time.
_ROUNDS = 4

# From this many on, completing them together is cheaper than one by one.
_WORTH_IT = {"sqlite": 3, "postgresql": 2}

# What a completion took effect for: id, fence, owner.
_Own: TypeAlias = tuple[bytes, int, bytes]

Told = Settled | Moved | GatewayError


def settle_all(
    connection: Connection, codec: Codec, settlements: Sequence[tuple[Grant, Settlement]], waited: list[bytes]
) -> list[Told]:
    """What each settlement came to, in their order; ``waited`` gets the ids of those that somebody waits for."""
    together = _complete_together(connection, codec, settlements, waited)
    return [
        together[_own(grant)]
        if isinstance(settlement, Complete) and _own(grant) in together
        else _settle_one(connection, codec, grant, settlement, waited)
        for grant, settlement in settlements
    ]


def _settle_one(
    connection: Connection, codec: Codec, grant: Grant, settlement: Settlement, waited: list[bytes]
) -> Told:
    """What the settlement came to. The caller commits before anybody hears it."""
    attempts = list(_attempts(codec, grant, settlement))
    for _ in range(_ROUNDS):
        for statement, written in attempts:
            row = connection.execute(statement, written).first()
            if row is not None:
                if row.waited:
                    waited.append(grant.id.digest)
                return Settled(instant(row.turns_at)) if isinstance(settlement, Complete) else Settled()
        answer = _ruled(connection, codec, grant, settlement)
        if answer is not None:
            return answer
    return StoreUnavailable("the record changed too often to say what it is")


def _complete_together(
    connection: Connection, codec: Codec, settlements: Sequence[tuple[Grant, Settlement]], waited: list[bytes]
) -> dict[_Own, Settled]:
    """Answers of those completions that took effect together, as nearly always all do.

    Each other one is then settled by itself: one that did take effect is already so (S3).
    """
    completions = [(grant, each.answer) for grant, each in settlements if isinstance(each, Complete)]
    if len(completions) < _WORTH_IT[connection.dialect.name]:
        return {}
    written = [_completion(codec, grant, answer) for grant, answer in completions]
    rows = list(_TOGETHER[connection.dialect.name](connection, written))
    waited.extend(row.id for row in rows if row.waited)
    return {(row.id, row.fence, row.owner): Settled(instant(row.turns_at)) for row in rows}


def _each(connection: Connection, written: Sequence[Mapping[str, Any]]) -> Iterable[Any]:
    """All of them where all took effect, else none."""
    if connection.execute(statements.COMPLETE_EACH, written).rowcount != len(written):
        return ()
    return connection.execute(statements.DEADLINES, {"ids": [row["of_id"] for row in written]})


def _given(connection: Connection, written: Sequence[Mapping[str, Any]]) -> Iterable[Any]:
    """Those that took effect. In the order of their ids, as every batch, so that none waits for another in a ring."""
    rows = sorted(written, key=lambda row: row["of_id"])
    # One message: of what it may hold, a batch is a small part (``batching.MOST_BYTES``), or one answer.
    return connection.execute(statements.COMPLETE_GIVEN, arranged("postgresql", rows))


_TOGETHER: Mapping[str, Callable[[Connection, Sequence[Mapping[str, Any]]], Iterable[Any]]] = {
    "sqlite": _each,
    "postgresql": _given,
}


def _own(grant: Grant) -> _Own:
    return grant.id.digest, grant.fence, grant.owner


def _completion(codec: Codec, grant: Grant, answer: StoredResponse | NotKept) -> dict[str, Any]:
    encoded = apart(size_of(answer), lambda: codec.encode(grant.id, grant.fence, answer))
    return {
        "of_id": grant.id.digest,
        "of_fence": grant.fence,
        "of_owner": grant.owner,
        "new_response_ms": milliseconds(grant.retention.response),
        "new_key_ms": milliseconds(grant.retention.key),
        "new_head": encoded.head,
        "new_body": encoded.body,
    }


def _attempts(codec: Codec, grant: Grant, settlement: Settlement) -> Iterator[tuple[Update, dict[str, Any]]]:
    """The updates that may take effect, and no more than one of them does."""
    own = {"of_id": grant.id.digest, "of_fence": grant.fence, "of_owner": grant.owner}
    retention = grant.retention
    key = {"new_key_ms": milliseconds(retention.key)}
    unknown = {"new_unknown_ms": milliseconds(retention.unknown)}
    match settlement:
        case Complete(answer=answer):
            yield statements.COMPLETE, _completion(codec, grant, answer)
        case Release():
            yield statements.RELEASE, own | key | {"new_tail": histories.tail()}
            why = {"new_reason": claims.TAKEOVER_NOT_EXECUTED, "new_tail": histories.tail()}
            yield statements.RETURN_TO_UNKNOWN, own | key | unknown | why
        case MarkUnknown(reason=reason):
            why = {"new_reason": reason, "new_tail": histories.tail(note=reason)}
            yield statements.MARK_UNKNOWN, own | key | unknown | why
        case _:
            assert_never(settlement)


def _ruled(connection: Connection, codec: Codec, grant: Grant, settlement: Settlement) -> Told | None:
    """The protocol's word where no update took effect; ``None`` where one would by now."""
    row = connection.execute(statements.ONE, {"of_id": grant.id.digest}).mappings().first()
    if row is None:
        return Moved()
    try:
        stored = Stored.of(row, codec)
    except RecordUnreadable as fault:
        return fault
    ruling = claims.settle(stored.record, grant, settlement, stored.now)
    if ruling.record is not stored.record and ruling.record != stored.turned:
        return None
    # Already so: said only of what is as durable as if it were written now.
    return ruling.answer if isinstance(ruling.answer, Moved) or confirmed(connection, row) else None
