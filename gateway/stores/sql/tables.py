"""The tables, as they stand at the newest schema.

Knows columns, their meaning and the indexes that sweeps and lists use. Refuses to know statements. A change here is a
new revision in ``migrations/versions``; a test holds the two together.
"""

from enum import IntEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    literal_column,
)

# The newest revision in migrations/versions, repeated so that opening a current store needs no alembic (0.2 s).
HEAD = "0001"

# Marks the file as this gateway's own: PRAGMA application_id, "IdGw" in ASCII.
APPLICATION_ID = 0x49644777

# Marks the tables of a Postgres database as this gateway's own: the comment on ``records``.
MARK = "Idempotency Gateway"


class State(IntEnum):
    """What a row was when it was last written; time may have turned it since."""

    IN_FLIGHT = 1
    COMPLETED = 2
    UNKNOWN = 3
    RELEASED = 4
    EXPIRED = 5

    @property
    def label(self) -> str:
        """The name that people see."""
        return self.name.lower().replace("_", "-")


metadata = MetaData()

# SQLite gives an INTEGER 64 bits and knows no other whole number in a strict table.
_Long = BigInteger().with_variant(Integer, "sqlite")
_Small = SmallInteger().with_variant(Integer, "sqlite")

# Numbers first, the widest first: so Postgres, which aligns them, leaves no gaps between them.
records = Table(
    "records",
    metadata,
    # When time turns the row: a lease ends, a replay ends, an unknown expires, a released or expired row is forgotten.
    Column("turns_at", _Long, nullable=False),
    Column("fence", _Long, nullable=False),
    # When the newest grant was made.
    Column("created_at", _Long),
    # When it is forgotten after ``turns_at``: completed and unknown rows.
    Column("forget_at", _Long),
    # Retention in milliseconds, from the claim: in-flight rows, whose later deadlines are not fixed yet. The first one
    # stays once a call is completed: so long before the end of its replay it was.
    Column("response_ms", _Long),
    Column("key_ms", _Long),
    Column("unknown_ms", _Long),
    Column("first_sent_at", _Long),
    # Since when it is what it is: unknown, released and expired rows.
    Column("since", _Long),
    # When a reconciler asks next: unknown rows whose claim left values for it.
    Column("asks_at", _Long),
    # How often a reconciler has asked, and how often in a row the upstream knew nothing; empty where none asks.
    Column("asks", Integer),
    Column("absent", Integer),
    Column("state", _Small, nullable=False),
    # Whether the grant was taken over from Unknown: in-flight and unknown rows.
    Column("taken_over", _Small),
    # 1 once somebody waits for the settlement, who is then told of it; it stays for the grants that follow.
    Column("waited", _Small),
    Column("id", LargeBinary, primary_key=True),
    Column("owner", LargeBinary, nullable=False),
    # A released row remembers none of these three (law 5).
    Column("scope", LargeBinary),
    Column("fingerprint", LargeBinary),
    Column("recipe", Text),
    Column("route", Text, nullable=False),
    # The look-up digest without the caller, where callers are kept apart.
    Column("key_id", LargeBinary),
    # The same under every order of the digest keys, where several are listed (``claiming``).
    Column("shared", LargeBinary),
    # Whose key it is, where callers are known: what keys are counted under, if anything, and the name that people see.
    Column("held_by", LargeBinary),
    Column("caller", Text),
    # Why the outcome is unknown: unknown rows.
    Column("reason", Text),
    # What happened to it, where that is not told by the columns above (``histories``).
    Column("history", Text),
    # The worker that asks just now, and what the upstream is asked with, sealed.
    Column("taken", LargeBinary),
    Column("asks_with", LargeBinary),
    # The answer: completed rows. Last, so that a large one is not read for the columns before it; Postgres keeps one
    # of more than 2 kB out of the row (TOAST), so that every row that is searched or updated is small.
    Column("head", LargeBinary),
    Column("body", LargeBinary),
    CheckConstraint("state BETWEEN 1 AND 5", name="state_is_known"),
    CheckConstraint("fence >= 1", name="fence_is_positive"),
    CheckConstraint("(state = 4) = (fingerprint IS NULL)", name="only_released_forgets_fingerprint"),
    CheckConstraint("(state = 4) = (scope IS NULL)", name="only_released_forgets_scope"),
    CheckConstraint("(state = 2) = (head IS NOT NULL)", name="only_completed_has_answer"),
    CheckConstraint("asks_with IS NULL OR state IN (1, 3)", name="only_open_has_values"),
    # Every sweep and every count by state reads this one, in order, and only as far as it needs.
    Index("records_by_turn", "state", "turns_at"),
    comment=MARK,
    sqlite_strict=True,
)

# For lists, by state. A claim pays nothing for it: what is in flight is little, and listed by the index above.
_SETTLED = records.c.state > literal_column("1")
Index(
    "records_by_creation",
    records.c.state,
    records.c.created_at,
    postgresql_where=_SETTLED,
    sqlite_where=_SETTLED,
)
# For a key's text where callers are kept apart, for gateways that list the same digest keys in another order, for
# callers whose keys are counted, and for reconcilers: only such rows are in them.
_OF_CALLER = records.c.key_id.is_not(None)
Index("records_by_key", records.c.key_id, postgresql_where=_OF_CALLER, sqlite_where=_OF_CALLER)
_OF_SEVERAL = records.c.shared.is_not(None)
Index("records_by_shared", records.c.shared, unique=True, postgresql_where=_OF_SEVERAL, sqlite_where=_OF_SEVERAL)
_HELD = records.c.held_by.is_not(None)
Index("records_by_holder", records.c.held_by, postgresql_where=_HELD, sqlite_where=_HELD)
_ASKS = records.c.asks_at.is_not(None)
Index("records_by_asking", records.c.asks_at, postgresql_where=_ASKS, sqlite_where=_ASKS)

facts = Table(
    "facts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
    sqlite_strict=True,
)

key_spaces = Table(
    "key_spaces",
    metadata,
    Column("namespace", Text, primary_key=True),
    Column("settings", Text, nullable=False),
    sqlite_strict=True,
)

# Copies that are to be gone from every front. Small, and by its own end: a row says nothing of what was forgotten.
erasures = Table(
    "erasures",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    # When the copy has ended by itself. Part of the key, for a key may be used and forgotten again.
    Column("until", _Long, primary_key=True),
    # The incarnation of the front that did it last; empty: none yet.
    Column("erased_in", Text),
    Index("erasures_by_end", "until"),
    sqlite_strict=True,
)
