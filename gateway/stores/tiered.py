"""Two stores, one authority: copies in front may answer, the authority alone grants (design, section 3).

Knows the order of looking and writing, and that a front that is slow, down, empty, flushed or restored from an old dump
costs time and never a second call. Refuses to know which stores these are: whatever the front
says that is not a plain repetition, the authority is asked.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from gateway.errors import RecordUnreadable, StoreUnavailable
from gateway.ports import Calls, Clock, Front, Hint, Keeper, Observer, SweepCounts, Watch
from gateway.protocol import observations as seen
from gateway.protocol.claims import judge, stranger_to
from gateway.protocol.dossier import GATEWAY
from gateway.protocol.fingerprint import Digester
from gateway.protocol.model import (
    AnswerNotKept,
    Busy,
    Claim,
    Complete,
    Completed,
    Forgotten,
    Grant,
    Granted,
    Identity,
    Moved,
    Record,
    RecordId,
    Refusal,
    Replay,
    Settled,
    Settlement,
    Verdict,
)
from gateway.stores.approach import BUDGET, PATIENCE, Approach
from gateway.stores.erasing import Erasing
from gateway.stores.tiered_registry import Authority, TieredRegistry

# Hints turn away storms, and outlive a release that could not be told by no more than this.
HINT_LIFETIME = timedelta(seconds=2)

# Grants whose identity is remembered for the copy; one that is never settled makes room when so many came after it. So
# do claims that were not answered.
MOST_GRANTS = 65_536


@dataclass(slots=True)
class _Grants:
    """Whom each grant was given to, until it is settled."""

    known: dict[tuple[RecordId, int], Identity]

    def remember(self, grant: Grant, identity: Identity) -> None:
        if len(self.known) >= MOST_GRANTS:
            del self.known[next(iter(self.known))]
        self.known[grant.id, grant.fence] = identity


@dataclass(slots=True)
class _Doubts:
    """Owners of claims that the authority may have granted without its being heard, until it answers them."""

    owners: dict[bytes, None]

    def remember(self, owner: bytes) -> None:
        if len(self.owners) >= MOST_GRANTS:
            del self.owners[next(iter(self.owners))]
        self.owners[owner] = None


class _Watch:
    """A watch of the authority that the front knows of until it is closed."""

    __slots__ = ("_left", "_watch")

    def __init__(self, watch: Watch, left: Callable[[], None]) -> None:
        self._watch = watch
        self._left: Callable[[], None] | None = left

    async def changed(self, seconds: float) -> None:
        await self._watch.changed(seconds)

    def close(self) -> None:
        self._watch.close()
        if self._left is not None:
            self._left()
            self._left = None


class TieredStore(TieredRegistry):
    """``registry.Records``: an authority with a front."""

    def __init__(
        self, authority: Authority, front: Front, observer: Observer, clock: Clock, *, asked: Calls | None = None
    ) -> None:
        """``asked``: the authority as claims and settlements ask it, where they are timed."""
        self._authority = authority
        self._asked = authority if asked is None else asked
        self._front = front
        self._observer = observer
        self._clock = clock
        self._way = Approach(front, observer, clock, self._erase_again)
        self._erasing = Erasing(authority, front, self._way.reached)
        self._erases_from = 0.0
        self._grants = _Grants({})
        self._doubts = _Doubts({})
        self._watched: Counter[RecordId] = Counter()
        self._refilling: set[RecordId] = set()

    async def claim(self, claim: Claim) -> Verdict:
        """Law S1 is the authority's; the front may only repeat what is settled, or say that the same call is busy."""
        repeated = await self._repeated(claim)
        if repeated is not None:
            return repeated
        verdict = await self._decided(claim)
        match verdict:
            case Granted(grant=grant):
                self._grants.remember(grant, claim.under(grant.id).identity)
            case Busy():
                # Only a call that has a duplicate needs a hint; all others are spared the writing.
                self._hint(claim.under(verdict.id or claim.id), verdict)
            case Replay() | AnswerNotKept():
                self._refill(claim.ids)
            case _:
                pass
        return verdict

    async def _decided(self, claim: Claim) -> Verdict:
        try:
            verdict = await self._asked.claim(claim)
        except StoreUnavailable as fault:
            if fault.unsure:
                self._doubts.remember(claim.owner)
            raise
        self._doubts.owners.pop(claim.owner, None)
        return verdict

    async def settle(self, grant: Grant, settlement: Settlement) -> Settled | Moved:
        """Committed by the authority first; the copy follows, and nobody waits for it."""
        answer = await self._asked.settle(grant, settlement)
        identity = self._grants.known.pop((grant.id, grant.fence), None)
        if isinstance(settlement, Complete) and isinstance(answer, Settled) and identity and answer.replay_until:
            # The end of its life is the only instant of a copy that anybody reads.
            copy = Completed(
                id=grant.id,
                fence=grant.fence,
                owner=grant.owner,
                identity=identity,
                created_at=answer.replay_until - grant.retention.response,
                answer=settlement.answer,
                replay_until=answer.replay_until,
                forget_at=answer.replay_until + grant.retention.key,
            )
            self._way.bring(lambda: self._front.keep(copy))
        elif isinstance(answer, Settled):
            self._way.bring(lambda: self._front.drop(grant.id))
        return answer

    async def watch(self, record_id: RecordId) -> Watch:
        """The authority's word; while somebody waits, no hint in front is believed, for it may outlive its call."""
        self._watched[record_id] += 1
        try:
            return _Watch(await self._authority.watch(record_id), lambda: self._watched_no_more(record_id))
        except BaseException:
            self._watched_no_more(record_id)
            raise

    def _watched_no_more(self, record_id: RecordId) -> None:
        self._watched[record_id] -= 1
        if not self._watched[record_id]:
            del self._watched[record_id]

    async def forget(
        self, record_id: RecordId, fence: int, by: str = GATEWAY, note: str = ""
    ) -> Forgotten | Moved | Busy:
        """Law S7: the authority's first, then the copy's place; a front that is out of reach hears of it later."""
        answer = await self._authority.forget(record_id, fence, by, note)
        return Forgotten(await self._erasing.bring(record_id)) if isinstance(answer, Forgotten) else answer

    def follow(self, keeper: Keeper) -> None:
        """Whatever the authority has forgotten."""
        self._authority.follow(keeper)

    async def look(self, record_id: RecordId) -> Record | None:
        """The authority's record."""
        return await self._authority.look(record_id)

    async def sweep(self, limit: int) -> SweepCounts:
        """The authority's, for copies end by themselves; its last batch brings the front what it has not heard of."""
        counts = await self._authority.sweep(limit)
        # Here a gateway meets its front even where no call comes.
        if counts.total == 0 and await self._way.reached(self._front.ping):
            await self._erasing.bring_all()
        return counts

    async def count(self) -> Mapping[str, int]:
        """The authority's."""
        return await self._authority.count()

    async def digest_keys(self, configured: Sequence[bytes | None], *, accept_change: bool = False) -> Digester:
        """The authority's secrets. A front that is another authority's is ``StoreUnfit``; one that is down can wait."""
        digester = await self._authority.digest_keys(configured, accept_change=accept_change)
        if await self._way.join(digester, accept_change=accept_change):
            await self._erasing.bring_all()
        return digester

    async def remember_key_space(self, namespace: str, settings: str, *, accept_change: bool) -> str | None:
        """The authority's."""
        return await self._authority.remember_key_space(namespace, settings, accept_change=accept_change)

    async def ping(self) -> None:
        """Only the authority decides whether calls are welcome."""
        await self._authority.ping()

    async def ping_front(self) -> None:
        """For the operator."""
        await self._way.ping()

    async def close(self) -> None:
        """Copies under way are given a moment; losing them loses nothing."""
        await self._way.close()
        await self._authority.close()

    async def _repeated(self, claim: Claim) -> Refusal | None:
        """What the front knows for certain; everything else, a stranger's call included, is for the authority."""
        begun = self._clock.monotonic()
        own = claim
        result, known = await self._way.asked(lambda: self._front.recall(claim.id), BUDGET)
        for other in claim.others:
            if known is None:
                own = other
                result, known = await self._way.asked(partial(self._front.recall, other.id), BUDGET)
        if known is not None and self._erasing.is_due:
            result, known = "nothing", None
        self._observer.observe(seen.FrontAsked(result, self._clock.monotonic() - begun))
        match known:
            case Completed():
                # It is there only while it is replayed (F3), so that any moment before its end judges it alike.
                verdict = judge(known, claim, known.created_at)
                match verdict:
                    case Granted():
                        return None
                    case Replay():
                        # For how long yet, only the front's clock could tell.
                        return Replay(verdict.response, verdict.until)
                    case _:
                        return verdict
            case Hint() if self._believed(known, own):
                return Busy(known.age, known.rest, id=own.id)
            case _:
                return None

    def _believed(self, hint: Hint, claim: Claim) -> bool:
        """Whether the hint turns the claim away: another call with the same identity, and nobody has word of it.

        A claim that may have been granted unheard is for the authority alone: a hint may outlive its call, and whoever
        believed it then would leave the grant behind.
        """
        known = claim.id in self._watched or hint.owner == claim.owner or claim.owner in self._doubts.owners
        return not known and stranger_to(claim, hint.identity) is None

    def _erase_again(self, is_back: bool) -> None:
        """A front that is back, or another one, hears of what was forgotten meanwhile; after a fault, a while later."""
        now = self._clock.monotonic()
        if is_back or (self._erasing.is_due and now >= self._erases_from):
            self._erases_from = now + PATIENCE
            self._way.spawn(self._erasing.bring_all())

    def _hint(self, claim: Claim, busy: Busy) -> None:
        hint, lifetime = Hint(claim.identity, busy.owner, busy.age, busy.rest), min(HINT_LIFETIME, busy.rest)
        self._way.bring(lambda: self._front.hint(claim.id, hint, lifetime))

    def _refill(self, ids: Sequence[RecordId]) -> None:
        """The copy of an answer that the authority gave, once however many ask for it; it is under one of ``ids``."""
        for record_id in ids:
            if record_id not in self._refilling and not self._way.is_busy:
                self._refilling.add(record_id)
                self._way.spawn(self._refilled(record_id))

    async def _refilled(self, record_id: RecordId) -> None:
        try:
            record = await self._authority.look(record_id)
            if not isinstance(record, Completed):
                return
            await self._way.asked(lambda: self._front.keep(record), PATIENCE)
            # Law 6: it may have been forgotten between the look and the writing.
            if await self._authority.look(record_id) != record:
                await self._way.asked(lambda: self._front.drop(record_id), PATIENCE)
        except (StoreUnavailable, RecordUnreadable):
            # The claim that asks next hears it from the authority itself.
            return
        finally:
            self._refilling.discard(record_id)
