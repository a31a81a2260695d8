"""How many calls are in flight: in all, on a route, and for each caller of a route.

A call has its place from before its claim until it is answered. Callers are told apart by a number, so that no
credential is kept; on every call it is made, so it is not the digest that a record has. Refuses to know why a call
takes long.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gateway.policies.downstream import CallLimits


@dataclass(slots=True)
class RoutePlaces:
    """One route's part: ``taken`` calls, ``callers`` by number, none of them with no call."""

    limits: CallLimits
    taken: int = 0
    callers: dict[int, int] = field(default_factory=dict[int, int])


class Places:
    """All places of one gateway."""

    __slots__ = ("_most", "_taken")

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0

    def shortage(self, route: RoutePlaces, caller: int | None = None) -> str | None:
        """What there is no place in: ``calls``, ``route``, or ``caller`` where one is named; ``None``: there is one."""
        if self._taken >= self._most:
            return "calls"
        if route.limits.most is not None and route.taken >= route.limits.most:
            return "route"
        if caller is not None and route.callers.get(caller, 0) >= route.limits.per_caller:
            return "caller"
        return None

    @contextmanager
    def taken(self, route: RoutePlaces, caller: int) -> Generator[None]:
        """A place, once ``shortage`` has found none missing."""
        self._taken += 1
        route.taken += 1
        route.callers[caller] = route.callers.get(caller, 0) + 1
        try:
            yield
        finally:
            self._taken -= 1
            route.taken -= 1
            left = route.callers.pop(caller) - 1
            if left:
                route.callers[caller] = left
