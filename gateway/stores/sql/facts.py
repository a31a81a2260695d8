"""What a store remembers about itself: the digest key's fact, the settings of each key space, who may still use it.

Plain functions over a connection. Everything is inserted if absent and then read again, so that processes that start
together end with the same facts. Refuses to judge them.
"""

from typing import Any

from sqlalchemy import Connection, Select, Update, bindparam, select, update

from gateway.stores.sql.dialects import if_absent
from gateway.stores.sql.tables import facts, key_spaces

_FIRST_FACT = if_absent(facts)
_VALUE: Select[Any] = select(facts.c.value).where(facts.c.name == bindparam("of_name"))
_CHANGE_VALUE: Update = update(facts).where(facts.c.name == bindparam("of_name")).values(value=bindparam("new_value"))
_REPLACE_VALUE: Update = _CHANGE_VALUE.where(facts.c.value == bindparam("of_value"))

_FIRST_SETTINGS = if_absent(key_spaces)
_SETTINGS: Select[Any] = select(key_spaces.c.settings).where(key_spaces.c.namespace == bindparam("of_namespace"))
_CHANGE_SETTINGS: Update = (
    update(key_spaces)
    .where(key_spaces.c.namespace == bindparam("of_namespace"))
    .values(settings=bindparam("new_settings"))
)

_DIGEST_KEY = "digest-key"
_PING = "ping"
_OLDEST_REVISION = "oldest-revision"


def digest_fact(connection: Connection, proposed: bytes) -> bytes:
    """The fact about the digest key: the one that was there, else ``proposed``."""
    return _fact(connection, _DIGEST_KEY, proposed)


def change_digest_fact(connection: Connection, earlier: bytes, proposed: bytes) -> bytes:
    """The fact about the digest key after ``earlier`` gave way to ``proposed``, or to whoever was quicker."""
    connection.execute(_REPLACE_VALUE, {"of_name": _DIGEST_KEY, "of_value": earlier, "new_value": proposed})
    return _fact(connection, _DIGEST_KEY, proposed)


def ping(connection: Connection) -> None:
    """Writes something, for a store that can only read cannot grant."""
    _fact(connection, _PING, b"")
    connection.execute(_CHANGE_VALUE, {"of_name": _PING, "new_value": b""})


def oldest_revision(connection: Connection) -> str | None:
    """The revision that a gateway must know to use this schema."""
    value: bytes | None = connection.execute(_VALUE, {"of_name": _OLDEST_REVISION}).scalar()
    return None if value is None else value.decode()


def raise_oldest_revision(connection: Connection, revision: str) -> None:
    """From the end of this transaction on, a gateway that does not know ``revision`` refuses to start."""
    _fact(connection, _OLDEST_REVISION, b"")
    connection.execute(_CHANGE_VALUE, {"of_name": _OLDEST_REVISION, "new_value": revision.encode()})


def _fact(connection: Connection, name: str, proposed: bytes) -> bytes:
    connection.execute(_FIRST_FACT[connection.dialect.name], {"name": name, "value": proposed})
    value: bytes = connection.execute(_VALUE, {"of_name": name}).scalar_one()
    return value


def remember_key_space(connection: Connection, namespace: str, settings: str, *, accept_change: bool) -> str | None:
    """The earlier, different settings; ``None`` where there are none, or where the change is accepted."""
    first = _FIRST_SETTINGS[connection.dialect.name]
    connection.execute(first, {"namespace": namespace, "settings": settings})
    earlier: str = connection.execute(_SETTINGS, {"of_namespace": namespace}).scalar_one()
    if earlier == settings:
        return None
    if not accept_change:
        return earlier
    connection.execute(_CHANGE_SETTINGS, {"of_namespace": namespace, "new_settings": settings})
    return None
