"""Log lines hold what the allow-list has, and nothing that a caller sent."""

import json
from collections.abc import Callable

import pytest

from gateway.protocol import observations as seen
from gateway.telemetry import logs

CANARY = "canary-of-a-caller"


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


def test_a_fault_of_our_own_is_told_with_its_frames_and_without_their_variables(
    told: Callable[[seen.Observation], str],
) -> None:
    line = told(seen.InternalFault("payments", fault()))
    assert "internal-fault" in line
    assert "the exchange broke" in line
    assert "test_logs.py" in line
    assert CANARY not in line


def test_an_answered_call_is_counted_and_not_logged(told: Callable[[seen.Observation], str]) -> None:
    assert told(seen.Answered("payments", "executed", 201)) == ""


def test_a_json_line_is_one_line_whatever_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "debug")
    logs.Logs().observe(seen.NotSent("payments", "dns", "no such host\n\x1b[31m{}"))
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["detail"] == "no such host\n\x1b[31m{}"
    assert "\x1b" not in line
