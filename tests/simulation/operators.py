"""An operator, by way of some gateway: has keys forgotten, and decides what nobody knows.

Looks into the upstream's log, and says mostly what it tells; now and then he errs, which is his leave to send again, or
an answer of his own. He decides on what he was shown, some time after, and repeats what he has no answer to.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import TypeVar

from gateway.errors import GatewayError
from gateway.policies.admission import claim_for
from gateway.protocol.decisions import Decided, Decision
from gateway.protocol.dossier import Entry, Query, State
from gateway.protocol.model import Busy, Complete, Forgotten, Moved, RecordId, Release, StoredResponse, Unknown
from tests.simulation import script
from tests.simulation.actors import Fleet
from tests.simulation.chronicle import Call, Executed
from tests.simulation.gateway import DIGESTER, Life, facts

Outcome = TypeVar("Outcome")

# How often he tries, and looks, before he leaves it at that.
TRIES = 8


async def _by_way_of(fleet: Fleet, life: Life, work: Callable[[Life], Awaitable[Outcome]]) -> Outcome | None:
    """What a gateway answers, if it does."""
    around = fleet.around
    heard: asyncio.Future[Outcome | None] = around.loop.create_future()

    def tell(outcome: Outcome | None) -> None:
        if not heard.done():
            heard.set_result(outcome)

    async def there() -> None:
        outcome: Outcome | None = None
        with suppress(GatewayError):
            outcome = await work(life)
        around.wire.after(around.wire.latency(), lambda: tell(outcome))

    around.loop.spawn(life.place, there())
    try:
        async with asyncio.timeout(10):
            return await heard
    except TimeoutError:
        return None


async def forgetter(order: script.Forget, fleet: Fleet) -> None:
    """Again until it is heard."""
    around = fleet.around
    await asyncio.sleep(order.at)
    about = facts("alice", "a")
    record_id = claim_for(around.routes[order.key], DIGESTER, about, f"key-{order.key}", b"-" * 16).id

    async def forget(life: Life) -> bool:
        record = await life.store.look(record_id)
        answer = None if record is None else await life.store.forget(record_id, record.fence)
        if isinstance(answer, Forgotten) and not answer.copies_gone:
            around.chronicle.reached["forgotten, copies not yet gone"] += 1
        if not isinstance(answer, Forgotten) or not answer.copies_gone:
            return False
        around.chronicle.tell("operator", f"hears that {around.chronicle.slots.get(record_id)} is forgotten")
        around.chronicle.reached["forgotten, copies gone"] += 1
        around.chronicle.forgotten.append((around.loop.time(), record_id, life.name))
        return True

    for _ in range(TRIES):
        for life in fleet.listening()[:1]:
            if await _by_way_of(fleet, life, forget):
                return
        await asyncio.sleep(3)


async def decider(order: script.Decide, fleet: Fleet) -> None:
    """Looks for what is unknown until there is something, and has his word on all of it."""
    chance = Random(f"operator {fleet.chance} {order.number}")
    await asyncio.sleep(order.at)
    for _ in range(TRIES):
        shown = await _unknowns(fleet, chance)
        for entry in shown:
            await asyncio.sleep(order.thinks)
            await _decide(order, fleet, chance, entry)
        if shown:
            return
        await asyncio.sleep(3)


async def _unknowns(fleet: Fleet, chance: Random) -> list[Entry]:
    """What a gateway shows of them: a page, and the dossier of each, which may be another one's state by then."""

    async def look(life: Life) -> list[Entry]:
        page = await life.store.page(Query(state=State.UNKNOWN))
        dossiers = [await life.store.dossier(entry.id) for entry in page.entries]
        return [dossier.entry for dossier in dossiers if dossier is not None and dossier.entry.state is State.UNKNOWN]

    lives = fleet.listening()
    return (await _by_way_of(fleet, chance.choice(lives), look) or []) if lives else []


async def _decide(order: script.Decide, fleet: Fleet, chance: Random, entry: Entry) -> None:
    """One decision, by one owner, until it is answered."""
    around = fleet.around
    word = _word(order, fleet, entry)
    asked = _asked(fleet, entry.id, entry.fence)
    if word is None or asked is None:
        return
    retention = around.routes[asked.key].policy.retention
    decision = Decision(entry.id, entry.fence, chance.randbytes(16), word, retention, "operator")
    what = f"{'release' if isinstance(word, Release) else 'resolve'} {asked.slot} (fence {entry.fence})"

    async def decide(life: Life) -> Decided | Moved | Busy:
        return await life.store.decide(decision)

    for _ in range(TRIES):
        lives = fleet.listening()
        if lives:
            around.chronicle.tell("operator", f"says: {what}")
            answer = await _by_way_of(fleet, chance.choice(lives), decide)
            if answer is not None:
                around.chronicle.tell("operator", f"hears of {what}: {type(answer).__name__}")
                return
        await asyncio.sleep(chance.uniform(0.1, 2))


def _word(order: script.Decide, fleet: Fleet, entry: Entry) -> Complete | Release | None:
    asked = _asked(fleet, entry.id, entry.fence)
    if asked is None:
        return None
    chronicle = fleet.around.chronicle
    done = _done(fleet, asked, entry)
    if done is not None and order.errs:
        chronicle.reached["released though it was executed"] += 1
        return Release()
    if done is not None:
        return Complete(_as_kept(done.answer))
    if not order.errs:
        return Release()
    body = f"invented canary-{asked.caller} {asked.payload}".encode()
    invented = StoredResponse(200, ((b"Content-Type", b"text/plain"),), body)
    chronicle.invented.append(invented)
    return Complete(invented)


def _as_kept(answer: StoredResponse) -> StoredResponse:
    headers = tuple(header for header in answer.headers if header[0] != b"Set-Cookie")
    return StoredResponse(answer.status, headers, answer.body)


def _asked(fleet: Fleet, record_id: RecordId, fence: int) -> Call | None:
    """Whose call the record is that was shown, as the upstream's people would know it by its reference."""
    chronicle = fleet.around.chronicle
    for ruled in reversed(chronicle.ruled.get(record_id, [])):
        if ruled.word == "granted" and ruled.after is not None and ruled.after.fence == fence:
            return chronicle.owners.get(ruled.owner)
    return None


def _done(fleet: Fleet, asked: Call, entry: Entry) -> Executed | None:
    """What the upstream's log has of this very request since the key was granted anew."""
    chronicle = fleet.around.chronicle
    fresh = [
        ruled.at
        for ruled in chronicle.ruled[entry.id]
        if ruled.word == "granted" and not isinstance(ruled.before, Unknown) and ruled.before != ruled.after
        if ruled.after is not None and ruled.after.fence <= entry.fence
    ]
    since = max(fresh, default=0.0)
    found = [
        done
        for done in chronicle.executed
        if done.effect and done.call.slot == asked.slot and done.call.identity == asked.identity and done.at >= since
    ]
    return found[-1] if found else None
