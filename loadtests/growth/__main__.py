"""Measures growth: what a store does with millions of records, beside one with none.

``python -m loadtests.growth`` starts a PostgreSQL whose commits wait for the disk, and two Valkeys, and pins itself to
one core and them to another. Each store is filled with completed records of which a share is due for the sweep, loaded
in turn with an empty one, and swept while claims go on. With a tenth of the records, answers in partitions are measured
beside the one table.
"""

import argparse
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import uvloop

from loadtests.cores import here
from loadtests.growth import partitions, postgres, valkey
from loadtests.growth.speed import Effort
from loadtests.growth.spread import Spread
from loadtests.servers import described


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.growth", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--postgres", type=int, default=10_000_000, metavar="N", help="records; 0 leaves it out")
    parser.add_argument("--redis", type=int, default=1_000_000, metavar="N", help="records; 0 leaves it out")
    parser.add_argument("--due", type=float, default=0.1, help="share of the records that is due for the sweep")
    parser.add_argument("--folder", type=Path, help="where the data lies meanwhile; 10 million records take 20 GB")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each load in each round")
    parser.add_argument("--callers", type=int, default=64)
    options = parser.parse_args(arguments)
    effort = Effort(options.callers, options.seconds, options.rounds)
    if options.postgres:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder, postgres.places(Path(folder)) as places:
            shown(described(places.server), postgres.grown(places, Spread(options.postgres, options.due), effort))
            tenth = Spread(options.postgres // 10, 0.5)
            shown("", partitions.compared(places.beside, tenth, effort))
    if options.redis:
        with valkey.places() as servers:
            shown("Valkey", valkey.grown(servers, Spread(options.redis, options.due), effort))


def shown(title: str, found: AsyncIterator[str]) -> None:
    """Prints what is found as it comes, measured on the first core."""

    async def printing() -> None:
        async for line in found:
            print(line, flush=True)

    print(title, flush=True)
    with here():
        uvloop.run(printing())


if __name__ == "__main__":
    main()
