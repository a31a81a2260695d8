"""Answers and values sealed anew under the first key: a walk over the table by id, in steps (``registry.Resealing``).

Plain functions over a connection, safe with and without a transaction around them. How a record is sealed is told by
the beginning of what it holds; only what is to be sealed anew is read whole, and written by a compare-and-set on the
very bytes that were read. Refuses to know keys and content.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Connection,
    LargeBinary,
    Row,
    Select,
    Update,
    and_,
    bindparam,
    case,
    column,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from gateway.errors import RecordUnreadable, StoreUnavailable
from gateway.protocol.model import RecordId
from gateway.registry import Resealed
from gateway.stores.codec import Codec
from gateway.stores.sealing import BEGINNING, Seal
from gateway.stores.sql.clock import AuthorityNow
from gateway.stores.sql.dialects import among
from gateway.stores.sql.statements import OPEN
from gateway.stores.sql.tables import State, records

# Bytes that one step reads to seal them anew: a few milliseconds' work.
_AT_ONCE = 2 * 1024 * 1024

# Each round finds that some of the records were settled, or sealed anew, meanwhile.
_ROUNDS = 8

# A row as it is read whole: id, fence, state, what it holds, body.
_Whole: TypeAlias = Row[Any, int, int, Any, Any]

_now = AuthorityNow()
_row = records.c

# What a row holds that somebody may yet be told: an answer, or values for a reconciler.
_HELD = case(
    (and_(_row.state == int(State.COMPLETED), _row.turns_at > _now), _row.head),
    (OPEN, _row.asks_with),
)
_SIZE = func.length(_HELD) + func.coalesce(func.length(_row.body), 0)

_STRETCH: Select[Any, bytes, int] = (
    select(
        _row.id,
        func.substr(_HELD, 1, BEGINNING, type_=LargeBinary).label("begins"),
        _SIZE.label("size"),
    )
    .where(_row.id > bindparam("of_after"))
    .order_by(_row.id)
    .limit(bindparam("of_limit"))
)
_WHOLE: Mapping[str, Select[Any, int, int, Any, Any]] = {
    name: select(_row.id, _row.fence, _row.state, _HELD.label("held"), _row.body).where(among_ids)
    for name, among_ids in among(_row.id, "ids").items()
}

_AS_READ = and_(_row.id == bindparam("of_id"), _row.fence == bindparam("of_fence"))
_ANSWER: Update = (
    update(records)
    .where(_AS_READ, _row.head == bindparam("of_held"))
    .values(head=bindparam("new_held"), body=bindparam("new_body"))
)
_VALUES: Update = (
    update(records).where(_AS_READ, _row.asks_with == bindparam("of_held")).values(asks_with=bindparam("new_held"))
)

# The columns of many answers in one statement on Postgres, by the names of the parameters above.
_GIVEN: dict[str, Any] = {"of_id": LargeBinary, "of_fence": BigInteger, "of_held": LargeBinary} | dict.fromkeys(
    ("new_held", "new_body"), LargeBinary
)


def _answers_given() -> Update:
    arrays: list[BindParameter[Any]] = [bindparam(name, type_=ARRAY(kind)) for name, kind in _GIVEN.items()]
    rows = func.unnest(*arrays).table_valued(*(column(name, kind) for name, kind in _GIVEN.items()), name="given")
    rows = rows.render_derived()
    as_read = and_(_row.id == rows.c.of_id, _row.fence == rows.c.of_fence, _row.head == rows.c.of_held)
    return update(records).where(as_read).values(head=rows.c.new_held, body=rows.c.new_body).returning(_row.id)


_ANSWERS_GIVEN: Update = _answers_given()


@dataclass(slots=True)
class _Tally:
    """What a step has come to so far."""

    resealed: int = 0
    already: int = 0
    unread: list[RecordId] = field(default_factory=list[RecordId])
    ids: list[RecordId] = field(default_factory=list[RecordId])

    def told(self, looked_at: int, place: bytes | None) -> Resealed:
        return Resealed(looked_at, self.resealed, self.already, tuple(self.unread), place, tuple(self.ids))


def step(connection: Connection, codec: Codec, after: bytes | None, limit: int, *, dry: bool) -> Resealed:
    """Laws C1 to C5."""
    found = connection.execute(_STRETCH, {"of_after": after or b"", "of_limit": limit}).all()
    tally, looked_at, size, wanted = _Tally(), 0, 0, list[bytes]()
    for row in found:
        seal = None if row.begins is None else codec.seal_of(row.begins)
        if seal is Seal.OTHER and not dry:
            size += row.size
            if wanted and size > _AT_ONCE:
                break
            wanted.append(row.id)
        else:
            _count(tally, RecordId(row.id), seal)
        if seal is not None:
            tally.ids.append(RecordId(row.id))
        looked_at += 1
    _reseal(connection, codec, tally, wanted)
    ends = looked_at == len(found) < limit
    return tally.told(looked_at, None if ends else found[looked_at - 1].id)


def _count(tally: _Tally, record_id: RecordId, seal: Seal | None) -> None:
    match seal:
        case Seal.FIRST:
            tally.already += 1
        case Seal.OTHER:
            tally.resealed += 1
        case Seal.STRANGE:
            tally.unread.append(record_id)
        case None:
            pass


def _reseal(connection: Connection, codec: Codec, tally: _Tally, wanted: Sequence[bytes]) -> None:
    """Laws C2 and C3: until each of them is sealed anew, or turns out to need no sealing, or does not open."""
    left = list(wanted)
    for _ in range(_ROUNDS):
        if not left:
            return
        rows = connection.execute(_WHOLE[connection.dialect.name], {"ids": left}).all()
        written = list(_sealed(codec, tally, rows))
        done = set(_write(connection, written))
        tally.resealed += len(done)
        left = [each["of_id"] for each in written if each["of_id"] not in done]
    if left:
        raise StoreUnavailable("a record changed too often to seal it anew")


def _sealed(codec: Codec, tally: _Tally, rows: Iterable[_Whole]) -> Iterator[dict[str, Any]]:
    """What is to be written of those that are still to be sealed anew; the others are counted."""
    for row in rows:
        record_id, held = RecordId(row.id), row.held
        seal = None if held is None else codec.seal_of(held)
        if held is None or seal is not Seal.OTHER:
            _count(tally, record_id, seal)
            continue
        read = {"of_id": row.id, "of_fence": row.fence, "of_held": held}
        try:
            if row.state == State.COMPLETED:
                answer = codec.reseal(record_id, row.fence, held, row.body)
                yield {**read, "new_held": answer.head, "new_body": answer.body}
            else:
                yield {**read, "new_held": codec.reseal_values(record_id, row.fence, held)}
        except RecordUnreadable:
            tally.unread.append(record_id)


def _write(connection: Connection, written: Sequence[Mapping[str, Any]]) -> Iterator[bytes]:
    """The ids of those that took effect. In the order of ids, so that none waits for another in a ring."""
    answers = sorted((each for each in written if "new_body" in each), key=lambda each: each["of_id"])
    if answers and connection.dialect.name == "postgresql":
        given = {name: [each[name] for each in answers] for name in _GIVEN}
        yield from connection.execute(_ANSWERS_GIVEN, given).scalars()
        answers = []
    for each in answers:
        if connection.execute(_ANSWER, each).rowcount == 1:
            yield each["of_id"]
    for each in written:
        if "new_body" not in each and connection.execute(_VALUES, each).rowcount == 1:
            yield each["of_id"]
