"""Descriptors held back for the moment when there is none left: a call that was granted must find one.

Knows numbers of open files. Refuses to know what they are opened for.
"""

import errno
import os
import socket
from collections.abc import Callable

# Few, because those who take all the others are turned away within the same turn of the loop.
SPARES = 4

_NONE_LEFT = frozenset({errno.EMFILE, errno.ENFILE})


class Spares:
    """``count`` descriptors of nothing, each of which can be given up for a socket."""

    def __init__(self, count: int = SPARES) -> None:
        self._count = count
        self._held: list[int] = []
        self._refill()

    def open(self, make: Callable[[], socket.socket]) -> socket.socket:
        """What ``make`` opens; where the process has no descriptor left, one of the spares makes room for it."""
        try:
            sock = make()
        except OSError as fault:
            if fault.errno not in _NONE_LEFT or not self._held:
                raise
            os.close(self._held.pop())
            return make()
        if len(self._held) < self._count:
            self._refill()
        return sock

    def close(self) -> None:
        """Gives all of them back."""
        while self._held:
            os.close(self._held.pop())

    def _refill(self) -> None:
        """As many as there is room for; what is missing comes back later."""
        try:
            while len(self._held) < self._count:
                self._held.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as fault:
            if fault.errno not in _NONE_LEFT:
                raise
