"""The instrument that measures what more workers bring, for moments: all answers of all workers are in the operator's
figures, and no key is executed twice."""

from loadtests.workers import KINDS, measure, table


def test_crews_are_counted_whole_and_execute_once() -> None:
    crews = measure((1, 2), rounds=1, seconds=0.3)
    for crew in crews:
        for kind in KINDS:
            ((found, cpu),) = crew.found[kind]
            assert found.calls > 0
            assert cpu > 0
    lines = table(crews)
    assert [line[:24].strip() for line in lines[1:]] == [
        "first calls, 1 worker",
        "first calls, 2 workers",
        "replays, 1 worker",
        "replays, 2 workers",
    ]
