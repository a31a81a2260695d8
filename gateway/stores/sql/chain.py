"""The revisions that one version of the gateway knows, oldest first, and which of the missing ones a phase may run.

Knows the folder of revisions, and alembic, which is imported only where somebody asks for the revisions themselves: it
takes longer than opening a store. Refuses to know a database: what it has is told to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.stores.sql.phase import Phase
from gateway.stores.sql.tables import HEAD

if TYPE_CHECKING:
    from alembic.config import Config


@dataclass(frozen=True, slots=True)
class Revision:
    """One step of a schema; the first one makes it, where nobody can need anything else."""

    id: str
    phase: Phase
    first: bool


@dataclass(frozen=True, slots=True)
class Blocked:
    """A phase that would not come to its end: ``by`` is a revision of the other one, and stands in front of it."""

    phase: Phase
    by: Revision
    # A version was skipped: the gateways that run now are older than the one that ``by`` came with.
    skipped: bool


@dataclass(frozen=True, slots=True)
class Chain:
    """The revisions in ``place``, an alembic folder, up to ``head``, the newest."""

    place: Path
    head: str

    def revisions(self) -> tuple[Revision, ...]:
        """All of them, oldest first."""
        from alembic.script import ScriptDirectory  # noqa: PLC0415 - see the module's docstring

        newest_first = ScriptDirectory.from_config(self.config()).walk_revisions()
        found = [Revision(s.revision, Phase(s.module.phase), s.down_revision is None) for s in newest_first]
        return tuple(reversed(found))

    def config(self) -> "Config":
        """What alembic is to know of it."""
        from alembic.config import Config  # noqa: PLC0415 - see the module's docstring

        config = Config()
        config.set_main_option("script_location", str(self.place).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        return config


OWN = Chain(Path(__file__).parent / "migrations", HEAD)


def missing_at(revisions: Sequence[Revision], at: str | None) -> tuple[Revision, ...] | None:
    """What a schema at revision ``at`` still lacks; ``None`` where it is at none of these."""
    if at is None:
        return tuple(revisions)
    place = next((place for place, each in enumerate(revisions, 1) if each.id == at), None)
    return None if place is None else tuple(revisions[place:])


def steps_of(missing: Sequence[Revision], phase: Phase | None) -> tuple[Revision, ...] | Blocked:
    """What ``phase`` runs of the missing revisions; without a phase, or on a new schema before a roll-out, all of them.

    A phase never runs a revision of the other one, and never stops in front of one with its own work half done:
    ``before`` ends with every revision that this version needs, ``after`` with every one that it finds in front.
    """
    befores = [place for place, each in enumerate(missing, 1) if each.phase is Phase.BEFORE]
    if phase is None or not missing or (phase is Phase.BEFORE and missing[0].first):
        return tuple(missing)
    if phase is Phase.AFTER:
        leading = tuple(missing[: befores[0] - 1]) if befores else tuple(missing)
        return leading or Blocked(phase, missing[0], skipped=False)
    wanted = missing[: befores[-1]] if befores else ()
    by = next((each for each in wanted if each.phase is Phase.AFTER), None)
    return tuple(wanted) if by is None else Blocked(phase, by, skipped=by is not missing[0])
