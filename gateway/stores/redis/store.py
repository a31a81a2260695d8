"""The Redis store: ``registry.Records`` over one line to one server.

Knows how often and how long an operation is asked. Refuses to know commands and layouts. An operation that got no
reply is asked again, the same with the same owner, until its deadline: every script bears that (ports, S5). What it
promises is bounded by the server: an acknowledged write that Redis loses (in a failover, without an append-only file)
is a call forgotten, and a retry of it may be executed again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Self, TypeVar

from gateway.cuts import Within
from gateway.errors import StoreUnavailable, StoreUnfit
from gateway.ports import Keeper, SweepCounts
from gateway.protocol.claims import as_of
from gateway.protocol.dossier import GATEWAY
from gateway.protocol.fingerprint import Digester
from gateway.protocol.model import Busy, Claim, Forgotten, Grant, Moved, Record, RecordId, Settled, Settlement, Verdict
from gateway.stores import digest_key
from gateway.stores.codec import Codec
from gateway.stores.following import Followers
from gateway.stores.redis import claiming, fitness, forgetting, role, scripts, settling, sweeping, walking
from gateway.stores.redis.address import Address, address_of
from gateway.stores.redis.connecting import connect
from gateway.stores.redis.faults import SENTENCES, NoReply, Refused
from gateway.stores.redis.layout import id_of, instant, key_of
from gateway.stores.redis.line import Lines
from gateway.stores.redis.listening import FORGOTTEN, Listener
from gateway.stores.redis.records import read
from gateway.stores.redis.registry import RedisRegistry
from gateway.stores.redis.role import Role
from gateway.stores.redis.trips import run
from gateway.stores.sealing import Sealer
from gateway.stores.watching import Watch, Watches

Result = TypeVar("Result")

DEADLINE = timedelta(seconds=2)

_DIGEST_KEYS = b"ig:digest-key"
_KEY_SPACES = b"ig:key-spaces"
_PING = b"ig:ping"
_PREPARE = tuple(("SCRIPT", "LOAD", script.text) for script in scripts.ALL)

# Two attempts fit into a deadline, so that one lost reply is not yet a failure.
_ATTEMPTS = 2.2
_PAUSE = 0.025


class RedisStore(RedisRegistry):
    """``registry.Records`` in a Redis. ``digest_keys`` comes first: they also bind the records' answers."""

    def __init__(self, address: Address, *, sealer: Sealer | None = None, deadline: timedelta = DEADLINE) -> None:
        reach, patience = partial(connect, address), deadline.total_seconds() / _ATTEMPTS
        self._lines = Lines(reach, _PREPARE, patience)
        # Nothing is brought to a server before it has told what it is.
        self._first = Lines(reach, (), patience)
        self._listener = Listener(reach, patience, self._heard)
        self._followers = Followers(partial(self._listener.hear_out, FORGOTTEN))
        self._watches = Watches(lambda left: self._listener.ignore(key_of(left)))
        self._sealer = sealer
        self._deadline = deadline.total_seconds()
        self._codec: Codec | None = None
        self._role = Role("")
        self.cautions: tuple[str, ...] = ()

    @classmethod
    async def open(cls, url: str, *, sealer: Sealer | None = None, deadline: timedelta = DEADLINE) -> Self:
        """The store at a URL (``address.address_of``); ``StoreUnfit`` where it cannot keep the promise."""
        store = cls(address_of(url), sealer=sealer, deadline=deadline)
        try:
            await store._patiently(store._begin)
        except BaseException as fault:
            await store.close()
            if isinstance(fault, Refused):
                raise StoreUnfit(str(fault)) from fault
            raise
        finally:
            await store._first.close()
        return store

    async def claim(self, claim: Claim) -> Verdict:
        """Laws S1 and S2; one trip for a new key, one for a known one."""
        return await self._patiently(lambda: claiming.claim(self._lines.ask, self._opened(), self._role.marker, claim))

    async def settle(self, grant: Grant, settlement: Settlement) -> Settled | Moved:
        """Law S3; one trip."""
        answer = await self._patiently(lambda: settling.settle(self._lines.ask, self._opened(), grant, settlement))
        self._watches.tell(grant.id)
        return answer

    async def watch(self, record_id: RecordId) -> Watch:
        """Word of its settlement, from other processes too."""
        alone = record_id not in self._watches
        watch = self._watches.watch(record_id)
        if alone:
            try:
                await self._listener.listen(key_of(record_id))
            except BaseException:
                watch.close()
                raise
            # Those who began to watch meanwhile may have missed it.
            self._watches.tell(record_id)
        return watch

    async def forget(
        self, record_id: RecordId, fence: int, by: str = GATEWAY, note: str = ""
    ) -> Forgotten | Moved | Busy:
        """Law S7; two trips. A Redis that is the authority has no copies elsewhere."""
        try:
            return await self._patiently(
                lambda: forgetting.forget(self._lines.ask, self._opened(), record_id, fence, by, note)
            )
        finally:
            self._followers.forgotten(record_id)

    def follow(self, keeper: Keeper) -> None:
        """Whatever is forgotten here, and by others as long as the server tells of it."""
        self._followers.follow(keeper)

    async def look(self, record_id: RecordId) -> Record | None:
        """The record, turned by time."""
        now, text = await self._patiently(lambda: run(self._lines.ask, scripts.LOOK, key_of(record_id)))
        return None if text is None else as_of(read(record_id, text, instant(now), self._opened()), instant(now))

    async def sweep(self, limit: int) -> SweepCounts:
        """Law S6, in steps that claims get in between."""
        return await self._patiently(lambda: sweeping.sweep(self._lines.ask, limit))

    async def count(self) -> Mapping[str, int]:
        """Records by state, turned by time."""
        return await self._patiently(lambda: sweeping.count(self._lines.ask))

    async def digest_keys(self, configured: Sequence[bytes | None], *, accept_change: bool = False) -> Digester:
        """The secrets of every digest, shared by all who open this Redis; from here on records open."""
        facts = digest_key.Facts(self._first_fact, self._change_fact, self._needed)
        digester = await digest_key.join(facts, configured, accept_change=accept_change)
        self._codec = Codec.of(digester, self._sealer)
        return digester

    async def _first_fact(self, proposed: bytes) -> bytes:
        kept = await self._ask("SET", _DIGEST_KEYS, proposed, "NX", "GET")
        return proposed if kept is None else kept

    async def _change_fact(self, earlier: bytes, proposed: bytes) -> bytes:
        fact: bytes = await run(self._ask_patiently, scripts.REPLACE, _DIGEST_KEYS, earlier, proposed)
        return fact

    async def _needed(self, name: bytes) -> bool:
        return await walking.made_with(self._ask_patiently, name)

    async def remember_key_space(self, namespace: str, settings: str, *, accept_change: bool) -> str | None:
        """The earlier, different settings of ``namespace``, unless the change is accepted."""
        await self._ask("HSETNX", _KEY_SPACES, namespace, settings)
        kept = await self._ask("HGET", _KEY_SPACES, namespace)
        earlier = settings if kept is None else kept.decode()
        if earlier == settings:
            return None
        if not accept_change:
            return earlier
        await self._ask("HSET", _KEY_SPACES, namespace, settings)
        return None

    async def ping(self) -> None:
        """Writes, as only a server that can grant lets one, and finds the marker of the start."""
        await self._ask("SET", _PING, b"")
        if await self._ask("GET", role.KEY) != self._role.marker:
            raise StoreUnavailable(SENTENCES["EMPTIED"])

    async def close(self) -> None:
        """Afterwards nothing is answered."""
        await self._followers.close()
        await self._listener.close()
        await self._lines.close()

    async def _begin(self) -> None:
        self.cautions = fitness.examine(fitness.facts_of(await self._first.ask("INFO")))
        self._role = await role.as_authority(self._lines.ask)

    def _heard(self, channel: bytes, told: bytes) -> None:
        if channel == FORGOTTEN:
            self._followers.forgotten(RecordId(told))
        else:
            self._watches.tell(id_of(channel))

    async def _ask(self, *words: bytes | str) -> bytes | None:
        answer: bytes | None = await self._patiently(lambda: self._lines.ask(*words))
        return answer

    async def _patiently(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """The result of the first attempt that got a reply; the last fault when the deadline has passed."""
        fault: NoReply | None = None
        try:
            with Within(self._deadline):
                while True:
                    try:
                        return await attempt()
                    except NoReply as unheard:
                        unheard.unsure |= fault is not None and fault.unsure
                        fault = unheard
                    await asyncio.sleep(_PAUSE)
        except TimeoutError:
            raise fault or NoReply("the Redis does not answer in time", unsure=False) from None

    def _opened(self) -> Codec:
        if self._codec is None:
            raise StoreUnavailable("the store was not asked for its digest key yet, without which no record opens")
        return self._codec
