"""Who runs on which core, so that the measured process has one to itself."""

import os
from collections.abc import Generator
from contextlib import contextmanager


def pin(process: int, core: int) -> None:
    """Keeps a process on one core, where the machine has several."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(process, {cores[core]})


@contextmanager
def here() -> Generator[None]:
    """What is done in this block is done on the first core."""
    with _on(0):
        yield


@contextmanager
def elsewhere() -> Generator[None]:
    """What is started in this block stays on the last core."""
    with _on(-1):
        yield


@contextmanager
def _on(core: int) -> Generator[None]:
    before = os.sched_getaffinity(0)
    pin(0, core)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
