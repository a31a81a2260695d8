"""Loads a module of the gateway with a mutant's edits in it, and tells whether anybody notices.

``python -m tests.mutants.breaking NAME WITNESS`` is a process of its own: what is broken stays broken in it. Exits 0
where the witness noticed, and says how; 1 where it did not; 2 where the source has changed and the mutant is stale.
With ``tell`` behind them, histories show the one that gave the mutant away, made small.
"""

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import ModuleType

from tests.mutants.breaks import GONE, HARMLESS, MUTANTS, SIMULATION, Edit, Mutant

# Seeds that a mutant may live through; the ordinary run of histories plays as many.
MOST_SEEDS = 2500


class Stale(Exception):
    """An edit's piece of source does not stand exactly once where it should."""


def broken(source: str, edits: Sequence[Edit]) -> str:
    """``source`` with the edits in it."""
    for edit in edits:
        found = source.count(edit.old)
        if found != 1:
            raise Stale(f"{edit.module} has {found} times what is to be broken, and not once: {edit.old!r}")
        source = source.replace(edit.old, edit.new)
    return source


class Breaker(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds a mutant's modules before anybody else, and loads them broken."""

    def __init__(self, mutant: Mutant) -> None:
        self._edits = mutant.edits
        self.loaded: set[str] = set()
        self.stale: Stale | None = None

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """``importlib``: only the mutant's own modules."""
        if all(edit.module != fullname for edit in self._edits):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None:
            raise Stale(f"there is no module {fullname} any more")
        return importlib.machinery.ModuleSpec(fullname, self, origin=spec.origin)

    def get_source(self, fullname: str) -> str:
        """``importlib``: the source as it is to be."""
        spec = importlib.machinery.PathFinder.find_spec(fullname, sys.modules[fullname.rpartition(".")[0]].__path__)
        if spec is None or not isinstance(spec.loader, importlib.abc.InspectLoader):
            raise Stale(f"there is no source of {fullname}")
        self.loaded.add(fullname)
        source = spec.loader.get_source(fullname) or ""
        try:
            return broken(source, [edit for edit in self._edits if edit.module == fullname])
        except Stale as stale:
            # Whoever imports it may have a word of his own for what he catches.
            self.stale = stale
            raise


def noticed(witness: str, *, tell: bool = False) -> str:
    """How the witness notices; nothing where it does not."""
    return _by_histories(tell=tell) if witness == SIMULATION else _by_tests(witness)


def _by_histories(*, tell: bool) -> str:
    from tests.simulation.script import script  # noqa: PLC0415 - not before the gateway is broken
    from tests.simulation.shrinking import judged, law_of, shrunk, transcript  # noqa: PLC0415 - as above

    for seed in range(MOST_SEEDS):
        _, breaches = judged(script(seed))
        if breaches:
            if tell:
                print(transcript(shrunk(script(seed))))
            return f"{law_of(breaches[0])} after {seed + 1} seeds"
    return ""


def _by_tests(witness: str) -> str:
    import pytest  # noqa: PLC0415 - as above, for what it loads

    failed: list[str] = []

    class Witness:
        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            if report.failed:
                failed.append(report.nodeid)

    pytest.main(
        ["-x", "-q", "--no-header", "--no-summary", "-p", "no:cacheprovider", *witness.split()], plugins=[Witness()]
    )
    return failed[0] if failed else ""


def main(name: str, witness: str, tell: str = "") -> int:
    """One mutant before one witness."""
    (mutant,) = [each for each in (*MUTANTS, HARMLESS, GONE) if each.name == name]
    breaker = Breaker(mutant)
    sys.meta_path.insert(0, breaker)
    how = ""
    with suppress(Stale):
        how = noticed(witness, tell=bool(tell))
    if breaker.stale is not None:
        print(f"stale: {breaker.stale}")
        return 2
    unread = {edit.module for edit in mutant.edits} - breaker.loaded
    if unread:
        print(f"stale: {witness} does not even load {', '.join(sorted(unread))}")
        return 2
    print(how or "nobody noticed")
    return 0 if how else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
