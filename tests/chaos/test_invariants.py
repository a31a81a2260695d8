"""Each check of the logs fails on a log in which its law is broken, and on nothing else."""

from dataclasses import replace

import pytest

from tests.chaos.invariants import LEASE, violations, why_unknown
from tests.chaos.logs import Arrival, Attempt, Fault, Fields, Harm, Heard, Kept, Logs, by_key, story
from tests.chaos.moods import Mood, plan
from tests.chaos.report import Report

FIELDS: Fields = (("execution", "1"), ("link", "a"), ("link", "b"))
BODY, PAYLOAD, OTHER = "digest of an answer", "digest of a request", "digest of another request"
EXECUTED = Heard(201, "executed", fields=FIELDS, body=BODY, callers=frozenset({1}))
REPLAYED = replace(EXECUTED, outcome="replayed")
LOST = Heard(502, "unknown", "outcome-unknown", by_gateway=True)
UNSENT = Heard(503, "not-executed", "upstream-unreachable", by_gateway=True)
COMPLETED, UNKNOWN, RELEASED = Kept("completed", 1), Kept("unknown", 1), Kept("released", 1)
OVER = 100.0


def attempt(number: int, heard: Heard | None, key: str = "hold-k", payload: str = PAYLOAD) -> Attempt:
    return Attempt(number, key, 1, payload, gateway=0, begun=10.0 * number, ended=10.0 * number + 5, heard=heard)


def arrival(number: int, key: str = "hold-k", payload: str = PAYLOAD) -> Arrival:
    """The request of that attempt, executed and answered."""
    told = (201, FIELDS, BODY)
    return Arrival(number, key, payload, 10.0 * number + 1, Mood.ANSWER, executed=True, answer=told)


def logs(
    attempts: list[Attempt],
    arrivals: list[Arrival],
    record: Kept | None = COMPLETED,
    *faults: Fault,
    key: str = "hold-k",
) -> Logs:
    records = {} if record is None else {key: record}
    return Logs(attempts, arrivals, faults, records, records, OVER)


def crash(harm: Harm, begun: float, ended: float) -> Fault:
    return Fault(f"{harm}", harm, frozenset({0}), begun, ended)


GOOD = logs([attempt(1, EXECUTED), attempt(2, REPLAYED), attempt(3, None)], [arrival(1)])
TURNED_AWAY = replace(arrival(1), executed=False, turned_away=True, answer=None)
SILENT = replace(arrival(1), answer=None)
UNREAD = replace(SILENT, executed=False, mood=Mood.UNREAD)
AGAIN = replace(arrival(2, "retry-k"), executed=False)


def sent_again(heard: Heard, *faults: Fault) -> Logs:
    """A key of ``retry`` whose first call was lost, and whose second one heard this."""
    attempts = [attempt(1, LOST, "retry-k"), attempt(2, heard, "retry-k")]
    return logs(attempts, [replace(SILENT, key="retry-k"), AGAIN], COMPLETED, *faults, key="retry-k")


WELL = {
    "a call and its replay": GOOD,
    "turned away, then executed": logs([attempt(1, None), attempt(2, EXECUTED)], [TURNED_AWAY, arrival(2)]),
    "turned away, then another payload": logs(
        [attempt(1, None, payload=OTHER), attempt(2, EXECUTED)], [replace(TURNED_AWAY, payload=OTHER), arrival(2)]
    ),
    "lost, and unknown": logs([attempt(1, LOST)], [SILENT], UNKNOWN),
    "lost, and answered late": logs([attempt(1, LOST), attempt(2, REPLAYED)], [arrival(1)]),
    "hung up on, unread": logs([attempt(1, LOST)], [UNREAD], UNKNOWN),
    "nothing sent": logs([attempt(1, UNSENT)], [], RELEASED),
    "a crash before the sending": logs([attempt(1, None)], [], UNKNOWN, crash(Harm.CRASH, 11, 12)),
    "a crash after its caller had left": logs([attempt(1, None)], [], UNKNOWN, crash(Harm.CRASH, 15 + LEASE, 40)),
    "a grant that came too late": logs([attempt(1, None)], [], UNKNOWN, crash(Harm.STORE, 9, 12)),
    "an upstream that left": logs([attempt(1, LOST)], [], UNKNOWN, crash(Harm.UPSTREAM, 9, 12)),
    "a time-out that nobody read": logs([attempt(1, replace(LOST, status=504))], [], UNKNOWN),
    "sent again, and marked": sent_again(replace(EXECUTED, again=True)),
    "a process that stood still while another took over": sent_again(EXECUTED, crash(Harm.CRASH, 19, 22)),
}

