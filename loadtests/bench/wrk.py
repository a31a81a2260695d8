"""wrk, and what it counted. Latencies are those of wrk 4, which makes up for calls that a slow answer held back."""

import json
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench.upstream import PATH

SCRIPT = Path(__file__).parent / "calls.lua"
PROGRAM = "wrk"
# Of an answer, after which wrk counts it as an error.
PATIENCE = "20s"


@dataclass(frozen=True, slots=True)
class Load:
    """What a load came to. Times in seconds; ``made`` counts requests, those included that the end cut off."""

    calls: int
    made: int
    seconds: float
    p50: float
    p99: float
    p999: float
    wrong: int

    @property
    def rate(self) -> float:
        """Calls a second."""
        return self.calls / self.seconds


@dataclass(frozen=True, slots=True)
class Keys:
    """Which keys are sent: ``none``, ``new`` ones, or the ``known`` 1 to ``count`` of the prefix in turn."""

    kind: str
    prefix: str = "-"
    count: int = 0


def missing() -> str | None:
    """What has to be installed first, as a sentence."""
    return None if shutil.which(PROGRAM) else "wrk is not installed: apt-get install wrk"


def load(port: int, keys: Keys, body: Path, *, connections: int, seconds: float) -> Load:
    """Loads a port on loopback for so long."""
    url = f"http://127.0.0.1:{port}{PATH}"
    options = ("-t1", f"-c{connections}", "-d1h", "--timeout", PATIENCE, "-s", str(SCRIPT))
    told = (keys.kind, keys.prefix, str(keys.count), str(body))
    with subprocess.Popen(
        [PROGRAM, *options, url, "--", *told], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=60)
        except BaseException:
            process.kill()
            raise
    last = output.splitlines()[-1]
    if not last.startswith(b"{"):
        raise AssertionError(f"wrk: {output.decode(errors='replace')}")
    found = json.loads(last)
    p50, p99, p999 = (found[name] / 1e6 for name in ("p50", "p99", "p999"))
    return Load(found["calls"], found["made"], found["seconds"], p50, p99, p999, found["not_2xx"] + found["broken"])
