"""Whether the downstream is still there, and the call that makes no sense without it.

An unguarded call is given up when its caller leaves, whatever it waits for; nothing else would tell it, because a
server's ``send`` says nothing once nobody listens. A guarded call runs to its end, and is told at most.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import TracebackType

from gateway.cuts import Cut
from gateway.edge.bodies import CallerHungUp


class Presence:
    """The downstream end of one connection; its calls are answered one after another."""

    __slots__ = ("_gone", "_needing", "_told")

    def __init__(self) -> None:
        self._gone = False
        self._told: Callable[[], None] | None = None
        self._needing: _Required | None = None

    @property
    def counts(self) -> bool:
        """Whether a call is under way that ends with the connection."""
        return self._needing is not None

    def leave(self) -> None:
        """The connection is gone."""
        self._gone = True
        if self._needing is not None:
            self._needing.cut()
        if self._told is not None:
            self._told()

    @contextmanager
    def watched(self, told: Callable[[], None]) -> Generator[None]:
        """Calls ``told`` when the caller leaves meanwhile, or has left."""
        if self._gone:
            told()
        self._told = told
        try:
            yield
        finally:
            self._told = None

    def required(self) -> "_Required":
        """Cancels what is awaited inside when the caller leaves, and raises ``CallerHungUp`` then."""
        return _Required(self)

    def need(self, required: "_Required | None") -> None:
        """The call that ends with the connection; ``CallerHungUp`` where that is gone already."""
        if self._gone and required is not None:
            raise CallerHungUp
        self._needing = required


class _Required(Cut):
    """The task of one call, cut short when its caller leaves."""

    __slots__ = ("_presence",)

    def __init__(self, presence: Presence) -> None:
        super().__init__()
        self._presence = presence

    def fault(self) -> CallerHungUp:
        return CallerHungUp()

    def __enter__(self) -> None:
        super().__enter__()
        self._presence.need(self)

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._presence.need(None)
        super().__exit__(kind, fault, trace)
