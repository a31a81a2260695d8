"""The URL of a Postgres store: what may stand in it, and how it is shown.

Knows the names that libpq gives to parameters, as far as the driver knows them too. Refuses every other one: the
driver would send it to the server as a setting. No sentence repeats the URL, and what is shown has no password.
"""

from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from gateway.errors import StoreUnfit

# PostgreSQL 18, section 32.1.2; those of them that asyncpg reads, and the two that every server takes as settings.
_KNOWN = frozenset(
    {"host", "port", "dbname", "user", "passfile", "service", "servicefile", "target_session_attrs", "krbsrvname"}
    | {"sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslnegotiation"}
    | {"ssl_min_protocol_version", "ssl_max_protocol_version", "application_name", "options"}
)
_FORM = "write postgresql://USER@HOST:PORT/DATABASE"


def checked(url: str) -> str:
    """The URL as the driver takes it; ``StoreUnfit`` where something in it would be misunderstood."""
    try:
        parts = urlsplit(url)
        named = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))]
    except ValueError as error:
        raise StoreUnfit(f"the store's URL cannot be read: {_FORM}") from error
    if parts.scheme not in ("postgresql", "postgres") or parts.fragment:
        raise StoreUnfit(f"the store's URL cannot be read: {_FORM}")
    if {"password", "sslpassword"} & set(named):
        raise StoreUnfit(
            "the store's URL has a password among its parameters: write it before the host, or in a passfile"
        )
    unknown = sorted(set(named) - _KNOWN)
    if unknown:
        raise StoreUnfit(f"the store's URL has a parameter that is not known here: {unknown[0]}; remove it")
    return url


def shown(url: str) -> str:
    """The URL for people: as it was written, less the password."""
    parts = urlsplit(url)
    who, at, where = parts.netloc.rpartition("@")
    user = who.partition(":")[0]
    query = urlencode(parse_qsl(parts.query), quote_via=quote, safe="/")
    return f"postgresql://{user}{at}{where}{parts.path}" + (f"?{query}" if query else "")
