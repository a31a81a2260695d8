"""Log lines hold what the allow-list has, and nothing that a caller sent; of one call there is one at most."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from gateway.protocol import observations as seen
from gateway.protocol.model import RecordId
from gateway.telemetry import logs
from gateway.telemetry.budget import Budget
from gateway.telemetry.lines import ALLOWED, OfLibraries, allowed
from gateway.telemetry.logs import BOUNDED, EVENTS, Calls, Logs

CANARY = "canary-of-a-caller"
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
EXECUTED = seen.Answered("payments", "executed", 201, 0.25, 0.2, 0.05, RecordId(bytes(range(32))), TRACE)


def fault() -> BaseException:
    """An exception out of a frame that holds a caller's request."""

    def handle(authorization: str) -> None:
        raise RuntimeError("the exchange broke")

    with pytest.raises(RuntimeError) as raised:
        handle(f"Bearer {CANARY}")
    return raised.value


@pytest.fixture(params=["json", "console"])
def told(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Callable[[seen.Observation], str]:
    def tell(observation: seen.Observation) -> str:
        logs.configure(request.param, "debug")
        logs.Logs().observe(observation)
        return capsys.readouterr().err

    return tell


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_fault_of_our_own_is_told_with_its_frames_and_without_their_variables(
    told: Callable[[seen.Observation], str],
) -> None:
    line = told(seen.InternalFault("payments", fault()))
    assert "internal-fault" in line
    assert "the exchange broke" in line
    assert "test_logs.py" in line
    assert CANARY not in line


def test_an_ordinary_call_is_counted_and_not_logged_unless_it_is_sampled(
    told: Callable[[seen.Observation], str], lines: Callable[[], list[dict[str, Any]]]
) -> None:
    assert told(EXECUTED) == ""
    logs.configure("json", "debug")
    draws = iter([0.5, 0.009])
    sampled = Logs(Calls(sample=0.01), chance=lambda: next(draws))
    sampled.observe(EXECUTED)
    sampled.observe(EXECUTED)
    (line,) = lines()
    line.pop("timestamp")
    assert line == {
        "event": "call",
        "level": "info",
        "route": "payments",
        "outcome": "executed",
        "status": 201,
        "ms": 250.0,
        "upstream_ms": 200.0,
        "added_ms": 50.0,
        "record": "000102030405",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "span_id": "b7ad6b7169203331",
    }


def test_a_call_that_was_turned_away_has_one_line_and_no_more(lines: Callable[[], list[dict[str, Any]]]) -> None:
    logs.configure("json", "debug")
    sink = Logs()
    sink.observe(seen.Answered("payments", "mismatch", 422, trace=TRACE))
    sink.observe(seen.OutcomeLost("payments", "reset", "0001", TRACE))
    sink.observe(seen.Answered("payments", "unknown", 502, trace=TRACE, told=True))
    assert [(line["event"], line["level"]) for line in lines()] == [("call", "info"), ("outcome-lost", "warning")]


def test_lines_about_calls_are_bounded_and_the_rest_is_counted(lines: Callable[[], list[dict[str, Any]]]) -> None:
    logs.configure("json", "debug")
    budget = Budget(2)
    assert [budget.takes(7.0 + part / 10) for part in range(5)] == [True, True, False, False, False]
    assert budget.takes(8.0)
    assert (budget.left_out(), budget.left_out()) == (3, 0)
    sink = Logs(Calls(most=5))
    for _ in range(500):
        sink.observe(seen.Answered("payments", "unavailable", 503))
    assert len([line for line in lines() if line["event"] == "call"]) < 400, "half a thousand calls take no minute"


def test_calls_are_not_logged_at_all_where_nobody_wants_them() -> None:
    assert Logs(Calls(sample=0, most=0)).ways(seen.Answered) == ()
    assert Logs().ways(seen.Sent) == ()


def test_a_field_that_is_not_on_the_list_is_left_out(lines: Callable[[], list[dict[str, Any]]]) -> None:
    logs.configure("json", "debug")
    Logs().say("started", listen="127.0.0.1:8080", authorization=CANARY)
    (line,) = lines()
    assert line["listen"] == "127.0.0.1:8080"
    assert "authorization" not in line
    assert allowed(None, "info", {"event": "x", "query": CANARY}) == {"event": "x"}


def test_every_field_of_an_observation_with_a_line_is_on_the_list() -> None:
    fields = {name for kind in EVENTS for name in kind.__match_args__} - {"trace", "fault"}
    assert fields <= ALLOWED
    assert set(EVENTS) >= BOUNDED


def test_a_json_line_is_one_line_whatever_it_holds(lines: Callable[[], list[dict[str, Any]]]) -> None:
    logs.configure("json", "debug")
    Logs().observe(seen.NotSent("payments", "dns", "no such host\n\x1b[31m{}"))
    (line,) = lines()
    assert line["detail"] == "no such host\n\x1b[31m{}"


@pytest.mark.parametrize("form", ["json", "console"])
def test_control_characters_are_written_out(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(form, "debug")
    Logs().observe(seen.NotSent("payments", "dns", "no such host\n\x1b[31m\x9b\u2028{}"))
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert all(each.isprintable() for each in shown.rstrip("\n"))


def test_below_the_level_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "warning")
    sink = Logs(Calls(sample=1))
    sink.observe(EXECUTED)
    sink.observe(seen.Answered("payments", "unknown", 409))
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["outcome"] == "unknown"


def test_what_a_library_says_is_a_line_of_the_same_form(lines: Callable[[], list[dict[str, Any]]]) -> None:
    logs.configure("json", "debug")
    record = logging.LogRecord("some.library", logging.ERROR, "file.py", 7, "it is %s\nbroken", ("quite",), None)
    OfLibraries().emit(record)
    (line,) = lines()
    assert (line["event"], line["logger"], line["detail"]) == ("library", "some.library", "it is quite\nbroken")
