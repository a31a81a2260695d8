"""Writes what the README and ``docs/benchmarks.md`` show of a run, and its picture.

``python -m loadtests.bench.report RUN.json`` takes what ``python -m loadtests.bench --json RUN.json`` wrote, keeps it
as ``docs/benchmarks.json``, renews the parts of both pages that stand between ``<!-- measured: NAME -->`` and
``<!-- /measured -->``, and draws ``docs/benchmarks-light.svg`` and ``-dark.svg``, which takes the extra ``bench``.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from loadtests.bench.result import Kind, Run, ratio
from loadtests.bench.subjects import DIRECT, SUBJECTS
from loadtests.bench.tables import BASES, Table, behaviour, everything, goals

ROOT = Path(__file__).parents[2]
RUN, PAGES = Path("docs/benchmarks.json"), (Path("README.md"), Path("docs/benchmarks.md"))

# A machine on which others worked measures what they left; the one-minute average of processes that want to run.
_BUSY = 0.5


def summary(run: Run) -> Table:
    """One line for each subject: calls a second, and their ratio to nginx, at 64 connections and with small bodies."""
    kinds = (Kind.PASS, Kind.FIRST, Kind.REPLAY)
    rows: list[tuple[str, ...]] = []
    for subject in SUBJECTS:
        cells = [_cell(run, subject.name, kind) for kind in kinds]
        if subject.name != DIRECT and any(cells):
            rows.append((subject.name, *cells))
    return Table("", ("64 connections, calls/s", *kinds), tuple(rows))


def _cell(run: Run, subject: str, kind: Kind) -> str:
    row, base = run.row(subject, kind), run.row(BASES[kind], kind)
    if row is None:
        return ""
    rate = f"{row.median(lambda each: each.rate):,.0f}"
    return rate if base is None or base.subject == subject else f"{rate}, {ratio(row, base)}"


def markdown(table: Table) -> str:
    """The table in Markdown, figures to the right."""
    title = f"**{table.title[:1].upper()}{table.title[1:]}**\n\n" if table.title else ""
    rule = "|".join("---" if table.is_text(number) else "--:" for number in range(len(table.columns)))
    lines = ["| " + " | ".join(cells) + " |" for cells in (table.columns, *table.rows)]
    return title + "\n".join([lines[0], f"|{rule}|", *lines[1:]])


def occasion(run: Run) -> str:
    """When it was, and whatever must be known of it before a figure is believed."""
    busy = float(run.method["load before"]) > _BUSY
    caution = " **Others worked on the machine meanwhile: these figures are rough.**" if busy else ""
    left = "".join(f" Left out: {name} ({why})." for name, why in run.left_out.items())
    wrong = "".join(f" Not counted: {fault}." for fault in run.faults)
    return f"{run.made[:10]}.{caution}{left}{wrong}"


def circumstances(run: Run) -> str:
    """How and on what it was, in a sentence or two."""
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    told = "; ".join(f"{name}: {what}" for name, what in run.method.items())
    return f"{run.form.capitalize()} form. {told}. {versions}. {occasion(run)}"


def parts(run: Run) -> dict[str, str]:
    """What stands between the marks, by their names."""
    tables = [table for table in everything(run) if table.title not in (goals(run).title, behaviour(run).title)]
    return {
        "summary": f"{markdown(summary(run))}\n\nMeasured on {occasion(run)}",
        "goals": markdown(goals(run)),
        "behaviour": markdown(behaviour(run)),
        "all": "\n\n".join([*map(markdown, tables), _soaked(run), circumstances(run)]).replace("\n\n\n\n", "\n\n"),
    }


def _soaked(run: Run) -> str:
    if run.soak is None:
        return ""
    rows = [(f"{calls:,}", f"{memory / 2**20:.1f}") for calls, memory in _thinned(run.soak.samples)]
    title = f"{run.soak.subject}: memory over calls, at most {run.soak.peak / 2**20:.1f} MiB"
    return markdown(Table(title, ("calls", "resident MiB"), tuple(rows)))


def _thinned(samples: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """About ten of them, the first and the last included."""
    step = max(1, len(samples) // 10)
    return [*samples[:-1:step], samples[-1]]


def renewed(page: str, run: Run) -> str:
    """The page with what ``run`` found."""
    found = parts(run)

    def put(mark: re.Match[str]) -> str:
        return f"<!-- measured: {mark[1]} -->\n{found[mark[1]]}\n<!-- /measured -->"

    return re.sub(r"<!-- measured: (\w+) -->\n.*?<!-- /measured -->", put, page, flags=re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.bench.report", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("run", type=Path, help="what --json wrote")
    run = Run.read(parser.parse_args(arguments).run)
    from loadtests.bench.picture import draw  # noqa: PLC0415 - whoever only compares the pages needs no matplotlib

    for theme in ("light", "dark"):
        draw(run, theme, ROOT / f"docs/benchmarks-{theme}.svg")
    for page in PAGES:
        (ROOT / page).write_text(renewed((ROOT / page).read_text(), run))
    run.write(ROOT / RUN)


if __name__ == "__main__":
    main()
