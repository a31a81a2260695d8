"""The rooms are held by machine: each contract holds, and each fails when it is broken."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"

# What somebody might write, where, and the contract that says no.
BREAKS = {
    "an import against the direction": (
        "protocol/claims.py",
        "from gateway.runner import exchanges",
        "Imports point one way, and every room is declared",
    ),
    "siblings that know each other": (
        "runner/forward.py",
        "from gateway.proxying import hop",
        "Imports point one way, and every room is declared",
    ),
    "a room that nobody declared": (
        "utils.py",
        "",
        "Imports point one way, and every room is declared",
    ),
    "a clock in the core": (
        "protocol/exchange.py",
        "import time",
        "The core knows no input or output, time, chance or framework",
    ),
    "chance in a policy": (
        "policies/policy.py",
        "import random",
        "The core knows no input or output, time, chance or framework",
    ),
    "one store that knows another": (
        "stores/sql/store.py",
        "from gateway.stores import memory",
        "Store backends do not know each other",
    ),
    "SQL outside its room": (
        "wiring/running.py",
        "import sqlalchemy",
        "SQLAlchemy, alembic and asyncpg live in stores.sql",
    ),
    "redis-py outside its room": (
        "wiring/running.py",
        "import redis",
        "redis-py lives in stores.redis",
    ),
    "httpx2 outside its room": (
        "runner/reconciling.py",
        "import httpx2",
        "httpx2 lives in proxying and cli",
    ),
    "a framework at the edge": (
        "edge/app.py",
        "import fastapi",
        "FastAPI lives in admin, pydantic and YAML in config",
    ),
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package and its contracts, to be broken."""
    shutil.copytree(ROOT / "gateway", tmp_path / "gateway", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_holds(copy: Path) -> None:
    said = lint(copy)
    assert said.returncode == 0, said.stdout
    assert "0 broken" in said.stdout


@pytest.mark.parametrize(("file", "line", "contract"), BREAKS.values(), ids=BREAKS)
def test_each_contract_fails_when_it_is_broken(copy: Path, file: str, line: str, contract: str) -> None:
    path = copy / "gateway" / file
    path.write_text((path.read_text() if path.exists() else "") + f"\n{line}\n")
    said = lint(copy)
    assert said.returncode == 1, said.stdout + said.stderr
    assert f"{contract} BROKEN" in said.stdout