BROKEN: dict[str, tuple[str, Logs]] = {
    "executed twice": ("I1", logs([attempt(1, None), attempt(2, None)], [arrival(1), arrival(2)])),
    "sent again after a silence": ("I1", logs([attempt(1, LOST), attempt(2, None)], [SILENT, arrival(2)])),
    "sent again after it was hung up on": ("I1", logs([attempt(1, LOST), attempt(2, None)], [UNREAD, arrival(2)])),
    "sent again, and not marked": ("I1", sent_again(EXECUTED)),
    "sent again after its answer": (
        "I1",
        logs([attempt(1, replace(EXECUTED), "retry-k")], [arrival(1, "retry-k"), AGAIN], key="retry-k"),
    ),
    "another body": ("I2", logs([attempt(1, None), attempt(2, replace(REPLAYED, body="x"))], [arrival(1)])),
    "another status": ("I2", logs([attempt(1, None), attempt(2, replace(REPLAYED, status=200))], [arrival(1)])),
    "a field lost": ("I2", logs([attempt(1, None), attempt(2, replace(REPLAYED, fields=FIELDS[:2]))], [arrival(1)])),
    "fields in another order": (
        "I2",
        logs([attempt(1, None), attempt(2, replace(REPLAYED, fields=FIELDS[::-1]))], [arrival(1)]),
    ),
    "a cookie replayed": (
        "I2",
        logs([attempt(1, None), attempt(2, replace(REPLAYED, fields=(*FIELDS, ("set-cookie", "c"))))], [arrival(1)]),
    ),
    "an answer that was cut, told as whole": ("I2", logs([attempt(1, EXECUTED)], [SILENT])),
    "somebody else's execution told as its own": ("I2", logs([attempt(1, None), attempt(2, EXECUTED)], [arrival(1)])),
    "503, and sent": ("I3", logs([attempt(1, UNSENT)], [SILENT], UNKNOWN)),
    "503, and turned away": ("I3", logs([attempt(1, UNSENT)], [TURNED_AWAY], RELEASED)),
    "not executed, after an execution": ("I3", logs([attempt(1, None), attempt(2, UNSENT)], [arrival(1)])),
    "two payloads": (
        "I4",
        logs(
            [attempt(1, LOST, "retry-k"), attempt(2, replace(EXECUTED, again=True), "retry-k", OTHER)],
            [replace(SILENT, key="retry-k"), replace(AGAIN, payload=OTHER)],
            key="retry-k",
        ),
    ),
    "another payload's answer": ("I4", logs([attempt(1, EXECUTED), attempt(2, REPLAYED, payload=OTHER)], [arrival(1)])),
    "another caller's canary": (
        "I5",
        logs([attempt(1, EXECUTED), attempt(2, Heard(409, "mismatch", callers=frozenset({2})))], [arrival(1)]),
    ),
    "in flight for ever": ("I6", logs([attempt(1, LOST)], [SILENT], Kept("in-flight", 1))),
    "busy when nobody calls": (
        "I6",
        logs([attempt(1, EXECUTED), attempt(11, Heard(409, "in-flight", by_gateway=True))], [arrival(1)]),
    ),
    "unknown for no reason": ("I7", logs([attempt(1, None)], [], UNKNOWN)),
    "unknown, and Redis was away": ("I7", logs([attempt(1, None)], [], UNKNOWN, crash(Harm.FRONT, 11, 12))),
    "unknown, and another gateway was killed": (
        "I7",
        logs([attempt(1, None)], [], UNKNOWN, replace(crash(Harm.CRASH, 11, 12), gateways=frozenset({1}))),
    ),
    "unknown, and a crash when its lease was over": (
        "I7",
        logs([attempt(1, None)], [], UNKNOWN, crash(Harm.CRASH, 16 + LEASE, 60)),
    ),
    "told that it was sent, and never arrived": ("I7", logs([attempt(1, LOST)], [], RELEASED)),
    "completed without an execution": ("I8", logs([attempt(1, LOST)], [UNREAD])),
    "executed, and free": ("I8", logs([attempt(1, LOST)], [SILENT], RELEASED)),
    "executed, and not remembered": ("I8", logs([attempt(1, LOST)], [SILENT], None)),
    "a secret on the disk": ("I9", replace(GOOD, leaks=["records.dump"])),
    "a gateway that failed by itself": ("own", replace(GOOD, faults_of_ours=["a gateway said: Traceback"])),
}


