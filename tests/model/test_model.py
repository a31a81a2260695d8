"""Spin finds no history in which a promise breaks, and one for each mutant; and what is counted came to pass."""

from collections.abc import Callable

import pytest

from tests.model.spin import Explored, Program
from tests.model.worlds import LIMITS, MUTANTS, WORLDS, Bounds, World, aimed_at, numbers, plain

Explore = Callable[[Bounds], Explored]

# More than would be left if the worlds had shrunk by an oversight.
AT_LEAST = 1_000_000


@pytest.fixture(scope="module")
def explore(tmp_path_factory: pytest.TempPathFactory) -> Explore:
    """What a world comes to, asked once."""
    folder = tmp_path_factory.mktemp("model")
    program = Program.made_in(folder)
    known: dict[frozenset[tuple[str, int]], Explored] = {}

    def found(bounds: Bounds) -> Explored:
        # What is none need not be named.
        world = frozenset((name, number) for name, number in bounds.items() if number)
        if world not in known:
            known[world] = program.explore(bounds, folder)
        return known[world]

    return found


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_every_promise_holds_in_every_history(explore: Explore, world: World) -> None:
    found = explore(world.bounds)
    assert not found.complaint, f"\n{found}"
    assert [each for each in world.reaches if not found.reached[each]] == [], "never came to pass, so nothing is shown"


def test_everything_that_is_counted_came_to_pass_in_some_world(explore: Explore) -> None:
    all_found = [explore(world.bounds) for world in WORLDS.values()]
    never = [name for name in all_found[0].reached if not any(found.reached[name] for found in all_found)]
    assert never == []
    assert sum(found.states for found in all_found) > AT_LEAST


def test_every_mutant_of_the_model_is_aimed_at_a_promise() -> None:
    assert list(numbers("mutants.pml")) == list(MUTANTS)
    assert {promise for promise, _ in MUTANTS.values()} < numbers("promises.pml").keys()


@pytest.mark.parametrize("mutant", MUTANTS)
def test_each_mutant_breaks_its_promise_where_without_it_all_of_them_hold(explore: Explore, mutant: str) -> None:
    promise, bounds = MUTANTS[mutant]
    broken = explore({**aimed_at(promise, bounds), "MUTANT": numbers("mutants.pml")[mutant]})
    assert "assertion violated" in broken.complaint, f"{mutant} is not found any more: {broken}"
    assert broken.steps, "the history can be read"
    whole = explore(plain(bounds))
    assert not whole.complaint, f"\n{whole}"


@pytest.mark.parametrize("limit", LIMITS)
def test_what_is_not_promised_is_broken_indeed(explore: Explore, limit: str) -> None:
    found = explore(aimed_at(*LIMITS[limit]))
    assert "assertion violated" in found.complaint, f"{limit} could be promised: {found}"
