"""The instruments as people run them: processes of their own, because each pins itself to a core."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def printed(module: str, *arguments: str) -> str:
    """What the command printed to its end."""
    ended = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
