"""Other processes on the same file."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def python(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def claimant(path: Path, rounds: int, prefix: str) -> "subprocess.Popen[str]":
    return python("-m", "tests.stores.claimant", str(path), str(rounds), prefix)


def lines(process: "subprocess.Popen[str]") -> list[str]:
    """What it printed to its end, which must be a good one."""
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return output.split()
