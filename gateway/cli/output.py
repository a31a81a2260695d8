"""Standard output that takes no more, such as a full disk: a fault of its own, and one sentence.

Knows how a refused write is told from every other fault of the system. Refuses to know what was to be said. A reader
who went away is no fault: that stays what it is.
"""

import io
import sys
from typing import Any

from gateway.errors import NotDone


class _Descriptor(io.FileIO):
    """Standard output's own descriptor."""

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - whatever is bytes: it has no name before Python 3.12
        """As a file does it."""
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as fault:
            raise NotDone(f"standard output cannot be written: {fault.strerror}.") from fault


def guard() -> None:
    """From now on a refused write raises ``NotDone``."""
    out = sys.stdout
    # What stands in for it, in a test or another program, may have no descriptor.
    if isinstance(out, io.TextIOWrapper) and isinstance(out.buffer, io.BufferedWriter | io.FileIO):
        descriptor = _Descriptor(out.fileno(), "w", closefd=False)
        buffered = io.BufferedWriter(descriptor)
        sys.stdout = io.TextIOWrapper(buffered, out.encoding, out.errors, line_buffering=out.line_buffering)


def drop() -> None:
    """Ends a standard output that takes no more, so that the interpreter does not try once more what was refused."""
    try:
        sys.stdout.flush()
    except NotDone:
        sys.stdout = None
