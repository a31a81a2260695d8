"""Three gateways, each a process of its own at an address of its own, and its log in a file.

Knows how they are started, killed, held and replaced, as a machine or an orchestrator does it: whoever cannot start is
started again. Refuses to know why.
"""

import json
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.process import COMMAND
from tests.redis_servers import unused_port
from tests.stage import call

# Of each route; a lease is ten seconds longer (``invariants.LEASE``).
TIMEOUTS = "{connect: 1s, response: 1500ms, total: 3s}"
DIGEST_KEY = "a secret of the gateways, for digests"
# The longest that any step may take on a machine that is busy with other things.
PATIENCE = 120.0

_CONFIGURATION = """
digest: {{key: "{digest_key}"}}
encryption: {{keys: ["a secret of the gateways, for answers"]}}
routes:
  - name: hold
    match: {{path: /hold/}}
    upstream: {{url: "{upstream}", timeout: {timeouts}}}
  - name: wait
    match: {{path: /wait/}}
    upstream: {{url: "{upstream}", timeout: {timeouts}}}
    policy: {{on_conflict: wait, wait_timeout: 5s}}
  - name: retry
    match: {{path: /retry/}}
    upstream: {{url: "{upstream}", timeout: {timeouts}}}
    policy: {{on_unknown: retry, upstream_retention: 24h}}
"""


@dataclass
class Gateway:
    """One address, and whoever serves there now. ``stores``: as it reaches them."""

    folder: Path
    stores: tuple[str, ...]
    port: int = field(default_factory=unused_port)
    admin_port: int = field(default_factory=unused_port)
    process: subprocess.Popen[bytes] | None = None
    # How often it was started in vain: its stores were away.
    in_vain: int = 0
    # Exit codes of those that were asked to end.
    endings: list[int] = field(default_factory=list[int])
    _started: int = 0

    def configure(self, upstream: int) -> None:
        self.folder.mkdir()
        text = _CONFIGURATION.format(digest_key=DIGEST_KEY, upstream=f"http://127.0.0.1:{upstream}", timeouts=TIMEOUTS)
        (self.folder / "gateway.yaml").write_text(text)

    def start(self, stop: threading.Event) -> bool:
        """Whether it serves: it is started as often as it takes, for its stores may be away, or until told to stop."""
        while not self._begin():
            self.in_vain += 1
            if stop.wait(0.2):
                return False
        return True

    def start_in_peace(self) -> None:
        """Where nothing goes wrong, it serves."""
        assert self._begin(), f"the gateway in {self.folder} does not start"

    def _begin(self) -> bool:
        self._started += 1
        options = [word for url in self.stores for word in ("--store", url)]
        listen = ("--listen", f"127.0.0.1:{self.port}", "--admin-listen", f"127.0.0.1:{self.admin_port}")
        log = self.folder / f"{self._started}.log"
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [*COMMAND, "serve", "--config", "gateway.yaml", "--log-format", "json", *listen, *options],
                cwd=self.folder,
                env=os.environ,
                stdout=subprocess.DEVNULL,
                stderr=out,
            )
        until = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            with suppress(OSError):
                return call(self.admin_port, "GET", "/healthz", [], None).status == 200
            assert time.monotonic() < until, "it neither serves nor ends"
            time.sleep(0.05)
        log.rename(log.with_suffix(".in-vain"))
        return False

    def kill(self) -> None:
        """``kill -9``."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(PATIENCE)

    def end(self) -> None:
        """SIGTERM, and its orderly end."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.endings.append(self.process.wait(PATIENCE))

    def hold(self) -> None:
        """It stands still, as a process whose machine is frozen."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def let_go(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


def logged(gateways: Sequence[Gateway]) -> Iterator[dict[str, Any] | str]:
    """Every line of every log: parsed, or as text where it is none of the gateway's own."""
    for gateway in gateways:
        for log in sorted(gateway.folder.glob("*.log")):
            for line in log.read_text(errors="replace").splitlines():
                try:
                    yield json.loads(line)
                except ValueError:
                    # The last words of a process that was killed may be half a line.
                    if not line.startswith("{"):
                        yield line


def events(gateways: Sequence[Gateway]) -> Counter[str]:
    """How often the gateways logged what."""
    return Counter(line["event"] for line in logged(gateways) if isinstance(line, dict))


def faults_of_ours(gateways: Sequence[Gateway]) -> list[str]:
    """What no gateway may say, and no exit code that SIGTERM may have."""
    said = [
        f"a gateway said: {line}"
        for line in logged(gateways)
        if isinstance(line, str) or line["event"] == "internal-fault"
    ]
    ended = [f"SIGTERM ended with {code}" for gateway in gateways for code in gateway.endings if code != 0]
    return said + ended
