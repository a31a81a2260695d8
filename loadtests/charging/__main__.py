"""``python -m loadtests.charging`` starts an upstream and a gateway, and lets Locust's customers at them.

Needs ``pip install -e '.[load]'``. Exits 1 when the upstream executed a key twice, when a replay differed, or when
anything else was not as promised.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from loadtests.charging.upstream import PATH, Charges
from tests.process import Served, anywhere, serving
from tests.upstream import running_upstream

CUSTOMERS = Path(__file__).with_name("locustfile.py")
ROOT = Path(__file__).parents[2]


@contextmanager
def heard(served: Served) -> Generator[None]:
    """Its log is read while it runs, so that it never waits for a reader."""
    assert served.process.stderr is not None
    reading = threading.Thread(target=served.process.stderr.read)
    reading.start()
    try:
        yield
    finally:
        served.process.kill()
        reading.join()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--p95", type=float, default=0.0, help="milliseconds; slower fails (0: anything goes)")
    parser.add_argument("--store", action="append", default=[], help="as of serve; unset: a SQLite file")
    parser.add_argument("--report", type=Path, default=Path("charging.html"), help="where the HTML report goes")
    options = parser.parse_args(arguments)
    stores = [word for url in options.store for word in ("--store", url)]
    with (
        tempfile.TemporaryDirectory() as folder,
        running_upstream() as upstream,
        serving(*anywhere(upstream.port), *stores, folder=Path(folder)) as served,
        heard(served),
    ):
        Charges(upstream)
        load = ["--users", f"{options.users}", "--spawn-rate", f"{options.users}", "--run-time", f"{options.seconds}s"]
        where = ["--host", f"http://127.0.0.1:{served.port}", "--html", f"{options.report.absolute()}"]
        audit = ["--executions", f"http://127.0.0.1:{upstream.port}{PATH}", "--p95", f"{options.p95}"]
        command = [sys.executable, "-m", "locust", "--locustfile", str(CUSTOMERS), "--headless", "--only-summary"]
        return subprocess.run([*command, *load, *where, *audit], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
