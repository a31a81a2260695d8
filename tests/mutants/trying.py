"""A mutant before a witness, in a process of their own."""

import subprocess
import sys
from pathlib import Path

from tests.mutants.breaks import Mutant

ROOT = Path(__file__).parents[2]
FATES = {0: "noticed", 1: "LIVES", 2: "STALE"}


def tried(mutant: Mutant, witness: str, *more: str) -> tuple[str, str]:
    """What became of the mutant, and how."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.mutants.breaking", mutant.name, witness, *more],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    lines = ran.stdout.strip().splitlines()
    return FATES.get(ran.returncode, "BROKEN"), lines[-1] if lines else ran.stderr.strip()[-300:]
