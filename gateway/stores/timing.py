"""How long an authority takes, and how much goes to it together: told to an observer.

Knows when an operation begins and ends. Refuses to know what it comes to: a fault takes its time too.
"""

from gateway.ports import Calls, Clock, Observer, Watch
from gateway.protocol.model import Claim, Grant, Moved, RecordId, Settled, Settlement, Verdict
from gateway.protocol.observations import Committed, StoreAsked


class CommitMeter:
    """``batching.Meter`` of the store called ``name``."""

    __slots__ = ("_name", "_observer")

    def __init__(self, name: str, observer: Observer) -> None:
        self._name = name
        self._observer = observer

    def __call__(self, size: int) -> None:
        """One batch was committed."""
        self._observer.observe(Committed(self._name, size))


class Timed:
    """``ports.Calls``: another one, whose claims and settlements are timed under ``name``."""

    def __init__(self, store: Calls, name: str, observer: Observer, clock: Clock) -> None:
        self._store = store
        self._name = name
        self._observer = observer
        self._clock = clock

    async def claim(self, claim: Claim) -> Verdict:
        """Timed."""
        begun = self._clock.monotonic()
        try:
            return await self._store.claim(claim)
        finally:
            self._tell("claim", begun)

    async def settle(self, grant: Grant, settlement: Settlement) -> Settled | Moved:
        """Timed."""
        begun = self._clock.monotonic()
        try:
            return await self._store.settle(grant, settlement)
        finally:
            self._tell("settle", begun)

    def _tell(self, operation: str, begun: float) -> None:
        self._observer.observe(StoreAsked(self._name, operation, self._clock.monotonic() - begun))

    async def watch(self, record_id: RecordId) -> Watch:
        """The store's."""
        return await self._store.watch(record_id)
