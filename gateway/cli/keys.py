"""``keys``: the operator's verbs, through the admin API. What is decided is shown first, and asked about.

The fence that a decision is made under is that of the record which was just shown, so that what has moved on meanwhile
is not decided. Exits with 0 when it was done, 1 when it was not, 2 when it cannot be as it was asked.
"""

import base64
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli import showing
from gateway.cli.asking import Admin
from gateway.cli.finding import PAGE, find
from gateway.cli.options import AdminUrl, ConfigFile, Json, TokenFile
from gateway.cli.resealing import reseal
from gateway.errors import ConfigInvalid, NotDone
from gateway.protocol.dossier import State

app = typer.Typer(
    name="keys",
    help="See what became of keys, and decide on those whose outcome is unknown.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Id = Annotated[
    str | None, typer.Argument(metavar="[ID]", help="The record's id, or the beginning of it.", show_default=False)
]
Key = Annotated[str | None, typer.Option("--key", metavar="TEXT", help="Instead of the ID: the key, as it was sent.")]
Yes = Annotated[bool, typer.Option("--yes", help="Decide without being asked.")]
Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="Why, for the record's history.")]

app.command()(reseal)


@app.command(name="list")
def list_(
    state: Annotated[State | None, typer.Option("--state", help="Only these.")] = None,
    route: Annotated[str | None, typer.Option("--route", metavar="NAME", help="Only of this route.")] = None,
    created_after: Annotated[
        str | None, typer.Option("--created-after", metavar="INSTANT", help="Such as 2026-11-28T09:30:00Z.")
    ] = None,
    key: Annotated[str | None, typer.Option("--key", metavar="TEXT", help="Only of this key, as it was sent.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many, newest first.")] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", metavar="TEXT", help="Where a list before ended.")] = None,
    json_: Json = False,
    admin: AdminUrl = None,
    config: ConfigFile = None,
    token_file: TokenFile = None,
) -> None:
    """List records, newest first."""
    with Admin.at(admin, config, token_file, os.environ) as api:
        wanted = {"state": state, "route": route, "created_after": created_after, "key": key}
        records: list[dict[str, Any]] = []
        while len(records) < limit:
            page = api.get("/api/keys", limit=min(PAGE, limit - len(records)), cursor=cursor, **wanted)
            records += page["keys"]
            cursor = page["next"]
            if cursor is None:
                break
    if json_:
        return showing.as_json({"keys": records, "next": cursor})
    if records:
        showing.show_list(records, datetime.now(UTC))
    else:
        typer.echo("There are no such records.", err=True)
    if cursor is not None:
        typer.echo(f"There are more: --cursor {cursor}", err=True)
    return None


@app.command()
def show(
    id_: Id = None,
    key: Key = None,
    json_: Json = False,
    admin: AdminUrl = None,
    config: ConfigFile = None,
    token_file: TokenFile = None,
) -> None:
    """Show one record and what happened to it."""
    with Admin.at(admin, config, token_file, os.environ) as api:
        record = find(api, id_, key)
    if json_:
        return showing.as_json(record)
    return showing.show_record(record, datetime.now(UTC))


@app.command()
def release(
    id_: Id = None,
    key: Key = None,
    note: Note = "",
    yes: Yes = False,
    json_: Json = False,
    admin: AdminUrl = None,
    config: ConfigFile = None,
    token_file: TokenFile = None,
) -> None:
    """Say of an unknown key that it was not executed: the next call with it is sent."""
    with Admin.at(admin, config, token_file, os.environ) as api:
        record = find(api, id_, key)
        _agreed(
            record, "Releasing says: it was not executed. The next call with this key is sent.", "Release it?", yes=yes
        )
        done = api.decide("POST", f"/api/keys/{record['id']}/release", {**_shown(record), "note": note})
    _told(done, f"Released, under fence {done['fence']}: the next call with this key is sent.", json_=json_)


@app.command()
def resolve(
    status: Annotated[int, typer.Option("--status", metavar="N", help="The status that the upstream answered.")],
    id_: Id = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", metavar="'NAME: VALUE'", help="One line; may be repeated.")
    ] = None,
    body_file: Annotated[
        Path | None,
        typer.Option("--body-file", metavar="FILE", help="Holds the body, byte for byte; - is standard input."),
    ] = None,
    key: Key = None,
    note: Note = "",
    yes: Yes = False,
    json_: Json = False,
    admin: AdminUrl = None,
    config: ConfigFile = None,
    token_file: TokenFile = None,
) -> None:
    """Say of an unknown key that this was the answer: every later call with it gets it."""
    headers, body = [_pair(line) for line in header or ()], _content(body_file)
    with Admin.at(admin, config, token_file, os.environ) as api:
        record = find(api, id_, key)
        answer = f"{status}, {len(headers)} headers and {len(body):,} bytes of body"
        _agreed(
            record, f"Resolving says: this was the answer ({answer}). Every later call gets it.", "Resolve it?", yes=yes
        )
        word = {**_shown(record), "note": note, "status": status, "headers": headers}
        given = {**word, "body": {"base64": base64.b64encode(body).decode()}}
        done = api.decide("POST", f"/api/keys/{record['id']}/resolve", given)
    until = showing.moment(done["replay_until"])
    _told(done, f"Resolved, under fence {done['fence']}: every call until {until} gets this answer.", json_=json_)


@app.command()
def forget(
    id_: Id = None,
    key: Key = None,
    note: Note = "",
    yes: Yes = False,
    json_: Json = False,
    admin: AdminUrl = None,
    config: ConfigFile = None,
    token_file: TokenFile = None,
) -> None:
    """Erase a record's answer for good: the key answers 410 from then on."""
    with Admin.at(admin, config, token_file, os.environ) as api:
        record = find(api, id_, key)
        _agreed(
            record, "Forgetting erases the answer for good. The key answers 410 from then on.", "Forget it?", yes=yes
        )
        done = api.decide("DELETE", f"/api/keys/{record['id']}", {**_shown(record), "note": note})
        gone = "no copy is left." if done["copies_gone"] else "a copy is yet to go, so ask again in a moment."
    _told(done, f"Forgotten: {gone}", json_=json_)


def _agreed(record: dict[str, Any], meaning: str, question: str, *, yes: bool) -> None:
    """Returns when the operator means it."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigInvalid("Nothing was done, because nobody can be asked here; give --yes if it is meant.")
    showing.show_record(record, datetime.now(UTC))
    typer.echo(f"\n{meaning}")
    if not typer.confirm(question):
        raise NotDone("Nothing was done.")


def _shown(record: dict[str, Any]) -> dict[str, Any]:
    """Which record a word is on: fences begin anew once a key has been forgotten by its retention."""
    return {"fence": record["fence"], "created_at": record["created_at"]}


def _told(done: dict[str, Any], sentence: str, *, json_: bool) -> None:
    if json_:
        showing.as_json(done)
    else:
        typer.echo(sentence)


def _pair(line: str) -> list[str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise ConfigInvalid("option --header: must be 'NAME: VALUE', such as 'Content-Type: application/json'.")
    return [name, value.strip(" \t")]


def _content(file: Path | None) -> bytes:
    if file is None:
        return b""
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as fault:
        raise ConfigInvalid(f"option --body-file: {file} cannot be read: {fault.strerror}.") from None
