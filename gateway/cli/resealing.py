"""``keys reseal``: the walk that brings a rotation of ``encryption.keys`` to its end, stretch by stretch, and what it
came to in words. Refuses to know how a record is sealed.
"""

import os
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from gateway.cli import showing
from gateway.cli.asking import Admin
from gateway.cli.options import AdminUrl, ConfigFile, Json, TokenFile
from gateway.errors import NotDone

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count what would be sealed anew.")]

_COUNTS = ("looked_at", "resealed", "already", "unreadable")


def reseal(
    dry_run: DryRun = False,
    json_: Json = False,
    admin: AdminUrl = None,
    config: ConfigFile = None,
    token_file: TokenFile = None,
) -> None:
    """Seal every kept answer by the first of encryption.keys, so that the others may go."""
    told: dict[str, Any] = {**dict.fromkeys(_COUNTS, 0), "unreadable_ids": []}
    with Admin.at(admin, config, token_file, os.environ) as api:
        try:
            for stretch in _stretches(api, dry=dry_run):
                told = {name: value + stretch[name] for name, value in told.items()}
        except NotDone as fault:
            if not told["looked_at"]:
                raise
            done = f"{told['resealed']:,} were sealed anew by then"
            raise NotDone(f"{fault} {done}; run it again: what is done is only looked at.") from fault
    if json_:
        showing.as_json(told)
    else:
        _show(told, dry=dry_run)
    if told["unreadable"]:
        raise NotDone(
            f"{told['unreadable']:,} records do not open, and stay as they are: bring the key back that they were "
            "sealed by, as a further one of encryption.keys, and run this again. While they stand, their keys answer "
            "500 and are not sent."
        )


def _stretches(api: Admin, *, dry: bool) -> Iterator[dict[str, Any]]:
    cursor: str | None = None
    while True:
        given = {"dry_run": dry} if cursor is None else {"dry_run": dry, "cursor": cursor}
        stretch = api.decide("POST", "/api/reseal", given)
        yield stretch
        cursor = stretch["next"]
        if cursor is None:
            return


def _show(told: dict[str, Any], *, dry: bool) -> None:
    held = told["resealed"] + told["already"] + told["unreadable"]
    for name, number in (
        ("records looked at", told["looked_at"]),
        ("would be sealed anew" if dry else "sealed anew", told["resealed"]),
        ("sealed by the first key before", told["already"]),
        ("nothing to seal", told["looked_at"] - held),
        ("do not open", told["unreadable"]),
    ):
        typer.echo(f"{name + ':':<32}{number:>12,}")
    for each in told["unreadable_ids"]:
        typer.echo(f"  {each}")
    if told["unreadable"]:
        return
    if dry and told["resealed"]:
        typer.echo("\nNothing was written. Run it without --dry-run before a key goes.")
    else:
        typer.echo(
            "\nNo record needs another key than the first of encryption.keys. The others may go, if every gateway of "
            "this\nstore had this one first before the walk began."
        )
