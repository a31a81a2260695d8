"""Which machine and which versions a run was made with, as the programs themselves say."""

import os
import platform
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from loadtests.bench import nginx
from tests.postgres import installed
from tests.redis_servers import REDIS, VALKEY

_PAGES = 100


def versions() -> dict[str, str]:
    """By name, of what is installed."""
    asked = {
        "nginx": (nginx.PROGRAM, "-v"),
        "wrk": ("wrk", "-v"),
        "Redis": (REDIS or VALKEY, "--version"),
        "PostgreSQL": (str(installed()["postgres-18"] / "postgres"), "--version"),
        "Node": ("node", "--version"),
    }
    found = {name: _version(*command) for name, command in asked.items() if shutil.which(command[0])}
    return {"Python": platform.python_version(), **found}


def _version(*command: str) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    match = re.search(r"\d+\.\d+(?:\.\d+)*", ended.stdout + ended.stderr)
    return match[0] if match else "?"


def method(folder: Path) -> dict[str, str]:
    """How it was measured: the machine, and who ran where; ``folder`` is on the disk that the stores use."""
    cores = sorted(os.sched_getaffinity(0))
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "machine": f"{model[1] if model else platform.machine()}, {len(cores)} cores, Linux {platform.release()}",
        "pinned": f"what is measured to core {cores[0]}; wrk, the API, Redis and Postgres to core {cores[-1]}",
        "disk": f"8 KiB are written and on the disk after {1000 * _durable(folder):.2f} ms (median of {_PAGES})",
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def _durable(folder: Path) -> float:
    """How long the disk takes to say that it has what was written: no commit can be faster. Seconds."""
    times: list[float] = []
    with tempfile.NamedTemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(_PAGES):
            begun = time.perf_counter()
            file.write(bytes(8192))
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begun)
    return statistics.median(times)
