"""What the command line does with the schema of a SQL store, and nobody else."""

import asyncio

from gateway.config.configuration import StoreChoice
from gateway.stores.sql import schema
from gateway.stores.sql.phase import Phase
from gateway.stores.sql.revisions import SchemaState, mendable, report
from gateway.wiring.stores import named


def migrate(choice: StoreChoice, phase: Phase | None) -> str:
    """Runs what ``phase`` may on a SQL store; what came of it, and what is to be done next."""
    with named(choice):
        if choice.kind != "postgres":
            return report(schema.migrate(choice.path, phase), schema.words(choice.path))
        # Imported where it is used, here and below: whoever keeps an SQLite file has no need of it.
        from gateway.stores.sql import postgres, postgres_schema  # noqa: PLC0415

        return report(asyncio.run(postgres.migrate(choice.url, phase)), postgres_schema.words(choice.url))


def schema_state(choice: StoreChoice) -> SchemaState:
    """What the schema of a SQL store is to this version; ``StoreUnfit`` where no migration of this version mends it."""
    with named(choice):
        if choice.kind != "postgres":
            return mendable(schema.schema_state(choice.path), schema.words(choice.path))
        from gateway.stores.sql import postgres, postgres_schema  # noqa: PLC0415

        return mendable(asyncio.run(postgres.schema_state(choice.url)), postgres_schema.words(choice.url))
