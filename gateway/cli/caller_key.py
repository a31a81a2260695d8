"""``caller-key``: a key for a caller, and the digest of it that a configuration holds.

The key is printed once, and kept nowhere.
"""

import secrets
from typing import Annotated

import typer

from gateway.config.units import parse_name
from gateway.errors import ConfigInvalid
from gateway.protocol.fingerprint import key_digest

# In bytes of chance: twice what nobody can guess.
_CHANCE = 32

# So that a key which turns up where it should not can be told for what it is.
_MARK = "igk_"


def caller_key(
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Whose key it is, as in callers.")],
) -> None:
    """Make a key for a caller, and print it and its digest."""
    try:
        parse_name(name)
    except ValueError as fault:
        raise ConfigInvalid(f"option --name: {fault}") from None
    key = _MARK + secrets.token_urlsafe(_CHANCE)
    typer.echo(f"key, for the caller alone, shown once:  {key}")
    typer.echo(f"digest, for the configuration:          sha256:{key_digest(key.encode()).hex()}")
    typer.echo(f"\ncallers:\n  - {{name: {name}, key: sha256:{key_digest(key.encode()).hex()}}}")
