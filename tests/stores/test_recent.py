"""What was replayed lately sits the contract in front of a store, and is let go of as it must be."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.errors import StoreUnavailable
from gateway.ports import Form
from gateway.protocol.model import (
    BodyForm,
    Busy,
    CallerChanged,
    Claim,
    Complete,
    Completed,
    Granted,
    KeyExpired,
    Mismatch,
    Recipe,
    Replay,
    Verdict,
)
from gateway.stores.memory import MemoryStore
from gateway.stores.recent import FORMS, LARGEST, UNHEARD, Recent
from tests.stores.backends import Bench, MemoryBackend
from tests.stores.contract import StoreContract
from tests.stores.recents import LONGEST, MOST, MovedClock, Noted, RecentBackend
from tests.stores.requests import ANSWER, NOT_KEPT, RETENTION, claim


class TestInFrontOfMemory(StoreContract):
    @pytest.fixture
    def bench(self) -> Iterator[Bench]:
        with Bench(RecentBackend(MemoryBackend())) as bench:
            yield bench


class Gated(MemoryStore):
    """A store whose answer to a claim may be held back after it was judged."""

    def __init__(self) -> None:
        super().__init__()
        self.claims = 0
        self.judged = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def claim(self, claim: Claim) -> Verdict:
        self.claims += 1
        verdict = await super().claim(claim)
        self.judged.set()
        await self.go_on.wait()
        return verdict


class Scene:
    """A store with a completed record, and what is kept of it."""

    def __init__(self, most: int = MOST, longest: float = LONGEST) -> None:
        self.store = Gated()
        self.clock = MovedClock()
        self.noted = Noted()
        self.recent = Recent(self.store, self.clock, self.noted, most, longest)
        self.store.follow(self.recent)
        self.recent.heeds(others=True)

    async def completed(self, key: str = "k", answer: object = ANSWER, **changes: object) -> Claim:
        first = replace(claim(key), **changes)  # type: ignore[arg-type]  # of a claim
        verdict = await self.recent.claim(first)
        assert isinstance(verdict, Granted)
        await self.recent.settle(verdict.grant, Complete(answer))  # type: ignore[arg-type]  # an answer
        return first

    async def replayed(self, key: str = "k") -> Verdict:
        return await self.recent.claim(claim(key))


def play(scenario: Callable[[Scene], Awaitable[None]], most: int = MOST, longest: float = LONGEST) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await scenario(Scene(most, longest))

    asyncio.run(bounded())


def test_what_was_replayed_is_repeated_while_no_store_answers() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.completed()
        first = await scene.replayed()
        await scene.store.close()
        assert isinstance(first, Replay)
        assert await scene.replayed() == first
        assert scene.noted.answered == 1

    play(scenario)


def test_what_is_kept_tells_callers_and_requests_apart_as_the_store_does() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.completed()
        await scene.replayed()
        asked = scene.store.claims
        assert await scene.recent.claim(claim("k", body=b"other")) == Mismatch()
        assert await scene.recent.claim(claim("k", caller=b"mallory")) == CallerChanged()
        other_recipe = claim("k", body=b"other", recipe=Recipe(body=BodyForm.NONE))
        assert await scene.recent.claim(other_recipe) == Mismatch()
        assert scene.store.claims == asked

    play(scenario)


def test_first_calls_and_what_is_in_flight_and_what_was_not_kept_cost_no_memory() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.completed()
        assert isinstance(await scene.recent.claim(claim("in flight")), Granted)
        assert isinstance(await scene.replayed("in flight"), Busy)
        await scene.completed("not kept", NOT_KEPT)
        await scene.replayed("not kept")
        assert scene.noted.observations == []

    play(scenario)


def test_the_store_is_asked_again_after_a_while() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.completed()
        await scene.replayed()
        scene.clock.now += LONGEST
        asked = scene.store.claims
        assert isinstance(await scene.replayed(), Replay)
        assert scene.store.claims == asked + 1

    play(scenario)


def test_nothing_is_repeated_when_its_replay_is_over_by_the_authoritys_clock() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.completed(retention=replace(RETENTION, response=timedelta(seconds=7)))
        await scene.replayed()
        asked = scene.store.claims
        scene.clock.now += 6.5
        await scene.replayed()
        assert scene.store.claims == asked
        scene.clock.now += 0.5
        await scene.replayed()
        assert scene.store.claims == asked + 1

    play(scenario)


def test_time_that_the_store_takes_to_answer_counts() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.completed()
        scene.store.go_on.clear()
        scene.store.judged.clear()
        asking = asyncio.create_task(scene.replayed())
        await scene.store.judged.wait()
        scene.clock.now += LONGEST
        scene.store.go_on.set()
        assert isinstance(await asking, Replay)
        await scene.replayed()
        assert (scene.store.claims, scene.noted.answered) == (3, 0)

    play(scenario)


def test_what_is_forgotten_is_not_repeated() -> None:
    async def scenario(scene: Scene) -> None:
        first = await scene.completed()
        await scene.replayed()
        await scene.store.forget(first.id, 1)
        assert await scene.replayed() == KeyExpired()
        assert (scene.noted.dropped, scene.noted.taken) == (["forgotten"], 0)

    play(scenario)


def test_an_answer_that_was_on_its_way_when_it_was_forgotten_is_not_kept() -> None:
    async def scenario(scene: Scene) -> None:
        first = await scene.completed()
        scene.store.go_on.clear()
        scene.store.judged.clear()
        asking = asyncio.create_task(scene.replayed())
        await scene.store.judged.wait()
        await scene.store.forget(first.id, 1)
        scene.store.go_on.set()
        assert isinstance(await asking, Replay)
        assert await scene.replayed() == KeyExpired()

    play(scenario)


def test_without_word_of_others_nothing_is_believed_for_long() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.completed()
        await scene.replayed()
        scene.recent.heeds(others=False)
        assert scene.noted.dropped == ["unheard"]
        await scene.replayed()
        asked = scene.store.claims
        scene.clock.now += UNHEARD - 0.01
        await scene.replayed()
        assert scene.store.claims == asked
        scene.clock.now += 0.01
        await scene.replayed()
        assert scene.store.claims == asked + 1

    play(scenario)


def test_the_oldest_make_room_and_one_answer_pushes_out_few_others() -> None:
    async def scenario(scene: Scene) -> None:
        for number in range(60):
            await scene.completed(f"{number}")
            await scene.replayed(f"{number}")
            assert scene.noted.taken <= 40_000
        await scene.completed("large", replace(ANSWER, body=b"." * (40_000 // LARGEST)))
        await scene.replayed("large")
        await scene.store.close()
        assert isinstance(await scene.replayed("59"), Replay)
        for gone in ("0", "large"):
            with pytest.raises(StoreUnavailable):
                await scene.replayed(gone)
        assert set(scene.noted.dropped) == {"room"}

    play(scenario, most=40_000)


def test_nothing_lies_in_memory_after_its_end_though_nobody_calls() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.completed()
        await scene.replayed()
        scene.clock.now += 1
        await scene.noted.dropped_one.wait()
        assert (scene.noted.dropped, scene.noted.taken) == (["age"], 0)

    play(scenario, longest=0.05)


def form(of: Claim, data: bytes = b"HTTP/1.1 201 Created") -> Form:
    return Form(of.id, "api", 201, data)


def any_of(scene: Scene) -> bool:
    """Whether a form is known just now."""
    return scene.recent.any


def test_a_form_stands_as_long_as_its_record_is_believed() -> None:
    async def scenario(scene: Scene) -> None:
        first = await scene.completed()
        scene.recent.remember(b"request", form(first))
        assert not any_of(scene), "its record is not kept yet"
        await scene.replayed()
        scene.recent.remember(b"request", form(first))
        assert any_of(scene)
        assert scene.recent.recall(b"request") == form(first)
        assert scene.recent.recall(b"another") is None
        scene.clock.now += LONGEST
        assert scene.recent.recall(b"request") is None
        await scene.replayed()
        assert scene.recent.recall(b"request") is None, "a record that was asked for again begins without forms"
        assert not any_of(scene)

    play(scenario)


@pytest.mark.parametrize("end", ["forgotten", "unheard"])
def test_a_form_ends_with_its_record_and_its_bytes_with_it(end: str) -> None:
    async def scenario(scene: Scene) -> None:
        first = await scene.completed()
        await scene.replayed()
        before = scene.noted.taken
        scene.recent.remember(b"request", form(first))
        assert scene.noted.taken > before
        if end == "forgotten":
            await scene.store.forget(first.id, 1)
        else:
            scene.recent.heeds(others=False)
        assert scene.recent.recall(b"request") is None
        assert (scene.recent.any, scene.noted.taken) == (False, 0)

    play(scenario)


def test_forms_take_no_more_room_than_there_is_and_push_out_nothing() -> None:
    async def scenario(scene: Scene) -> None:
        first = await scene.completed()
        await scene.replayed()
        scene.recent.remember(b"large", form(first, bytes(MOST)))
        assert not scene.recent.any
        for number in range(FORMS + 1):
            scene.recent.remember(b"%d" % number, form(first))
        known = [scene.recent.recall(b"%d" % number) is not None for number in range(FORMS + 1)]
        assert known == [True] * FORMS + [False]

    play(scenario)


def test_a_verdict_tells_the_record_that_it_was_made_of() -> None:
    async def scenario(scene: Scene) -> None:
        first = await scene.completed()
        verdict = await scene.store.claim(claim("k"))
        assert isinstance(verdict, Replay)
        assert isinstance(verdict.known, Completed)
        assert verdict.known.identity == first.identity
        assert timedelta(0) < verdict.rest <= RETENTION.response

    play(scenario)
