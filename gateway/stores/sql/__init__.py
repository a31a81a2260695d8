"""One SQL store; SQLite and Postgres are dialects of it."""
