"""Spin: the model made a program once, and asked about one world at a time.

Knows the programs of Debian's packages ``spin`` and ``gcc``, and what they print. Refuses to know what is promised.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parent
NEEDED = ("spin", "gcc")

# Steps of the longest history, and seconds that a world may take on a machine with much else to do.
_DEPTH = 1_000_000
_PATIENCE = 900

# Without cycles to look for, and for a model of this size.
_OPTIONS = ("-O1", "-w", "-DSAFETY", "-DVECTORSZ=512", "-DMEMLIM=8000")


def missing() -> list[str]:
    """The programs that are not here; ``apt-get install spin gcc`` brings them."""
    return [each for each in NEEDED if shutil.which(each) is None]


@dataclass(frozen=True, slots=True)
class Explored:
    """What Spin found in one world. ``steps``: the history that breaks a promise, as sentences; none where it holds."""

    states: int
    reached: Mapping[str, int]
    complaint: str
    steps: tuple[str, ...]

    def __str__(self) -> str:
        told = "\n".join(f"{number:4}  {step}" for number, step in enumerate(self.steps, 1))
        return f"{self.complaint or 'every promise holds'}, {self.states:,} states\n{told}"


@dataclass(frozen=True, slots=True)
class Program:
    """The model as a program."""

    path: Path

    @classmethod
    def made_in(cls, folder: Path) -> "Program":
        """The program, made of the Promela beside this file."""
        _run("spin", "-a", str(SOURCES / "tiered.pml"), folder=folder)
        _run("gcc", *_OPTIONS, "-o", "pan", "pan.c", folder=folder)
        return cls(folder / "pan")

    def explore(self, bounds: Mapping[str, int], folder: Path) -> Explored:
        """Every history within ``bounds``, or the first that breaks a promise; ``folder`` is for its trail."""
        environment = {**os.environ, **{name: str(value) for name, value in bounds.items()}}
        said = _run(str(self.path), "-n", f"-m{_DEPTH}", "-w22", folder=folder, environment=environment)
        found = re.search(r"(\d+) states, stored", said)
        if found is None or "max search depth too small" in said or "out of memory" in said:
            raise AssertionError(f"Spin did not come to an end:\n{said}")
        reached = {name: int(times) for name, times in re.findall(r"^reached: (.*): (\d+)$", said, re.MULTILINE)}
        broken = re.search(r"^pan:1: (.*)$", said, re.MULTILINE)
        if broken is None:
            if "errors: 0" not in said or "Search not completed" in said:
                raise AssertionError(f"Spin did not come to an end:\n{said}")
            return Explored(int(found[1]), reached, "", ())
        trail = _run(str(self.path), "-S", "tiered.pml.trail", folder=folder, environment=environment)
        steps = [line.strip() for line in trail.partition("spin: trail ends")[0].splitlines()]
        return Explored(int(found[1]), reached, broken[1], tuple(each for each in steps if each))


def _run(*command: str, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    ended = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_PATIENCE, check=False
    )
    # A broken promise is no failure of the program; whatever else it says, whoever reads its output finds.
    if command[0] in NEEDED and ended.returncode != 0:
        raise AssertionError(f"{' '.join(command)} failed:\n{ended.stdout}{ended.stderr}")
    return ended.stdout + ended.stderr
