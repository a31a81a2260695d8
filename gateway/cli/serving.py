"""``serve``: start, say where, wait for a signal, stop in order."""

import asyncio
import signal
import sys
from importlib.metadata import version

from rich.console import Console
from rich.markup import escape

from gateway.config.configuration import Configuration
from gateway.telemetry import logs
from gateway.wiring.collecting import collect_seldom
from gateway.wiring.running import Running, Started


async def serve(configuration: Configuration, *, accept_identity_change: bool) -> None:
    """Runs until SIGTERM or SIGINT; a second one ends the grace."""
    logs.configure(configuration.log_format, configuration.log_level)
    stop, hurry = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: hurry.set() if stop.is_set() else stop.set())
    running = await Running.start(configuration, accept_identity_change=accept_identity_change)
    collect_seldom()
    announce(running.logs, await running.describe(), console=_console(configuration))
    await stop.wait()
    running.logs.say("stopping", grace_seconds=configuration.shutdown_grace.total_seconds())
    await running.stop(hurry)
    running.logs.say("stopped")


def _console(configuration: Configuration) -> bool:
    return configuration.log_format == "console" or (configuration.log_format is None and sys.stderr.isatty())


def announce(log: logs.Logs, started: Started, *, console: bool) -> None:
    """A few lines for a person, one line for a machine."""
    if not console:
        log.say(
            "started",
            listen=started.listen,
            admin=started.admin,
            store=started.store,
            records=started.records,
            routes=[{"name": name, "upstream": origin} for name, origin in started.routes],
        )
        for caution in started.cautions:
            log.caution(store=started.store, detail=caution)
        return
    out = Console(highlight=False)
    lines = [
        f"[bold]Idempotency Gateway[/] {version('idempotency-gateway')}",
        f"  listening  {started.listen}",
        f"  admin      {started.admin} [dim](a page; /docs /healthz /readyz /metrics)[/]",
        f"  store      {escape(started.store)} [dim]({started.records} records)[/]",
        *(f"  route      {name} → {origin}" for name, origin in started.routes),
        *(f"  [yellow]caution[/]    {escape(caution)}" for caution in started.cautions),
    ]
    for line in lines:
        out.print(line, soft_wrap=True)
