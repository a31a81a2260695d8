"""No call costs more than was written down with the code, and nothing that was won is spent unseen."""

from dataclasses import replace

import pytest

from tests.costs import budgets
from tests.costs.budgets import complaint
from tests.costs.counting import Counted
from tests.costs.courses import COURSES, Course, count


@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.name)
def test_a_call_costs_what_was_written_down(course: Course) -> None:
    told = complaint(course.name, budgets.read().get(course.name), count(course))
    assert not told, f"\n{told}"


COUNTED = Counted({"gateway.a": (2, 600), "gateway.b": (1, 400)}, blocks=5, cyclic=1)
BUDGET = budgets.budget_of(COUNTED)


def test_what_was_written_down_is_its_own_budget() -> None:
    assert complaint("a call", BUDGET, COUNTED) == ""


def test_growth_is_told_by_the_functions_that_grew_most_first() -> None:
    grown = replace(COUNTED, functions={"gateway.a": (2, 601), "gateway.b": (2, 400), "gateway.c": (1, 40)})
    lines = complaint("a call", BUDGET, grown).splitlines()
    assert lines[0].startswith("a call takes more than its budget. Make it cheaper; or")
    assert [line.split()[-1] for line in lines[-2:]] == ["gateway.c", "gateway.a"]
    assert lines[-1].split()[:3] == ["600", "601", "+1"]


def test_a_little_growth_is_none() -> None:
    assert complaint("a call", BUDGET, replace(COUNTED, functions={"gateway.a": (2, 1009)})) == ""


@pytest.mark.parametrize("left", [replace(COUNTED, blocks=10), replace(COUNTED, cyclic=2)])
def test_what_is_left_behind_counts(left: Counted) -> None:
    assert "leaves more behind" in complaint("a call", BUDGET, left)


def test_what_was_won_is_to_be_written_down() -> None:
    told = complaint("a call", BUDGET, replace(COUNTED, functions={"gateway.a": (2, 900)}))
    assert told.startswith(f"a call takes less than its budget. Keep what was won: {budgets.WRITE}.")


def test_a_course_without_a_budget_asks_for_one() -> None:
    assert budgets.WRITE in complaint("a new call", None, COUNTED)


def test_instructions_are_told_by_room_and_library_the_costliest_first() -> None:
    told = Counted({"gateway.edge.app.Edge": (1, 30), "uvicorn.server": (1, 50), "hmac.digest": (1, 5)}, 0, 0)
    other = Counted({"gateway.edge.wire.Wire": (1, 40)}, 0, 0)
    head, *lines = budgets.rooms({"a call": told, "another": other})
    assert head.split() == ["edge", "uvicorn", "Python"]
    assert [line.split()[-3:] for line in lines] == [["30", "50", "5"], ["40", "0", "0"]]
