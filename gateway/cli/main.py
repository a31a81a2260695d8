"""``idempotency-gateway``: argv to one call into wiring. Faults become one clear sentence and an exit code.

0 well ended, 1 failed while running, 2 bad use, bad configuration, or a store that cannot keep the promise.
"""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NoReturn

import typer
import uvloop

from gateway.cli import demo, health, keys, output, serving
from gateway.cli.caller_key import caller_key
from gateway.config import load as loading
from gateway.errors import ConfigInvalid, GatewayError, StoreUnfit
from gateway.stores.sql.phase import Phase
from gateway.wiring import stores
from gateway.wiring.proving import unusable

app = typer.Typer(
    name="idempotency-gateway",
    help="A reverse proxy that makes retries safe: one key, one upstream call, one answer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"idempotency-gateway {version('idempotency-gateway')}")
        raise typer.Exit


@app.callback()
def about(
    _: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    """A reverse proxy that makes retries safe: one key, one upstream call, one answer."""


Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="YAML configuration.")]
Stores = Annotated[
    list[str] | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="memory:, sqlite:///FILE, postgresql://USER@HOST/NAME or redis://HOST:PORT/DB; both: Redis in front.",
        show_default="a file here",
    ),
]


@app.command()
def serve(
    config: Config = None,
    upstream: Annotated[
        list[str] | None, typer.Option("--upstream", metavar="URL", help="One route to this base URL.")
    ] = None,
    listen: Annotated[
        str | None, typer.Option("--listen", metavar="HOST:PORT", help="Data listener.", show_default="127.0.0.1:8080")
    ] = None,
    admin_listen: Annotated[
        str | None,
        typer.Option(
            "--admin-listen",
            metavar="HOST:PORT",
            help="The operator's listener: page, API, health, metrics.",
            show_default="127.0.0.1:8081",
        ),
    ] = None,
    store: Stores = None,
    workers: Annotated[int | None, typer.Option("--workers", metavar="N", help="Processes.", show_default="1")] = None,
    log_format: Annotated[
        str | None,
        typer.Option(
            "--log-format", metavar="json|console", help="How lines are written.", show_default="console on a terminal"
        ),
    ] = None,
    log_level: Annotated[
        str | None, typer.Option("--log-level", metavar="LEVEL", help="The least that has a line.", show_default="info")
    ] = None,
    accept_identity_change: Annotated[
        bool,
        typer.Option("--accept-identity-change", help="Start although settings that form key identity have changed."),
    ] = False,
) -> None:
    """Run the gateway."""
    if upstream is not None and len(upstream) > 1:
        raise ConfigInvalid("option --upstream: is given more than once; name several upstreams as routes in --config.")
    options = {
        "upstream": upstream[0] if upstream else None,
        "listen": listen,
        "admin_listen": admin_listen,
        "store": store,
        "workers": workers,
        "log_format": log_format,
        "log_level": log_level,
    }
    given = {name: value for name, value in options.items() if value is not None and value != []}
    configuration = loading.load(config, given, os.environ)
    uvloop.run(serving.serve(configuration, accept_identity_change=accept_identity_change))


@app.command(name="demo")
def demonstrate(
    keep: Annotated[bool, typer.Option("--keep", help="Leave both running and print commands to try.")] = False,
) -> None:
    """Start a sample payments API and a gateway in front of it, and show every promise being kept."""
    raise typer.Exit(asyncio.run(demo.run(keep=keep)))


@app.command()
def check(config: Annotated[Path, typer.Option("--config", metavar="FILE", help="YAML configuration.")]) -> None:
    """Print every complaint of a configuration, one a line."""
    complaints = loading.check(config, os.environ, unusable)
    for complaint in complaints:
        typer.echo(complaint)
    if complaints:
        raise typer.Exit(2)
    typer.echo(f"{config}: good")


@app.command()
def schema() -> None:
    """Print the JSON Schema of the configuration."""
    typer.echo(json.dumps(loading.schema(), indent=2))


@app.command()
def migrate(
    store: Annotated[
        str | None, typer.Option("--store", metavar="URL", help="The store to bring up to date, else the gateway's.")
    ] = None,
    config: Config = None,
    phase: Annotated[
        Phase | None,
        typer.Option(
            "--phase",
            help="before: what runs while gateways of the version before still serve. after: the rest, when none of "
            "them is left.",
            show_default="both, for gateways that are stopped",
        ),
    ] = None,
    check_only: Annotated[
        bool, typer.Option("--check", help="Only tell: exit 1 when there is something to do.")
    ] = False,
) -> None:
    """Bring a SQL store to the newest schema."""
    choice = loading.store_choice([store]) if store else loading.store_named(config, os.environ)
    if choice.kind not in ("sqlite", "postgres"):
        raise ConfigInvalid(f"store: {choice.kind} has no schema; give sqlite:///FILE or postgresql://….")
    # What nobody else needs is loaded here alone.
    from gateway.wiring import schemas  # noqa: PLC0415

    name = stores.store_name(choice)
    if check_only:
        state = schemas.schema_state(choice)
        typer.echo(f"{name}: the schema is {state}.")
        raise typer.Exit(1 if state.lacks(phase) else 0)
    typer.echo(f"{name}: {schemas.migrate(choice, phase)}.")


@app.command()
def sweep(config: Config = None, store: Stores = None) -> None:
    """Remove what retention allows, once, and print the counts."""
    choice = loading.store_choice(store) if store else loading.store_of(config, os.environ)
    counts = asyncio.run(stores.sweep(choice))
    typer.echo(f"leases found over: {counts.lapsed}")
    typer.echo(f"unknowns that became tombstones: {counts.unknown_expired}")
    typer.echo(f"answers that became tombstones: {counts.answers_expired}")
    typer.echo(f"records forgotten: {counts.forgotten}")


# In the order in which somebody meets them.
app.command(name="health")(health.health)
app.add_typer(keys.app)
app.command(name="caller-key")(caller_key)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The entry point of the command; ``arguments`` are those of the process, unless they are given."""
    output.guard()
    try:
        app(arguments, prog_name="idempotency-gateway")
    except (ConfigInvalid, StoreUnfit) as fault:
        typer.echo(str(fault), err=True)
        sys.exit(2)
    except GatewayError as fault:
        output.drop()
        typer.echo(str(fault), err=True)
        sys.exit(1)
    sys.exit(0)
