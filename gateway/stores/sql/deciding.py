"""An operator's or a reconciler's word on one record (laws 12 and 13 of ``protocol.decisions``).

Plain functions over a connection, safe with and without a transaction around them: the protocol rules on the row as it
was read, and what it rules is written over that very row, while it is open, or the row is read again. Refuses to know
who decides, and why.
"""

from typing import Any, assert_never

from sqlalchemy import Connection, Update, bindparam, update

from gateway.errors import StoreUnavailable
from gateway.protocol.decisions import Decided, Decision
from gateway.protocol.decisions import decide as ruled
from gateway.protocol.dossier import Happening
from gateway.protocol.model import Busy, Complete, Moved, Release
from gateway.stores.codec import Codec
from gateway.stores.sql import histories, statements, waiting
from gateway.stores.sql.claiming import as_read, confirmed
from gateway.stores.sql.clock import instant, milliseconds
from gateway.stores.sql.rows import Stored
from gateway.stores.sql.tables import records

# Each round finds that the record was settled, taken over or decided meanwhile.
_ROUNDS = 8

_row = records.c

# A fence and an owner of its own, so that nothing settles by the earlier ones.
_OWN = {"fence": bindparam("new_fence"), "owner": bindparam("new_owner"), "history": histories.AFTER}
_OVER_WHAT_WAS_READ = update(records).where(statements.AS_IT_WAS_READ, statements.OPEN)

_NOT_EXECUTED: Update = _OVER_WHAT_WAS_READ.values({**statements.FREED, **_OWN}).returning(_row.turns_at, _row.waited)
_ANSWERED: Update = _OVER_WHAT_WAS_READ.values({**statements.COMPLETED, **_OWN}).returning(_row.turns_at, _row.waited)


def decide(connection: Connection, codec: Codec, decision: Decision) -> Decided | Moved | Busy:
    """What the decision came to. The caller commits before anybody hears it."""
    for _ in range(_ROUNDS):
        row = connection.execute(statements.ONE, {"of_id": decision.id.digest}).mappings().first()
        if row is None:
            return Moved()
        stored = Stored.of(row)
        ruling = ruled(stored.record, decision, stored.now)
        if not isinstance(ruling.answer, Decided):
            return ruling.answer
        if ruling.record is not stored.record:
            decided = _written(connection, codec, decision, stored)
            if decided is not None:
                return decided
        elif confirmed(connection, row):
            # Decided before, by the same owner.
            return ruling.answer
    raise StoreUnavailable("the record changed too often to say what it is")


def _written(connection: Connection, codec: Codec, decision: Decision, stored: Stored) -> Decided | None:
    """``None`` where the row is another one by now."""
    written = as_read(stored.row) | {
        "new_fence": decision.fence + 1,
        "new_owner": decision.owner,
        "new_key_ms": milliseconds(decision.retention.key),
        "new_history": histories.write(stored.history),
    }
    match decision.word:
        case Release():
            row = connection.execute(_NOT_EXECUTED, written | _end(decision, Happening.RELEASED)).first()
        case Complete():
            answer = _answer(codec, decision, decision.word)
            row = connection.execute(_ANSWERED, written | answer | _end(decision, Happening.COMPLETED)).first()
        case _:
            assert_never(decision.word)
    if row is None:
        return None
    if row.waited:
        waiting.send_word(connection, [decision.id.digest])
    return Decided(decision.fence + 1, instant(row.turns_at) if isinstance(decision.word, Complete) else None)


def _end(decision: Decision, what: Happening) -> dict[str, str]:
    return {"new_end": histories.end_of(what, decision.fence + 1, decision.by, decision.note)}


def _answer(codec: Codec, decision: Decision, word: Complete) -> dict[str, Any]:
    encoded = codec.encode(decision.id, decision.fence + 1, word.answer)
    return {
        "new_response_ms": milliseconds(decision.retention.response),
        "new_head": encoded.head,
        "new_body": encoded.body,
    }
