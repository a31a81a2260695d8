"""What a database's schema is to this version of the gateway, and how it gets the revisions that it lacks.

Two rules let an old and a new version share one schema. A gateway needs every ``before`` revision that it knows, and
may lack ``after`` ones. And it must know every ``after`` revision that has run, since those take away what only older
versions need: the newest of them is written down as a fact, for the versions to which it is a number they never heard
of. Refuses to know files, servers and transactions; who calls has opened one.
"""

import threading
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

from gateway.errors import StoreUnfit
from gateway.stores.sql import facts
from gateway.stores.sql.chain import Blocked, Chain, Revision, missing_at, steps_of
from gateway.stores.sql.phase import Phase
from gateway.stores.sql.schema_words import SchemaWords

VERSION_TABLE = "alembic_version"

# alembic's environment is one per process.
_alembic = threading.Lock()


class SchemaState(StrEnum):
    """What a database's schema is to this version of the gateway."""

    ABSENT = "absent"
    # It lacks something that this version needs.
    BEHIND = "behind"
    # It lacks only what runs after the roll-out.
    UNFINISHED = "unfinished"
    CURRENT = "current"
    # A newer version has migrated it, and this one may still use it.
    NEWER = "newer"
    # A newer version has taken away what this one needs.
    AHEAD = "ahead"

    @property
    def serves(self) -> bool:
        """Whether this version may grant claims on it, so that nothing is to be done before a roll-out."""
        return self in (SchemaState.UNFINISHED, SchemaState.CURRENT, SchemaState.NEWER)

    def lacks(self, phase: Phase | None) -> bool:
        """Whether a migration of ``phase`` is still to be done."""
        return not self.serves or (self is SchemaState.UNFINISHED and phase is not Phase.BEFORE)


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema's state, and its revision where it has one."""

    state: SchemaState
    revision: str | None


ABSENT = Schema(SchemaState.ABSENT, None)


def refusal(state: SchemaState, words: SchemaWords) -> str | None:
    """Why no gateway starts on such a schema."""
    match state:
        case SchemaState.ABSENT:
            return words.absent
        case SchemaState.BEHIND:
            return words.behind
        case SchemaState.AHEAD:
            return words.ahead
        case SchemaState.UNFINISHED | SchemaState.CURRENT | SchemaState.NEWER:
            return None


def report(schema: Schema, words: SchemaWords) -> str:
    """What a migration came to, and what is to be done next."""
    at = f"the schema is at revision {schema.revision}"
    match schema.state:
        case SchemaState.UNFINISHED:
            return f"{at}; {words.unfinished}"
        case SchemaState.BEHIND:
            return f"{at}; {words.unready}"
        case SchemaState.NEWER:
            return f"{at} of a newer version, and this one may still use it"
        case _:
            return at


def schema_of(connection: Connection, chain: Chain) -> Schema:
    """The schema by its version table, which is there."""
    at: str | None = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar()  # noqa: S608 - a constant
    return Schema(_state(connection, chain, at), at)


def _state(connection: Connection, chain: Chain, at: str | None) -> SchemaState:
    if at == chain.head:
        return SchemaState.CURRENT
    revisions = chain.revisions()
    missing = missing_at(revisions, at)
    if missing is None:
        # Revisions are a chain: a schema at one that is not known has had all of ours.
        oldest = facts.oldest_revision(connection)
        return SchemaState.NEWER if oldest in {each.id for each in revisions} else SchemaState.AHEAD
    needed = any(each.phase is Phase.BEFORE for each in missing)
    return SchemaState.BEHIND if needed else SchemaState.UNFINISHED


def mendable(state: SchemaState, words: SchemaWords) -> SchemaState:
    """The state; ``StoreUnfit`` where this version's revisions cannot mend it."""
    if state is SchemaState.AHEAD:
        raise StoreUnfit(words.ahead)
    return state


def migrate(connection: Connection, chain: Chain, phase: Phase | None, schema: Schema, words: SchemaWords) -> Schema:
    """Runs what ``phase`` may of what ``schema`` lacks, in the caller's transaction; the schema as it is then.

    All of it or nothing: ``StoreUnfit`` where the phase would not come to its end, or the schema is ahead.
    """
    mendable(schema.state, words)
    missing = missing_at(chain.revisions(), schema.revision)
    if missing is None:
        return schema
    steps = steps_of(missing, phase)
    if isinstance(steps, Blocked):
        raise StoreUnfit(words.blocked(steps))
    if not steps:
        return schema
    _upgrade(connection, chain, steps)
    return schema_of(connection, chain)


def _upgrade(connection: Connection, chain: Chain, steps: tuple[Revision, ...]) -> None:
    from alembic import command  # noqa: PLC0415 - it takes longer than opening a store

    config = chain.config()
    config.attributes["connection"] = connection
    with _alembic:
        command.upgrade(config, steps[-1].id)
    limits = [each.id for each in steps if each.first or each.phase is Phase.AFTER]
    if limits:
        facts.raise_oldest_revision(connection, limits[-1])
