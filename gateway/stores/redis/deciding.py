"""A decision: written over just the record that was judged, by one script, or a ruling on what is there.

Refuses to know what may be decided: ``protocol.decisions.decide`` rules. A person's word is rare, and so is a
reconciler's, so it may take the trip that looks before the one that writes.
"""

from collections.abc import Awaitable
from dataclasses import replace
from typing import assert_never

from gateway.errors import StoreUnavailable
from gateway.protocol import decisions
from gateway.protocol.decisions import Decided, Decision
from gateway.protocol.model import Busy, Complete, Moved, Release
from gateway.stores.codec import Codec
from gateway.stores.redis import scripts
from gateway.stores.redis.histories import said_by
from gateway.stores.redis.layout import State, instant, key_of, milliseconds, stamp, stamp_of
from gateway.stores.redis.records import read, write_answer
from gateway.stores.redis.trips import Ask, Reply, run

# Each round finds that the record was settled, or taken over, meanwhile.
_ROUNDS = 8
_UNKNOWN = State.UNKNOWN + State.UNKNOWN_TAKEN_OVER


async def decide(ask: Ask, codec: Codec, decision: Decision) -> Decided | Moved | Busy:
    """What the decision came to (laws 12 and 13)."""
    key = key_of(decision.id)
    for _ in range(_ROUNDS):
        now, text = await run(ask, scripts.LOOK, key)
        if text is None:
            return Moved()
        record = read(decision.id, text, instant(now), codec)
        ruling = decisions.decide(record, decision, instant(now))
        if not isinstance(ruling.answer, Decided) or ruling.record == record:
            return ruling.answer
        told = await _write(ask, codec, decision, stamp_of(text)[1:])
        if isinstance(told[1], int):
            return replace(ruling.answer, replay_until=ruling.answer.replay_until and instant(told[1]))
    raise StoreUnavailable("the record changed too often to say what it is")


def _write(ask: Ask, codec: Codec, decision: Decision, judged: bytes) -> Awaitable[Reply]:
    """``judged``: fence and owner of the record, which the script finds unknown, or finds nothing."""
    key, kept, fence = key_of(decision.id), decision.retention, decision.fence + 1
    match decision.word:
        case Release():
            # It frees memory where there is none left.
            script, state, lasts, rest = scripts.FREE, State.RELEASED, kept.key, b""
        case Complete(answer=answer):
            rest = write_answer(codec, decision.id, fence, answer)
            script, state, lasts = scripts.SETTLE, State.COMPLETED, kept.response
        case _:
            assert_never(decision.word)
    times, said = (milliseconds(lasts), milliseconds(kept.key)), said_by(decision.by, decision.note)
    return run(ask, script, key, judged, _UNKNOWN, state, *times, rest, stamp(fence, decision.owner), *said)
