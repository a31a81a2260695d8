"""Clocks that are wrong: what to add to a process's environment so that its wall clock is off by so much.

By Debian's libfaketime, where it is installed. Monotonic clocks are left alone, as they are on a machine whose clock
is set wrong.
"""

from collections.abc import Mapping
from pathlib import Path

_LIBRARY = "libfaketime.so.1"


def installed() -> list[Path]:
    """The library, where it is here."""
    return sorted(Path("/usr/lib").glob(f"*/faketime/{_LIBRARY}"))


def off_by(offset: str) -> Mapping[str, str]:
    """``offset``: ``+1h``, ``-1h``, ``+0``."""
    return {"LD_PRELOAD": str(installed()[0]), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
