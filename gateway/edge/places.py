"""How many calls are in flight: in all, on a route, for each caller of a route, and for a known caller on all routes.

A call has its place from before its claim until it is answered. Callers are told apart by a number, so that no
credential is kept; on every call it is made, so it is not the digest that a record has. Refuses to know why a call
takes long.
"""

from dataclasses import dataclass, field
from typing import TypeVar

from gateway.policies.callers import KnownCaller
from gateway.policies.downstream import CallLimits

Who = TypeVar("Who", int, bytes)


@dataclass(slots=True)
class RoutePlaces:
    """One route's part: ``taken`` calls, ``callers`` by number, none of them with no call."""

    limits: CallLimits
    taken: int = 0
    callers: dict[int, int] = field(default_factory=dict[int, int])


class Places:
    """All places of one gateway."""

    __slots__ = ("_known", "_most", "_taken")

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._known: dict[bytes, int] = {}

    def shortage(self, route: RoutePlaces, caller: int | None = None, who: KnownCaller | None = None) -> str | None:
        """What there is no place in: ``calls``, ``route``, or where one is named ``caller`` and ``quota``, that of a
        known one; ``None``: there is one."""
        if self._taken >= self._most:
            return "calls"
        if route.limits.most is not None and route.taken >= route.limits.most:
            return "route"
        if caller is not None and route.callers.get(caller, 0) >= route.limits.per_caller:
            return "caller"
        if who is not None and who.quotas.calls is not None and self._known.get(who.identity, 0) >= who.quotas.calls:
            return "quota"
        return None

    def take(self, route: RoutePlaces, caller: int, who: KnownCaller | None = None) -> None:
        """A place, once ``shortage`` has found none missing; whoever takes it gives it back."""
        self._taken += 1
        route.taken += 1
        route.callers[caller] = route.callers.get(caller, 0) + 1
        if who is not None and who.quotas.calls is not None:
            self._known[who.identity] = self._known.get(who.identity, 0) + 1

    def give_back(self, route: RoutePlaces, caller: int, who: KnownCaller | None = None) -> None:
        """The call is answered."""
        self._taken -= 1
        route.taken -= 1
        _leave(route.callers, caller)
        if who is not None and who.quotas.calls is not None:
            _leave(self._known, who.identity)


def _leave(taken: dict[Who, int], who: Who) -> None:
    left = taken.pop(who) - 1
    if left:
        taken[who] = left
