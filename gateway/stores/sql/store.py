"""The SQL store: ``ports.Authority`` over a database that runs work for it.

Knows how operations are gathered, performed and answered. Refuses to know threads, files and dialects: a ``Database``
owns how work is run, in one transaction (SQLite) or in statements that commit by themselves.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Self

from sqlalchemy import Connection

from gateway.errors import StoreUnavailable
from gateway.ports import Erasure, Keeper, SweepCounts
from gateway.protocol.dossier import GATEWAY
from gateway.protocol.fingerprint import Digester
from gateway.protocol.model import (
    Busy,
    Claim,
    Forgotten,
    Grant,
    Moved,
    Record,
    RecordId,
    Settled,
    Settlement,
    Verdict,
)
from gateway.stores import digest_key
from gateway.stores.batching import GroupCommit, Meter, Outcome
from gateway.stores.codec import Codec
from gateway.stores.following import Followers
from gateway.stores.large import kept_by
from gateway.stores.sealing import Sealer
from gateway.stores.sql import counting, erasing, facts, pinging, statements, sweeping, waiting
from gateway.stores.sql.claiming import claim_all
from gateway.stores.sql.database import Database
from gateway.stores.sql.registry import SqlRegistry
from gateway.stores.sql.rows import Stored
from gateway.stores.sql.settling import settle_all
from gateway.stores.sql.sqlite import open_database
from gateway.stores.watching import Watch

DEADLINE = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class _Settle:
    """A settlement on its way into a batch; a claim goes as it is."""

    grant: Grant
    settlement: Settlement


_Operation = Claim | _Settle
_Answer = Verdict | Settled | Moved


class SqlStore(SqlRegistry):
    """``ports.Authority`` and ``registry.Records`` in SQL tables. ``digest_keys`` comes first: they also bind
    the records' answers."""

    def __init__(
        self,
        database: Database,
        *,
        sealer: Sealer | None = None,
        deadline: timedelta = DEADLINE,
        heard_by: timedelta | None = None,
        meter: Meter | None = None,
    ) -> None:
        super().__init__(database)
        self._sealer = sealer
        self._commits: GroupCommit[_Operation, _Answer] = GroupCommit(
            self._commit, deadline=deadline, heard_by=heard_by, meter=meter
        )
        self._followers = Followers(self._hear_out)

    @classmethod
    async def open_sqlite(
        cls,
        location: str | Path,
        *,
        sealer: Sealer | None = None,
        deadline: timedelta = DEADLINE,
        meter: Meter | None = None,
    ) -> Self:
        """The store in a file, by path or ``sqlite:///FILE``; ``deadline``: how long an unavailable one is asked."""
        return cls(await open_database(location, deadline), sealer=sealer, deadline=deadline, meter=meter)

    @classmethod
    async def open_postgres(
        cls, url: str, *, sealer: Sealer | None = None, deadline: timedelta = DEADLINE, meter: Meter | None = None
    ) -> Self:
        """The store in the database at ``url``, whose schema is the newest; ``deadline`` as above."""
        # Imported where it is used: whoever keeps an SQLite file starts without it, and faster.
        from gateway.stores.sql.postgres import open_database as open_server  # noqa: PLC0415

        database = await open_server(url, deadline)
        return cls(database, sealer=sealer, deadline=deadline, heard_by=deadline, meter=meter)

    async def claim(self, claim: Claim) -> Verdict:
        """Laws S1 and S2; committed together with whatever else arrives. ``StoreUnfit`` where it leaves values, and
        nothing is configured to seal them."""
        if claim.values is not None:
            self._opened().demand_sealer()
        answer = await self._commits.submit(claim)
        assert not isinstance(answer, Settled | Moved)  # noqa: S101 - the batch answers each in kind
        return answer

    async def settle(self, grant: Grant, settlement: Settlement) -> Settled | Moved:
        """Law S3; committed together with whatever else arrives."""
        answer = await self._commits.submit(_Settle(grant, settlement), kept_by(settlement))
        assert isinstance(answer, Settled | Moved)  # noqa: S101 - the batch answers each in kind
        self._watches.tell(grant.id)
        return answer

    async def watch(self, record_id: RecordId) -> Watch:
        """Word of its settlement, from other processes too where the database carries any."""
        alone = record_id not in self._watches
        watch = self._watches.watch(record_id)
        if alone:
            try:
                await self._ask_for_word(record_id)
            except BaseException:
                watch.close()
                raise
        return watch

    async def forget(
        self, record_id: RecordId, fence: int, by: str = GATEWAY, note: str = ""
    ) -> Forgotten | Moved | Busy:
        """Law S7; an operator's word is rare, and goes by itself."""
        wanted = erasing.Forgetting(record_id, fence, by, note)
        try:
            return await self._database.write(partial(_forget, wanted=wanted))
        finally:
            self._followers.forgotten(record_id)

    def follow(self, keeper: Keeper) -> None:
        """Whatever is forgotten here, and by others where the database tells of it."""
        self._followers.follow(keeper)

    async def look(self, record_id: RecordId) -> Record | None:
        """The record, turned by time."""
        return await self._database.read(partial(_look, codec=self._opened(), record_id=record_id))

    async def sweep(self, limit: int) -> SweepCounts:
        """Law S6; each step commits by itself, so that claims get in between."""
        turned = [await self._database.write(partial(sweeping.turn, step=step, limit=limit)) for step in sweeping.STEPS]
        await self._database.write(erasing.purge)
        return sweeping.counts(turned)

    async def erasures(self, incarnation: str, after: Erasure | None, limit: int) -> Sequence[Erasure]:
        """Law E2."""
        asked = partial(erasing.open_erasures, incarnation=incarnation, after=after, limit=limit)
        return await self._database.read(asked)

    async def erasure(self, record_id: RecordId) -> Erasure | None:
        """Law E2."""
        return await self._database.read(partial(erasing.erasure, record_id=record_id))

    async def note_erased(self, erasures: Sequence[Erasure], incarnation: str) -> None:
        """Law E3."""
        await self._database.write(partial(erasing.note_erased, done=erasures, incarnation=incarnation))

    async def count(self) -> Mapping[str, int]:
        """Records by state, turned by time."""
        return await self._database.read(counting.count)

    async def digest_keys(self, configured: Sequence[bytes | None], *, accept_change: bool = False) -> Digester:
        """The secrets of every digest, shared by all who open this database; from here on records open."""
        kept = digest_key.Facts(self._first_fact, self._change_fact, self._needed)
        digester = await digest_key.join(kept, configured, accept_change=accept_change)
        self._codec = Codec.of(digester, self._sealer)
        return digester

    async def _first_fact(self, proposed: bytes) -> bytes:
        return await self._database.write(partial(facts.digest_fact, proposed=proposed))

    async def _change_fact(self, earlier: bytes, proposed: bytes) -> bytes:
        return await self._database.write(partial(facts.change_digest_fact, earlier=earlier, proposed=proposed))

    async def _needed(self, name: bytes) -> bool:
        return await self._database.read(partial(counting.made_with, name=name))

    async def remember_key_space(self, namespace: str, settings: str, *, accept_change: bool) -> str | None:
        """The earlier, different settings of ``namespace``, unless the change is accepted."""
        remember = partial(facts.remember_key_space, namespace=namespace, settings=settings)
        return await self._database.write(partial(remember, accept_change=accept_change))

    async def ping(self) -> None:
        """Finds room and commits, as a grant would."""
        await self._database.write(pinging.ping)

    async def close(self) -> None:
        """Commits what has arrived, then closes the database."""
        await self._followers.close()
        await self._commits.close()
        await self._database.close()

    async def _ask_for_word(self, record_id: RecordId) -> None:
        if not await self._database.listen(self._heard):
            return
        with suppress(StoreUnavailable):
            await self._database.write(partial(waiting.mark, record_id=record_id))
        # Those who began to watch meanwhile may have missed it.
        self._watches.tell(record_id)

    async def _hear_out(self, begun: Callable[[], None]) -> None:
        if await self._database.listen(self._heard):
            begun()
        await self._database.heard_out()

    def _heard(self, payload: str) -> None:
        if (forgotten := waiting.forgotten_by(payload)) is not None:
            self._followers.forgotten(forgotten)
        elif (record_id := waiting.told_by(payload)) is not None:
            self._watches.tell(record_id)

    async def _commit(self, batch: Sequence[_Operation], begun: Callable[[], None]) -> Sequence[Outcome[_Answer]]:
        codec = self._opened()

        def work(connection: Connection) -> Sequence[Outcome[_Answer]]:
            begun()
            return _perform(connection, codec, batch)

        return await self._database.write(work)


def _perform(connection: Connection, codec: Codec, batch: Sequence[_Operation]) -> list[Outcome[_Answer]]:
    """Answers for a batch in its order: settlements first, so that a claim after a release finds the key free."""
    settlements = [(each.grant, each.settlement) for each in batch if isinstance(each, _Settle)]
    waited: list[bytes] = []
    settled = iter(settle_all(connection, codec, settlements, waited))
    waiting.send_word(connection, waited)
    claimed = iter(claim_all(connection, codec, [each for each in batch if isinstance(each, Claim)]))
    return [next(claimed) if isinstance(each, Claim) else next(settled) for each in batch]


def _forget(connection: Connection, wanted: erasing.Forgetting) -> Forgotten | Moved | Busy:
    answer = erasing.forget(connection, wanted)
    if isinstance(answer, Forgotten):
        waiting.send_forgotten(connection, wanted.id)
    return answer


def _look(connection: Connection, codec: Codec, record_id: RecordId) -> Record | None:
    row = connection.execute(statements.ONE, {"of_id": record_id.digest}).mappings().first()
    return None if row is None else Stored.of(row, codec).turned
