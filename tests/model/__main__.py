"""``python -m tests.model``: every world, the large ones too, and what Spin found in each; minutes, and some memory."""

import sys
import tempfile
from pathlib import Path

from tests.model.spin import Program, missing
from tests.model.worlds import LARGE, WORLDS


def main() -> int:
    """1 where a promise breaks, with the history that breaks it."""
    if lacking := missing():
        print(f"It takes: apt-get install {' '.join(lacking)}", file=sys.stderr)
        return 2
    broken = 0
    with tempfile.TemporaryDirectory() as folder:
        program = Program.made_in(Path(folder))
        for name, world in (WORLDS | LARGE).items():
            found = program.explore(world.bounds, Path(folder))
            print(f"{name}: {found}", flush=True)
            broken += bool(found.complaint)
    return min(broken, 1)


if __name__ == "__main__":
    sys.exit(main())
