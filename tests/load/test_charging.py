"""Locust's customers find a gateway that keeps its promises, and tell one that does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.charging.ledger import Answer, Ledger

ROOT = Path(__file__).parents[2]
EXECUTED = Answer(201, "executed", b"1")

# What somebody might break in the gateway; Python reads a file of this name before anything else.
BROKEN = {
    "what nobody knows is sent again": (
        """
        from gateway.protocol import exchange, model

        exchange.MarkUnknown = lambda reason: model.Release()
        """,
        " was executed ",
    ),
    "what is kept is not what was answered": (
        """
        from dataclasses import replace

        from gateway.protocol import exchange

        kept = exchange._kept
        exchange._kept = lambda call, event: replace(kept(call, event), body=event.body.swapcase())
        """,
        "differed",
    ),
}


def charging(report: Path, *options: str, broken: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command that people run, with few customers and not for long."""
    environ = {**os.environ, **({"PYTHONPATH": str(broken)} if broken else {})}
    few = ("--users", "6", "--seconds", "6", "--report", str(report))
    return subprocess.run(
        [sys.executable, "-m", "loadtests.charging", *few, *options],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_customers_meet_no_second_execution_and_no_other_answer(tmp_path: Path) -> None:
    ended = charging(tmp_path / "report.html")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ", 0 wrong" in ended.stdout
    assert "twice at once" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("what", BROKEN)
def test_a_gateway_that_breaks_its_promise_fails_the_run(tmp_path: Path, what: str) -> None:
    code, told = BROKEN[what]
    (tmp_path / "sitecustomize.py").write_text("\n".join(line.strip() for line in code.splitlines()))
    ended = charging(tmp_path / "report.html", broken=tmp_path)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert told in ended.stdout


def test_a_run_may_fail_because_it_was_slow(tmp_path: Path) -> None:
    ended = charging(tmp_path / "report.html", "--p95", "0.001", "--seconds", "2")
    assert ended.returncode == 1
    assert "slow: 95 % within" in ended.stdout


def test_an_answer_is_held_against_the_first_one_and_the_upstreams_count_against_all() -> None:
    ledger = Ledger()
    assert ledger.charged("k", EXECUTED, known=False) == ""
    assert ledger.charged("k", Answer(201, "replayed", b"1"), known=True) == ""
    assert ledger.verdict({"k": 1}) == []
    assert ledger.verdict({"k": 2}) == ["k was executed 2 times"]
    assert ledger.verdict({}) == ["k was answered, and not executed"]
    for other in (Answer(201, "replayed", b"2"), Answer(200, "replayed", b"1")):
        assert "a replay differed" in ledger.charged("k", other, known=True)
    assert ledger.verdict({"k": 1}) == ["a replay of k differed"] * 2


@pytest.mark.parametrize("outcome", ["in-flight", "unknown", "not-executed"])
def test_a_key_that_has_its_answer_is_never_open_again(outcome: str) -> None:
    ledger = Ledger()
    assert ledger.charged("k", Answer(409, outcome, b""), known=False) == ""
    assert ledger.charged("k", EXECUTED, known=False) == ""
    assert "to a charge that has an answer" in ledger.charged("k", Answer(409, outcome, b""), known=True)


def test_whatever_else_is_said_of_a_charge_is_wrong() -> None:
    ledger = Ledger()
    assert "no answer to a charge" in ledger.charged("k", Answer(500, "", b""), known=False)
    assert "to another charge under a used key" in ledger.reused("k", Answer(201, "executed", b""))
    assert ledger.reused("k", Answer(422, "mismatch", b"")) == ""


def test_a_run_in_which_nothing_was_repeated_shows_nothing() -> None:
    assert Ledger().verdict({}) == ["nothing was replayed: this run shows nothing"]
