"""What alembic runs around revisions: on the connection, and in the transaction, of whoever asks for a migration.

Refuses to know where the database is; whoever asks has opened it.
"""

from alembic import context

from gateway.stores.sql.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
