"""The reconciler over the reference store: what is due is asked, what is learned is decided, once, whatever fails."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from gateway.errors import StoreUnavailable
from gateway.policies.policy import Policy
from gateway.policies.reconciling import Asking, Found, NotFound, Pauses, Question, Reconcile, Told, Untold
from gateway.policies.routing import Match, Route, Target
from gateway.policies.templates import parse_url_template
from gateway.protocol import observations as seen
from gateway.protocol.decisions import Decided, Decision
from gateway.protocol.inquiries import Asked, Inquiry
from gateway.protocol.model import (
    Busy,
    Complete,
    Completed,
    Grant,
    Granted,
    MarkUnknown,
    Moved,
    RecordId,
    Release,
    Released,
    Settled,
    StoredResponse,
    Unknown,
)
from gateway.protocol.terms import OnUnknown, Terms
from gateway.runner.reconciling import AT_ONCE, Reconciling
from gateway.stores.memory import MemoryStore
from tests.protocol.samples import RETENTION
from tests.runner.fakes import Seen
from tests.stores.requests import claim

TIMEOUT = 20
CHOSEN = Reconcile(
    Asking(parse_url_template("/c/{key}"), timeout=timedelta(seconds=TIMEOUT)),
    (Found(), NotFound()),
    quiet_period=timedelta(0),
    pauses=Pauses(timedelta(milliseconds=10), timedelta(milliseconds=20)),
)
FOUND = Told(200, (), b'{"id": 1}')


class FaultyMemory(MemoryStore):
    """The reference store behind a line that can be cut; ``unheard`` decisions are made, and nobody hears of them."""

    def __init__(self) -> None:
        super().__init__()
        self.gone = self.unheard = False
        self.decisions: list[Decision] = []
        self.looks: list[tuple[frozenset[str], int]] = []

    async def due(self, routes: Collection[str], work: timedelta, limit: int) -> Sequence[Inquiry]:
        self.looks.append((frozenset(routes), limit))
        self._reach()
        return await super().due(routes, work, limit)

    async def decide(self, decision: Decision) -> Decided | Moved | Busy:
        self.decisions.append(decision)
        self._reach()
        decided = await super().decide(decision)
        if self.unheard:
            raise StoreUnavailable("silent", unsure=True)
        return decided

    async def asked(self, inquiry: Inquiry, result: Asked) -> bool:
        self._reach()
        return await super().asked(inquiry, result)

    def _reach(self) -> None:
        if self.gone:
            raise StoreUnavailable("gone")


@dataclass
class ToldInquirer:
    """Answers each question as told, in turn, and the rest with 503; while ``held``, none."""

    answers: deque[Told | Untold] = field(default_factory=deque[Told | Untold])
    questions: list[Question] = field(default_factory=list[Question])
    free: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Condition = field(default_factory=asyncio.Condition)
    fault: Exception | None = None

    async def ask(self, target: Target, question: Question, limit: int) -> Told | Untold:
        async with self.asked:
            self.questions.append(question)
            self.asked.notify_all()
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        await self.free.wait()
        return self.answers.popleft() if self.answers else Told(503, (), b"")

    async def close(self) -> None:
        """Nothing to close."""

    async def until_asked(self, times: int) -> None:
        async with self.asked:
            await self.asked.wait_for(lambda: len(self.questions) >= times)


def route(name: str = "api", reconcile: Reconcile | None = CHOSEN) -> Route:
    policy = Policy(terms=Terms(on_unknown=OnUnknown.RECONCILE), reconcile=reconcile, retention=RETENTION)
    return Route(name, Match(), Target("http", "127.0.0.1", 1), policy)


@dataclass
class World:
    store: FaultyMemory
    inquirer: ToldInquirer
    seen: Seen
    routes: list[Route]

    def reconciler(self) -> Reconciling:
        return Reconciling(self.store, self.inquirer, self.seen, self.routes, lambda: 0.5)

    async def lost(self, key: str = "k", name: str = "api", values: bytes = b'{"key":"k-1"}') -> Grant:
        verdict = await self.store.claim(replace(claim(key), route=name, values=values))
        assert isinstance(verdict, Granted)
        assert await self.store.settle(verdict.grant, MarkUnknown("reset")) == Settled()
        return verdict.grant

    async def until(self, record_id: RecordId, state: type) -> None:
        """Returns when the record is so."""
        watch = await self.store.watch(record_id)
        while not isinstance(await self.store.look(record_id), state):
            await watch.changed(TIMEOUT)
        watch.close()

    def results(self) -> list[str]:
        return [each.result for each in self.seen.all if isinstance(each, seen.Inquired)]

    def verdicts(self) -> list[str]:
        return [f"{each.verdict}: {each.note}" for each in self.seen.all if isinstance(each, seen.Reconciled)]


def in_world(scenario: Callable[[World], Awaitable[None]], *routes: Route) -> None:
    async def live() -> None:
        world = World(FaultyMemory(), ToldInquirer(), Seen(), list(routes or (route(),)))
        async with asyncio.timeout(TIMEOUT):
            await scenario(world)

    asyncio.run(live())


def test_what_is_found_is_settled_in_the_reconcilers_name_with_the_rule_that_found_it() -> None:
    async def scenario(world: World) -> None:
        grant = await world.lost()
        world.inquirer.free.set()
        world.inquirer.answers.append(FOUND)
        reconciler = world.reconciler()
        reconciler.start()
        await world.until(grant.id, Completed)
        await world.seen.until("Reconciled")
        await reconciler.stop(1)
        assert world.inquirer.questions == [Question("GET", "http://127.0.0.1:1/c/k-1", (), CHOSEN.asking.timeout)]
        assert world.verdicts() == ["settled: rule 1: found"]
        shown = await world.store.dossier(grant.id)
        assert shown is not None
        assert (shown.history[-1].by, shown.history[-1].note, shown.status) == ("reconciler", "rule 1: found", 200)

    in_world(scenario)


def test_what_was_not_found_three_times_in_a_row_is_released_and_counted_as_the_policys_choice() -> None:
    async def scenario(world: World) -> None:
        grant = await world.lost()
        world.inquirer.free.set()
        absent = Told(404, (), b"")
        world.inquirer.answers += [absent, absent, Untold("timeout"), absent, absent, absent]
        reconciler = world.reconciler()
        reconciler.start()
        await world.until(grant.id, Released)
        await world.seen.until("PolicyChoice")
        await reconciler.stop(1)
        assert world.results() == ["not-found"] * 2 + ["timeout"] + ["not-found"] * 3
        assert world.verdicts() == ["released: policy, rule 2: not found 3 times in a row"]
        assert seen.PolicyChoice("api", "reconcile") in world.seen.all

    in_world(scenario)


@pytest.mark.parametrize("word", [Complete(StoredResponse(201, (), b"theirs")), Release()])
def test_an_operators_word_while_the_upstream_is_asked_holds_and_the_answer_changes_nothing(
    word: Complete | Release,
) -> None:
    async def scenario(world: World) -> None:
        grant = await world.lost()
        world.inquirer.answers.append(FOUND)
        reconciler = world.reconciler()
        reconciler.start()
        await world.inquirer.until_asked(1)
        theirs = Decision(grant.id, grant.fence, b"o" * 16, word, RETENTION, "on-call")
        assert isinstance(await MemoryStore.decide(world.store, theirs), Decided)
        before = await world.store.look(grant.id)
        world.inquirer.free.set()
        await world.seen.until("Inquired")
        await reconciler.stop(5)
        assert await world.store.look(grant.id) == before
        assert (world.verdicts(), len(world.store.decisions)) == ([], 1)

    in_world(scenario)


@pytest.mark.parametrize("heard", [FOUND, Untold("reset")])
def test_a_late_answer_while_the_upstream_is_asked_is_the_truth_and_what_it_says_changes_nothing(
    heard: Told | Untold,
) -> None:
    async def scenario(world: World) -> None:
        grant = await world.lost()
        world.inquirer.answers.append(heard)
        reconciler = world.reconciler()
        reconciler.start()
        await world.inquirer.until_asked(1)
        late = StoredResponse(201, (), b"late")
        assert isinstance(await world.store.settle(grant, Complete(late)), Settled)
        world.inquirer.free.set()
        await world.seen.until("Inquired")
        await reconciler.stop(5)
        record = await world.store.look(grant.id)
        assert isinstance(record, Completed)
        assert (record.answer, record.fence) == (late, grant.fence)
        assert world.verdicts() == []

    in_world(scenario)


def test_a_reconcilers_word_holds_and_an_operators_later_one_changes_nothing() -> None:
    async def scenario(world: World) -> None:
        grant = await world.lost()
        world.inquirer.free.set()
        world.inquirer.answers.append(FOUND)
        reconciler = world.reconciler()
        reconciler.start()
        await world.until(grant.id, Completed)
        await reconciler.stop(1)
        theirs = Decision(grant.id, grant.fence, b"o" * 16, Release(), RETENTION, "on-call")
        assert await world.store.decide(theirs) == Moved()
        assert await world.store.settle(grant, Complete(StoredResponse(201, (), b"late"))) == Moved()

    in_world(scenario)


def test_a_decision_of_which_nobody_heard_is_written_again_as_the_same_one() -> None:
    async def scenario(world: World) -> None:
        grant = await world.lost()
        world.inquirer.free.set()
        world.inquirer.answers.append(FOUND)
        world.store.unheard = True
        reconciler = world.reconciler()
        reconciler.start()
        await world.until(grant.id, Completed)
        world.store.unheard = False
        await world.seen.until("Reconciled")
        await reconciler.stop(1)
        assert len({decision.owner for decision in world.store.decisions}) == 1
        assert len(world.store.decisions) == 2
        record = await world.store.look(grant.id)
        assert record is not None
        assert record.fence == grant.fence + 1
        assert world.verdicts() == ["settled: rule 1: found"]

    in_world(scenario)


def test_a_store_that_is_gone_is_looked_at_again() -> None:
    async def scenario(world: World) -> None:
        grant = await world.lost()
        world.inquirer.free.set()
        world.inquirer.answers.append(FOUND)
        world.store.gone = True
        reconciler = world.reconciler()
        reconciler.start()
        await world.seen.until("StoreFault")
        world.store.gone = False
        await world.until(grant.id, Completed)
        await reconciler.stop(1)

    in_world(scenario)


def test_a_fault_of_our_own_ends_one_inquiry_and_no_other() -> None:
    async def scenario(world: World) -> None:
        await world.lost("broken")
        world.inquirer.fault = RuntimeError("a bug")
        world.inquirer.free.set()
        world.inquirer.answers.append(FOUND)
        reconciler = world.reconciler()
        reconciler.start()
        await world.seen.until("InternalFault")
        grant = await world.lost("another")
        await world.until(grant.id, Completed)
        await reconciler.stop(1)

    in_world(scenario)


def test_a_route_is_asked_so_many_questions_at_once_and_does_not_hold_up_another() -> None:
    async def scenario(world: World) -> None:
        for number in range(AT_ONCE + 3):
            await world.lost(f"k{number}")
        reconciler = world.reconciler()
        reconciler.start()
        await world.inquirer.until_asked(AT_ONCE)
        await world.lost("other", "other")
        await world.inquirer.until_asked(AT_ONCE + 1)
        assert len(world.inquirer.questions) == AT_ONCE + 1
        assert all(limit <= AT_ONCE for _, limit in world.store.looks)
        assert world.store.looks[-1] == (frozenset({"other"}), AT_ONCE)
        world.inquirer.free.set()
        await world.inquirer.until_asked(AT_ONCE + 4)
        await reconciler.stop(1)

    in_world(scenario, route(), route("other"))


def test_what_an_older_policy_left_may_not_be_enough_to_ask_with() -> None:
    async def scenario(world: World) -> None:
        grant = await world.lost(values=b'{"body:/old":"1"}')
        reconciler = world.reconciler()
        reconciler.start()
        await world.seen.until("Inquired")
        await reconciler.stop(1)
        assert world.results()[0] == "not-askable"
        assert world.inquirer.questions == []
        assert isinstance(await world.store.look(grant.id), Unknown)

    in_world(scenario)


def test_at_the_end_nothing_more_is_taken_and_what_is_not_answered_is_left_to_another() -> None:
    async def scenario(world: World) -> None:
        first = await world.lost()
        reconciler = world.reconciler()
        reconciler.start()
        await world.inquirer.until_asked(1)
        await reconciler.stop(0)
        looks = len(world.store.looks)
        await world.lost("another")
        await asyncio.sleep(0.1)
        assert len(world.store.looks) == looks
        assert isinstance(await world.store.look(first.id), Unknown)
        taken = await world.store.due(["api"], timedelta(0), 10)
        assert [each.id for each in taken] == [claim("another").id], "the first one is still in work"

    in_world(scenario)


def test_at_the_end_what_is_answered_in_time_is_decided() -> None:
    async def scenario(world: World) -> None:
        grant = await world.lost()
        world.inquirer.answers.append(FOUND)
        reconciler = world.reconciler()
        reconciler.start()
        await world.inquirer.until_asked(1)
        ending = asyncio.create_task(reconciler.stop(10))
        await asyncio.sleep(0)
        world.inquirer.free.set()
        await ending
        assert isinstance(await world.store.look(grant.id), Completed)

    in_world(scenario)


def test_where_no_route_wants_it_nothing_is_looked_for() -> None:
    async def scenario(world: World) -> None:
        await world.lost()
        reconciler = world.reconciler()
        reconciler.start()
        await asyncio.sleep(0.1)
        await reconciler.stop(1)
        assert world.store.looks == []

    in_world(scenario, route(reconcile=None))
