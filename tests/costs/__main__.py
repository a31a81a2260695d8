"""``python -m tests.costs`` prints what a call costs on each course; ``--by-function COURSE`` where that goes, and
``--by-room`` in which rooms of the gateway, and in whose libraries.

``--write`` makes it the budget, from which later changes are judged.
"""

import argparse
from collections.abc import Sequence

from tests.costs import budgets
from tests.costs.courses import COURSES, count


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.costs", description="What a call costs, counted.")
    parser.add_argument("--write", action="store_true", help="write the numbers down as budgets")
    parser.add_argument("--by-function", metavar="COURSE", choices=[course.name for course in COURSES])
    parser.add_argument("--by-room", action="store_true", help="instructions of each room, for all courses")
    options = parser.parse_args(arguments)
    if options.by_room:
        print("\n".join(budgets.rooms({course.name: count(course) for course in COURSES})))
        return
    if options.by_function:
        (course,) = [course for course in COURSES if course.name == options.by_function]
        ranked = sorted(count(course).functions.items(), key=lambda each: -each[1][1])
        print("\n".join(f"{instructions:>8,}{entries:>6}  {name}" for name, (entries, instructions) in ranked))
        return
    counted = {course.name: count(course) for course in COURSES}
    print("\n".join(budgets.table(counted)))
    if options.write:
        budgets.write(counted)


if __name__ == "__main__":
    main()
