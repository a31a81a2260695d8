"""Measures the gateway beside what people use instead of it, in turn, in one run.

``python -m loadtests.bench`` starts an API that answers at once, stores, and in front of them nginx, nginx with Lua and
Redis, two proxies, two libraries inside their applications, and a gateway on each store; tries each once, pins what is
measured to one core and everything else to another, and loads everybody in turn, round after round. What it prints are
medians of the rounds, and ratios of what was measured in the same round with their least and most.

It exits 1 where the gateway was not to be counted, and names whoever else was not. Some of what is measured has to be
installed first; what is not there is left out, and named with the command that brings it.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table as Shown

from loadtests.bench import machine, nginx, wrk
from loadtests.bench.checking import Wrong
from loadtests.bench.plan import FULL, QUICK
from loadtests.bench.result import Run
from loadtests.bench.soak import soak
from loadtests.bench.stage import measure
from loadtests.bench.subjects import REDIS_NAME, SUBJECTS
from loadtests.bench.tables import Table, everything


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.bench", description=(__doc__ or "").splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("--quick", action="store_true", help="less than a minute, to see that everything works")
    parser.add_argument("--only", default="", metavar="PATTERN", help="of what is measured, as 'SUBJECT: KIND'")
    parser.add_argument("--rounds", type=int, help="of each step, instead of the form's")
    parser.add_argument("--seconds", type=float, help="of each load, instead of the form's")
    parser.add_argument("--soak", type=int, default=0, metavar="CALLS", help="memory of a gateway over so many calls")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every figure of every round, for programs")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    options = parsed(arguments)
    for missing in (nginx.missing(lua=True), wrk.missing()):
        if missing:
            sys.exit(missing)
    # Whoever ends the run by a signal leaves no server behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    console, begun = Console(width=None if sys.stdout.isatty() else 150), time.monotonic()

    def tell(line: str) -> None:
        print(f"{time.monotonic() - begun:6.0f} s  {line}", file=sys.stderr, flush=True)

    form = (QUICK if options.quick else FULL).changed(options.rounds, options.seconds)
    run = Run(
        datetime.now(UTC).isoformat(timespec="seconds"),
        form.name,
        machine.method(Path(tempfile.gettempdir())),
        machine.versions(),
    )
    for stage in form.stages:
        measure(stage, run, options.only, tell)
        # Whoever ends the run keeps the stages that were measured.
        _keep(run, options.json)
    if options.soak:
        try:
            run.soak = soak(options.soak, tell)
        except Wrong as wrong:
            run.faults.append(f"{REDIS_NAME}: {wrong}, over {options.soak:,} calls")
        _keep(run, options.json)
    show(run, console)
    ours = {subject.name for subject in SUBJECTS if subject.ours}
    return int(any(fault.partition(":")[0] in ours for fault in run.faults))


def _keep(run: Run, file: Path | None) -> None:
    if file is not None:
        run.write(file)


def show(run: Run, console: Console) -> None:
    """The run for people."""
    for table in everything(run):
        console.print(_drawn(table))
    for name, why in run.left_out.items():
        console.print(f"left out: {name}: {why}", markup=False, highlight=False)
    for fault in run.faults:
        console.print(f"not counted: {fault}", markup=False, highlight=False)
    for name, what in {**run.method, **run.versions}.items():
        console.print(f"{name}: {what}", markup=False, highlight=False)


def _drawn(table: Table) -> Shown:
    shown = Shown(title=table.title, title_justify="left")
    for number, column in enumerate(table.columns):
        shown.add_column(column, justify="left" if table.is_text(number) else "right")
    for row in table.rows:
        shown.add_row(*row)
    return shown


if __name__ == "__main__":
    sys.exit(main())