@pytest.mark.parametrize("what", WELL)
def test_what_may_happen_violates_nothing(what: str) -> None:
    assert violations(WELL[what]) == []


@pytest.mark.parametrize("what", BROKEN)
def test_what_must_not_happen_is_told_by_its_law(what: str) -> None:
    law, broken = BROKEN[what]
    assert law in {each.law for each in violations(broken)}


def test_unknowns_are_told_apart_by_what_was_executed() -> None:
    reasons = {}
    for what in ("lost, and unknown", "hung up on, unread", "a crash before the sending", "a grant that came too late"):
        (one,) = by_key(WELL[what])
        reasons[what] = why_unknown(one, WELL[what].faults)
    assert list(reasons.values()) == [
        "executed",
        "hung up on, unread",
        "a gateway ended before it sent",
        "a grant that came too late",
    ]


def test_a_violation_is_printed_with_the_whole_story_of_its_key_in_order_of_time() -> None:
    _, broken = BROKEN["sent again after a silence"]
    broken = replace(broken, faults=[crash(Harm.CRASH, 12, 13)])
    report = Report.of(7, 60, broken, {"outcome-lost": 1}, 0)
    printed = "\n".join(report.lines())
    begun = printed.index("the story of hold-k")
    told = ["call #1", "upstream: #1", "fault: crash", "heard by #1: 502", "call #2", "upstream: #2", "store at last"]
    places = [printed.index(words, begun) for words in told]
    assert places == sorted(places)
    assert "seed 7" in printed
    assert f"{len(report.violations)}  violations\n" in printed
    assert "I1 hold-k: sent 2 times" in printed


def test_a_run_ends_well_only_where_nothing_was_broken_and_something_was_shown() -> None:
    fault = crash(Harm.CRASH, 0, 1)
    runs = {
        "good": replace(GOOD, faults=[fault]),
        "broken": replace(BROKEN["executed twice"][1], faults=[fault]),
        "without faults": GOOD,
        "without executions": logs([], [], None, fault),
    }
    codes = {name: Report.of(7, 60, run, {}, 0).exit_code for name, run in runs.items()}
    assert codes == {"good": 0, "broken": 1, "without faults": 1, "without executions": 1}


def test_a_story_names_only_the_faults_of_its_time() -> None:
    (one,) = by_key(GOOD)
    told = story(one, [crash(Harm.CRASH, 0, 1), crash(Harm.STORE, 20, 21), crash(Harm.FRONT, 90, 91)])
    assert [line.split("fault: ")[1][:5] for line in told if "fault: " in line] == ["store"]


def test_a_seed_is_one_plan_and_every_mood_comes_up() -> None:
    def plans(seed: int) -> list[object]:
        return [plan(seed, f"hold-{number}", 0) for number in range(500)]

    assert plans(1) == plans(1) != plans(2)
    assert {plan(1, f"{number}", 0).mood for number in range(500)} == set(Mood)
