"""What people are told about a schema: why no gateway starts on it, why a phase does not run, and what to do next.

Each is one sentence, with the command to run. Refuses to judge a schema.
"""

from dataclasses import dataclass

from gateway.stores.sql.chain import Blocked
from gateway.stores.sql.phase import Phase


@dataclass(frozen=True, slots=True)
class SchemaWords:
    """The sentences about one store's schema."""

    # How the schema is called, and the URL of its store, without a password.
    name: str
    url: str
    # What to choose instead: a database, a file.
    place: str
    # What to run so that a gateway starts: a phase where old ones may serve meanwhile, both phases where none does.
    first: Phase | None

    def command(self, phase: Phase | None = None) -> str:
        """What brings the schema forward."""
        return f"`idempotency-gateway migrate --store {self.url}{f' --phase {phase}' if phase else ''}`"

    @property
    def absent(self) -> str:
        """Nobody has made it."""
        return f"the {self.place} has no schema yet: run {self.command()}"

    @property
    def behind(self) -> str:
        """It lacks something."""
        return f"{self.name} is older than this gateway: run {self.command(self.first)}"

    @property
    def ahead(self) -> str:
        """It lacks what a newer version took away."""
        return (
            f"{self.name} is newer than this gateway and no longer has what this version needs: start the version "
            f"that migrated it, or a newer one, or choose another {self.place}"
        )

    def blocked(self, blocked: Blocked) -> str:
        """A phase cannot come to its end; nothing was changed."""
        by = blocked.by.id
        if blocked.phase is Phase.AFTER:
            command = self.command() if blocked.by.first else self.command(Phase.BEFORE)
            return f"revision {by} is missing and runs before the roll-out, which cannot be over: run {command}"
        if blocked.skipped:
            return (
                f"a version was skipped: revision {by} takes away what the gateways that run now may need; roll out "
                f"the version that it came with first, to its end, or stop every gateway and run {self.command()}"
            )
        return (
            f"the roll-out before this one has no end yet: when no gateway is left that is older than the schema, run "
            f"{self.command(Phase.AFTER)} for revision {by}, and then this again"
        )

    @property
    def unfinished(self) -> str:
        """It has what this version needs, and more than that."""
        return f"when no older gateway is left, run {self.command(Phase.AFTER)}"

    @property
    def unready(self) -> str:
        """The roll-out before this version's is over; its own can begin."""
        return f"before the roll-out of this version run {self.command(Phase.BEFORE)}"
