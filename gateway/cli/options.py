"""The options that every command has which asks the admin API."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.asking import TOKEN

_ADMIN = "The admin listener. Else that of --config or the environment."
AdminUrl = Annotated[
    str | None, typer.Option("--admin", metavar="URL", help=_ADMIN, show_default="http://127.0.0.1:8081")
]
ConfigFile = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="The gateway's configuration.")]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", metavar="FILE", help=f"Holds the token. Else {TOKEN} does.")
]
Json = Annotated[bool, typer.Option("--json", help="JSON, as the API has it.")]
