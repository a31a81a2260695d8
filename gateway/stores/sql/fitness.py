"""What a Postgres server must be to keep the promise, asked on every new connection.

Knows the settings by which an acknowledged commit could be lost, or be doubtful without a word. Every complaint is
``StoreUnfit`` with what to do about it. Refuses to change a setting for its session: behind PgBouncer a session is not
the gateway's own.
"""

from typing import Any, Protocol

from gateway.errors import StoreUnfit

OLDEST = 150_000

_QUESTION = """
SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_user::text,
       pg_is_in_recovery(), current_setting('transaction_read_only'), current_setting('fsync'),
       current_setting('synchronous_commit'), current_setting('client_min_messages'),
       current_setting('default_transaction_isolation')
"""


class Asked(Protocol):
    """A connection to ask on."""

    async def fetchrow(self, query: str) -> Any: ...  # noqa: ANN401, D102 - a row


async def demand(connection: Asked) -> None:
    """Returns where the server is fit; ``StoreUnfit`` with one sentence where it is not."""
    number, version, role, recovering, read_only, fsync, synchronous, messages, isolation = await connection.fetchrow(
        _QUESTION
    )
    if number < OLDEST:
        raise StoreUnfit(f"the server is PostgreSQL {version}: this gateway needs 15 or later")
    if recovering:
        raise StoreUnfit("the server is a standby, which cannot grant: give the primary's address")
    if fsync == "off":
        raise StoreUnfit(
            "the server runs with fsync=off, so that a crash may lose grants: "
            "set fsync = on in postgresql.conf and reload it"
        )
    for found, refused, setting, why in (
        (synchronous, "off", "synchronous_commit = on", "a crash may lose grants that were acknowledged"),
        (read_only, "on", "default_transaction_read_only = off", "nothing can be granted"),
        (messages, "error", "client_min_messages = warning", "a commit that no standby confirmed would look like any"),
    ):
        if found == refused:
            raise _mended_by(setting, role, why)
    if isolation != "read committed":
        raise _mended_by("default_transaction_isolation = 'read committed'", role, "claims of one key would fail")


def _mended_by(setting: str, role: str, why: str) -> StoreUnfit:
    name = setting.partition(" = ")[0]
    quoted = role.replace('"', '""')
    return StoreUnfit(f'{name} is set so that {why}: run ALTER ROLE "{quoted}" SET {setting}, and start again')
