"""``health``: asks a gateway whether it lives, or is ready for calls. For the health check of a container, above all.

Knows the two paths and what their answers mean. Refuses to import what it does not need, for it is run every few
seconds beside the gateway that it asks.
"""

import http.client
import json
import os
from pathlib import Path
from typing import Annotated, Any, NoReturn
from urllib.parse import urlsplit

import typer

from gateway.cli import output
from gateway.errors import ConfigInvalid, NotDone

# Where the operator's listener is, unless somebody says otherwise.
DEFAULT = "http://127.0.0.1:8081"

# In seconds: a store that does not answer is known to be so by then.
PATIENCE = 4.0


def health(
    ready: Annotated[bool, typer.Option("--ready", help="Ask whether it is ready for calls, not only alive.")] = False,
    admin: Annotated[
        str | None,
        typer.Option(
            "--admin",
            metavar="URL",
            help="The admin listener. Else that of --config or the environment.",
            show_default=DEFAULT,
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="The gateway's configuration.")
    ] = None,
) -> None:
    """Ask a running gateway how it is: exits 0 when it is well, 1 when it is not."""
    url = _where(admin, config) + ("/readyz" if ready else "/healthz")
    status, told = _asked(url)
    if status != http.client.OK:
        raise NotDone(f"{url} answers {status}: {told}.")
    typer.echo(f"{url}: {told}")


def _where(admin: str | None, config: Path | None) -> str:
    named = config is not None or any(name.upper().startswith("IDEMPOTENCY_GATEWAY_ADMIN") for name in os.environ)
    if admin is None and not named:
        return DEFAULT
    # Only where they are needed: they take longer than all the rest.
    from gateway.cli import reaching  # noqa: PLC0415

    if admin is not None:
        return reaching.given(admin).rstrip("/")
    from gateway.config.load import admin_listen  # noqa: PLC0415

    return reaching.listening(admin_listen(config, os.environ))


def _asked(url: str) -> tuple[int, str]:
    """The status, and in a few words what the answer says."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=PATIENCE)
    try:
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        return answer.status, _words(answer.read())
    except (OSError, http.client.HTTPException) as fault:
        from gateway.cli import reaching  # noqa: PLC0415

        told = f"{url} does not answer: {reaching.why(fault)}. Is a gateway's admin listener there?"
        raise NotDone(told) from fault
    finally:
        connection.close()


def _words(body: bytes) -> str:
    try:
        said: dict[str, Any] = json.loads(body)
        states = [f"{name} {store['state']}{_why(store)}" for name, store in said.get("stores", {}).items()]
        return ", ".join([str(said["status"]), *states])
    except (ValueError, LookupError, TypeError, AttributeError):
        return "not as an admin listener does"


def _why(store: dict[str, str]) -> str:
    return f" ({store['detail']})" if "detail" in store else ""


def main() -> NoReturn:
    """``health`` alone, without the rest of the command."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(health)
    output.guard()
    try:
        app(prog_name="idempotency-gateway health")
    except ConfigInvalid as fault:
        typer.echo(str(fault), err=True)
        raise SystemExit(2) from None
    except NotDone as fault:
        output.drop()
        typer.echo(str(fault), err=True)
        raise SystemExit(1) from None
    raise SystemExit(0)
