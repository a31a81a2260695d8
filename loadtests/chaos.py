"""Chaos for as long as asked: three gateways, real Postgres and Redis, callers who retry, and everything that fails.

``python -m loadtests.chaos --minutes 10`` starts all of it, injects faults by a seeded plan, holds the logs of callers,
upstream and store against each other, prints what happened, and exits 1 when a promise was broken.
"""

import argparse
import secrets
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.run import chaos


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=2.0, help="of faults; at least until each has come once")
    parser.add_argument("--seed", type=int, default=None, help="of what everybody wants and of what fails")
    parser.add_argument("--folder", type=Path, default=None, help="an empty one that is kept, logs and stores included")
    options = parser.parse_args(arguments)
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    print(f"chaos: seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        report = chaos(options.folder or Path(folder), seed, 60 * options.minutes)
    print("\n".join(report.lines()), flush=True)
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
