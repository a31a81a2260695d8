"""What the benchmark makes of what it measured, without measuring: its ledger, its ratios, its file and its pages."""

import shlex
from pathlib import Path

import pytest

from loadtests.bench.__main__ import parsed
from loadtests.bench.bodies import LARGE, MEDIUM, SMALL, body
from loadtests.bench.ledger import Ledger
from loadtests.bench.measuring import Account
from loadtests.bench.report import PAGES, RUN, renewed
from loadtests.bench.result import Kind, Round, Row, Run, Soak, ratio
from loadtests.bench.subjects import MEMORY, NGINX, NGINX_LUA, REDIS_NAME
from loadtests.bench.targets import targets
from tests.docs.pages import ROOT, commands


def row(subject: str, kind: Kind, *rates: float) -> Row:
    """Rounds in which nothing but the rate differs."""
    return Row(subject, kind, 64, SMALL, [Round(rate, 0.001, 0.002, 0.003, 1e-5, 0.0, 1) for rate in rates])


def run_of(*rows: Row, soak: Soak | None = None) -> Run:
    """A run that found these."""
    return Run("2026-11-28T20:10:00+00:00", "full", {"load before": "0.10"}, {"Python": "3.11"}, list(rows), soak=soak)


def test_a_key_that_comes_again_is_one_too_many_however_late() -> None:
    ledger = Ledger()
    first = ledger.entered([b"7-1", b"7-2", b"-", b"check", b"8-1"])
    assert (first.all, first.without_key) == (5, 1)
    assert (first.executed, first.too_many) == ({"7": 2, "8": 1, "": 1}, {})
    second = ledger.entered([b"7-3", b"7-1", b"check"])
    assert (second.executed, second.too_many) == ({"7": 1}, {"7": 1, "": 1})


@pytest.mark.parametrize(
    ("executed", "too_many", "told"),
    [(98, 0, None), (100, 0, None), (97, 0, "executed"), (101, 0, "executed"), (99, 1, "must not be")],
)
def test_what_was_answered_was_executed_and_nothing_that_was_not_made(
    executed: int, too_many: int, told: str | None
) -> None:
    fault = Account(answered=98, made=100, executed=executed, too_many=too_many).fault()
    assert fault is None if told is None else fault is not None and told in fault


def test_ratios_are_made_within_a_round() -> None:
    found = ratio(row(REDIS_NAME, Kind.FIRST, 10, 60, 20), row(NGINX_LUA, Kind.FIRST, 20, 100, 50))
    assert (found.median, found.least, found.most) == (0.5, 0.4, 0.6)


def test_targets_are_met_not_met_or_not_measured() -> None:
    rows = (
        row(REDIS_NAME, Kind.FIRST, 80),
        row(NGINX_LUA, Kind.FIRST, 100),
        row(MEMORY, Kind.PASS, 34),
        row(NGINX, Kind.PASS, 100),
    )
    soak = Soak(REDIS_NAME, [(0, 90 * 2**20), (500_000, 100 * 2**20), (1_000_000, 104 * 2**20)], 2**27)
    met = {target.name: target.met for target in targets(run_of(*rows, soak=soak))}
    assert met["first calls on Redis, to nginx + Lua + Redis"] is True
    assert met["pass-through, to nginx proxy_pass"] is False
    assert met["replays on Redis, to nginx + Lua + Redis"] is None
    assert met["memory after a million calls"] is True


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = run_of(row(NGINX, Kind.PASS, 1, 2), soak=Soak(REDIS_NAME, [(0, 1), (2, 3)], 4))
    run.write(tmp_path / "run.json")
    assert Run.read(tmp_path / "run.json") == run


@pytest.mark.parametrize("size", [SMALL, MEDIUM, LARGE])
def test_bodies_have_the_size_that_is_told(size: int) -> None:
    assert len(body(size, "request")) == size
    assert body(size, "request") != body(size, "answer")


def test_the_pages_show_the_run_that_is_kept_beside_them() -> None:
    run = Run.read(ROOT / RUN)
    for page in PAGES:
        text = (ROOT / page).read_text()
        assert renewed(text, run) == text, f"{page}: python -m loadtests.bench.report {RUN}"
    for theme in ("light", "dark"):
        assert (ROOT / f"docs/benchmarks-{theme}.svg").exists()
        assert f"docs/benchmarks-{theme}.svg" in (ROOT / PAGES[0]).read_text()


def test_the_commands_of_the_page_are_understood_and_its_packages_are_those_that_ci_installs() -> None:
    ci = (ROOT / ".ci" / "run").read_text()
    for line in commands("instrument", "bench"):
        _, _, module, *options = shlex.split(line)
        if module == "loadtests.bench":
            parsed(options)
    apt, _, npm = commands("instrument", "setup")
    assert [name for name in shlex.split(apt)[2:] if name not in ci] == []
    assert (ROOT / shlex.split(npm)[-1] / "package-lock.json").exists()
