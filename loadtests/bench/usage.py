"""What a process and its children have used, out of proc(5)."""

import os
from dataclasses import dataclass
from pathlib import Path

from tests.postgres import children

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds of user and system time, and bytes that are resident now and were at most."""

    cpu: float
    memory: int
    peak: int


def usage(process: int) -> Usage:
    """Of the process and all its descendants."""
    found = [_own(each) for each in _family(process)]
    return Usage(*(sum(part) for part in zip(*found, strict=True)))


def _family(process: int) -> list[int]:
    return [process, *(each for child in children(process) for each in _family(child))]


def _own(process: int) -> tuple[float, int, int]:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    now, most = (int(status[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    return (int(fields[11]) + int(fields[12])) / _TICKS, now, most
