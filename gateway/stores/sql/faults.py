"""Foreign errors become faults here, at the seam, and nowhere else.

Refuses to pass on statements, parameters and details, which may hold what a caller sent: only the database's own
sentence.
"""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from gateway.errors import StoreUnavailable, StoreUnfit


@contextmanager
def translated() -> Generator[None]:
    """Whatever the database or its driver could not do is ``StoreUnavailable``: nothing may be concluded from it."""
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlite_errorname", "") == "SQLITE_NOTADB":
            raise StoreUnfit("the store's file is not an SQLite database: choose another file") from error
        raise StoreUnavailable(f"the store did not do as it was asked: {_sentence(error.orig)}") from error
    except SQLAlchemyError as error:
        raise StoreUnavailable(f"the store did not do as it was asked: {type(error).__name__}") from error
    except OverflowError as error:
        # A number beyond 64 bits never reaches the database.
        raise StoreUnavailable(f"the store cannot hold this record: {error}") from error


@contextmanager
def opening(path: Path) -> Generator[None]:
    """As ``translated``; a file that SQLite cannot read is ``StoreUnfit`` and named: trying again does not mend it."""
    with translated():
        try:
            yield
        except DBAPIError as error:
            name = getattr(error.orig, "sqlite_errorname", "")
            if name == "SQLITE_NOTADB":
                raise StoreUnfit(f"{path} is not an SQLite database: choose another file for the store") from error
            if name.startswith("SQLITE_CORRUPT"):
                raise StoreUnfit(
                    f"{path} is damaged or cut short ({error.orig}): bring it back from a copy; "
                    "an empty store knows no key, and every retry would be sent again"
                ) from error
            raise


def _sentence(error: BaseException | None) -> str:
    """The first argument of an error is its message; what SQLAlchemy adapted keeps the driver's own as its cause."""
    own = error if error is None or isinstance(error, sqlite3.Error) else error.__cause__ or error
    return str(own.args[0]) if own is not None and own.args else type(own).__name__
