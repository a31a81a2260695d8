"""The schema's history, run by alembic inside the package: a chain of revisions, each with the phase in which it runs.

``phase = "before"``: ``migrate --phase before`` runs it while gateways of the version before serve, and go on being
started. It only adds what they do not mind: a table, a column that may be null or has a default, and no constraint that
a row of theirs could break. A gateway does not start without every ``before`` revision that it knows.

``phase = "after"``: ``migrate --phase after`` runs it when none of them is left. It takes away or tightens what only
they need: a column that nobody writes any more, a constraint that every row obeys by now. From then on no gateway
starts that does not know this revision. The version that it comes with must work without it and with it.

Those of one release stand together in the chain, ``before`` in front of ``after``, with numbers that grow. A revision
that was released is never edited, moved or taken out; there is no way back down, for an older version may use the newer
schema until an ``after`` revision says otherwise.

What no revision may ever change, since every version reads it before it knows anything else: ``alembic_version``, the
table ``facts``, the comment on ``records`` that says whose it is, and the ``application_id`` of an SQLite file.

A migration is one transaction, so its locks are held to its end, and every call waits for a table that is locked:

- Only what is over in milliseconds, however many rows there are. PostgreSQL adds a column with a constant default
  without a look at the rows; it reads all of them for ``SET NOT NULL``, a foreign key or a ``CHECK``: add those ``NOT
  VALID`` in one release, which binds new rows, and validate them in the next, which lets everybody write.
- Rows are never rewritten: what a row does not have yet is filled in by whoever reads it.
- ``CREATE INDEX`` on a table that has rows stops all writing while it reads them, and ``CONCURRENTLY`` needs to stand
  outside a transaction, which nothing here offers: the first revision that needs it brings that, with a way to repeat
  what was broken off.
- It waits at most a second and a half for a table (``postgres_schema``), so that calls do not queue for long behind it
  and somebody's open transaction; then nothing has changed, and it may be run again. Touch one table a revision.
- On SQLite the same holds for the file's one write lock; alembic copies a table to alter more than its columns.
"""
