"""The gateway as its users run it: a process of its own, started by the command, ended by a signal."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TIMEOUT = 30
COMMAND = (sys.executable, "-m", "gateway")


def run(*arguments: str, folder: Path, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The command, to its end, with an environment of its own."""
    clean = {"PATH": os.environ["PATH"], "COLUMNS": "120", **(environ or {})}
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=clean, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )


@dataclass
class Served:
    """A running ``serve``. ``started`` is the log line that says where it listens; ``before``: those that came first,
    of work in the background."""

    process: subprocess.Popen[str]
    started: dict[str, object]
    before: list[dict[str, object]]

    @property
    def port(self) -> int:
        return int(str(self.started["listen"]).rpartition(":")[2])

    @property
    def admin_port(self) -> int:
        return int(str(self.started["admin"]).rpartition(":")[2])

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal and waits for the end; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(TIMEOUT)

    def kill(self) -> None:
        """Ends it at once, whatever it does."""
        self.process.kill()
        self.process.wait(TIMEOUT)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def logged(self) -> list[dict[str, object]]:
        """All other lines, when the process has ended."""
        assert self.process.stderr is not None
        return [*self.before, *(json.loads(line) for line in self.process.stderr)]


def start(
    *arguments: str,
    folder: Path,
    environ: Mapping[str, str] | None = None,
    open_files: int | None = None,
    command: Sequence[str] = COMMAND,
) -> Served:
    """Starts ``serve`` and returns when it serves, with ``environ`` added to its environment, and a limit of files."""
    limited = () if open_files is None else ("sh", "-c", f'ulimit -n {open_files} && exec "$@"', "sh")
    process = subprocess.Popen(
        [*limited, *command, "serve", "--log-format", "json", *arguments],
        cwd=folder,
        env={**os.environ, **(environ or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    before: list[dict[str, object]] = []
    while (line := process.stderr.readline()).startswith("{"):
        told: dict[str, object] = json.loads(line)
        if "listen" in told:
            return Served(process, told, before)
        before.append(told)
    _, rest = process.communicate(timeout=TIMEOUT)
    raise AssertionError(f"serve did not start: {before}{line}{rest}")


@contextmanager
def serving(
    *arguments: str, folder: Path, environ: Mapping[str, str] | None = None, open_files: int | None = None
) -> Generator[Served]:
    """A running ``serve``, ended at the latest with the block."""
    served = start(*arguments, folder=folder, environ=environ, open_files=open_files)
    try:
        yield served
    finally:
        served.kill()


def anywhere(upstream_port: int) -> tuple[str, ...]:
    """Options for a gateway on free ports."""
    return (
        "--upstream",
        f"http://127.0.0.1:{upstream_port}",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
    )
