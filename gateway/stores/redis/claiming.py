"""A claim: a grant written if nothing is there, in one trip; else judged by what is, and written only over just that.

Knows how a verdict is read off and how a grant replaces what was judged. Refuses to know what a verdict means:
``protocol.claims.judge`` rules, at the clock that the record was read with, and a grant that would not be given any
more when it is written is not written.
"""

from functools import partial

from gateway.errors import StoreUnavailable
from gateway.protocol.claims import judge
from gateway.protocol.model import Claim, Grant, Granted, InFlight, Record, Unknown, Verdict
from gateway.stores.codec import Codec
from gateway.stores.large import aside
from gateway.stores.redis import scripts
from gateway.stores.redis.layout import State, instant, key_of, milliseconds, since_1970, stamp_of
from gateway.stores.redis.records import read, write_holder, write_identity, write_promise
from gateway.stores.redis.trips import Ask, Word, run_over

# Each round finds what another claimant wrote; who is overtaken so often is not served by trying on.
_ROUNDS = 8


async def claim(ask: Ask, codec: Codec, marker: bytes, claim: Claim) -> Verdict:
    """The verdict, its grant written by the time that it is heard (law 1)."""
    record: Record | None = None
    verdict: Verdict = Granted(Grant(claim.id, 1, claim.owner, claim.retention))
    judged_by = b""
    for _ in range(_ROUNDS):
        if not isinstance(verdict, Granted) or _holds(record, verdict.grant):
            return verdict
        arguments = _written(codec, claim.under(verdict.grant.id), verdict.grant, record)
        # Law 14: the place that was judged first, then all others, where nothing may be.
        first = verdict.grant.id
        ids = (first, *(each for each in claim.ids if each != first)) if claim.others else (first,)
        told = await run_over(ask, scripts.GRANT, [key_of(each) for each in ids], marker, judged_by, *arguments)
        if len(told) == 1:
            return verdict
        now = instant(told[0])
        text: bytes | None = told[1]
        record = None if text is None else await aside(len(text), partial(read, ids[told[2] - 1], text, now, codec))
        judged_by = b"" if text is None else stamp_of(text)
        verdict = judge(record, claim, now)
    raise StoreUnavailable("other claims of this key came first too often to say what it is")


def _holds(record: Record | None, grant: Grant) -> bool:
    """Whether the grant is already written: the same owner asked again (law 1)."""
    return isinstance(record, InFlight) and (record.fence, record.owner) == (grant.fence, grant.owner)


def _written(codec: Codec, claim: Claim, grant: Grant, record: Record | None) -> tuple[Word, ...]:
    """What ``protocol.claims.granted`` would write, in the script's words; instants are the server's."""
    before, sent = _take_over(claim, record) if grant.taken_over else (b"", b"")
    retention = claim.retention
    return (
        before,
        State.IN_FLIGHT_TAKEN_OVER if grant.taken_over else State.IN_FLIGHT,
        grant.fence.to_bytes(8, "big"),
        grant.owner,
        milliseconds(claim.lease),
        milliseconds(retention.unknown),
        milliseconds(retention.key),
        sent,
        write_identity(claim.identity),
        write_promise(claim),
        claim.route,
        claim.key_id.digest if claim.key_id else b"",
        write_holder(claim.holder),
        b"" if claim.values is None else codec.seal_values(claim.id, grant.fence, claim.values),
    )


def _take_over(claim: Claim, record: Record | None) -> tuple[Word, Word]:
    """From when on the upstream no longer deduplicates, or the unknown is a tombstone; and the first sending."""
    if not isinstance(record, Unknown | InFlight) or claim.takeover is None:
        raise StoreUnavailable("only an unknown is taken over")
    expire_at = record.expire_at if isinstance(record, Unknown) else record.lease_until + record.retention.unknown
    before = min(record.first_sent_at + claim.takeover, expire_at)
    return since_1970(before), since_1970(record.first_sent_at)
