"""Which hop a route's calls take: by the protocol that its upstream is configured to speak.

Refuses to know either. Two hops have two sets of pools, so nothing is shared between them.
"""

from collections.abc import Callable, Iterable

from gateway.policies.routing import Target
from gateway.ports import Answer, Clock, Outgoing
from gateway.proxying.hop import Hop
from gateway.proxying.http2.hop import Http2Hop


class Transports:
    """``ports.Upstream`` over both hops."""

    def __init__(self, clock: Clock) -> None:
        self._http1 = Hop(clock)
        self._http2 = Http2Hop(clock)

    def open(self, target: Target) -> object:
        """Makes a route ready; ``ConfigInvalid`` where its files cannot be used."""
        return self._http2.open(target) if target.http2 else self._http1.open(target)

    def read_again(self, target: Target) -> Callable[[], None]:
        """What has a route go by its TLS files as they are now; ``ConfigInvalid`` where they cannot be used."""
        return self._http2.read_again(target) if target.http2 else self._http1.read_again(target)

    async def send(
        self,
        target: Target,
        request: Outgoing,
        *,
        dispatch_by: float | None = None,
        on_dispatch: Callable[[], None] | None = None,
    ) -> Answer:
        """``Upstream``: by the target's hop."""
        hop = self._http2 if target.http2 else self._http1
        return await hop.send(target, request, dispatch_by=dispatch_by, on_dispatch=on_dispatch)

    async def close(self) -> None:
        """Closes idle connections; those in use end with their calls."""
        await self._http1.close()
        await self._http2.close()


def transports(targets: Iterable[Target], clock: Clock) -> Hop | Transports:
    """The hop of these targets, each made ready. Where none speaks HTTP/2, no call passes a choice."""
    targets = list(targets)
    hop = Transports(clock) if any(target.http2 for target in targets) else Hop(clock)
    for target in targets:
        hop.open(target)
    return hop
