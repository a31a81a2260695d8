"""The benchmark on the real servers of Debian, for moments: whom it measures does what it is measured for, or is void.

Nothing here says how fast anything is.
"""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from loadtests.bench import nginx
from loadtests.bench.bodies import SMALL
from loadtests.bench.checking import Wrong, observe
from loadtests.bench.measuring import Bodies, Measuring
from loadtests.bench.plan import Stage, Step
from loadtests.bench.result import Kind, Run
from loadtests.bench.stage import set_up
from loadtests.bench.subjects import GUARDED, NGINX, NGINX_LUA, SUBJECTS, UNBATCHED_NAME, Place, Running, Subject
from tests.docs.pages import ROOT

OURS = [subject for subject in SUBJECTS if subject.ours]


def test_the_quick_form_measures_every_gateway_and_nginx_and_finds_each_call_executed_once(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    only = "|".join([NGINX, NGINX_LUA.replace("+", r"\+"), "gateway", "asyncpg"])
    short = ("--quick", "--rounds", "1", "--seconds", "0.2")
    command = [sys.executable, "-m", "loadtests.bench", *short, "--only", only]
    ended = subprocess.run([*command, "--json", str(file)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    run = Run.read(file)
    assert run.faults == []
    assert run.left_out == {}
    for subject in SUBJECTS:
        if subject in OURS or subject.name in (NGINX, NGINX_LUA):
            for kind in subject.kinds:
                row = run.row(subject.name, kind)
                assert row is not None, (subject.name, kind)
                assert [each.rate > 0 and each.p99 >= each.p50 > 0 for each in row.rounds] == [True]
    told = {each.subject: (each.retry, each.other_body, each.executed) for each in run.observed}
    promising = (NGINX_LUA, UNBATCHED_NAME, *(subject.name for subject in OURS))
    assert told == dict.fromkeys(promising, ("201", "422", 1))
    assert "met" in ended.stdout


@contextmanager
def made_of(http: str, place: Place) -> Generator[Running]:
    """An nginx that somebody took for a gateway."""
    with nginx.running(place.folder / "peer", http.replace("UPSTREAM", str(place.upstream.port))) as server:
        yield Running(server.port, server.process, place.upstream)


def wrong(http: str) -> Subject:
    """It says of itself that it makes retries safe."""
    return Subject("wrong", GUARDED, partial(made_of, http))


FAST_FAILURE = "server { listen 127.0.0.1:{port}; location / { return 500 'no'; } }"
PASSING = nginx.passing(0).replace(":0;", ":UPSTREAM;", 1)
MADE_UP = "server { listen 127.0.0.1:{port}; default_type application/json; location / { return 201 '{}'; } }"


@pytest.mark.parametrize(
    ("http", "told"),
    [(FAST_FAILURE, "the first call got 500"), (PASSING, "executed 2 times"), (MADE_UP, "the first call got 201")],
    ids=["fails fast", "executes retries", "makes answers up"],
)
def test_whoever_answers_fast_and_wrong_is_not_measured(http: str, told: str, tmp_path: Path) -> None:
    subject = wrong(http)
    with (
        set_up(SMALL, tmp_path) as (place, bodies),
        subject.start(place) as running,
        pytest.raises(Wrong, match=told),
    ):
        observe(subject, running, bodies.request, bodies.answer)


def loaded(subject: Subject, folder: Path) -> Measuring:
    """What a moment's load finds of it, tried or not."""
    with set_up(SMALL, folder) as (place, bodies), subject.start(place) as running:
        return measured(subject, bodies, running)


def measured(subject: Subject, bodies: Bodies, running: Running) -> Measuring:
    """One step of one round."""
    stage = Stage(SMALL, (Step(4, 0.1, 1, lambda _: True),), warm_up=0.1)
    found = Measuring(stage, bodies, {subject: running}, lambda _: None)
    found.all_steps()
    return found


def test_a_load_in_which_retries_were_executed_is_void(tmp_path: Path) -> None:
    found = loaded(wrong(PASSING), tmp_path)
    (fault,) = found.faults.values()
    assert fault.endswith("calls were executed that must not be")
    assert found.rows == []


def test_a_load_whose_calls_never_came_to_the_api_is_void(tmp_path: Path) -> None:
    with set_up(SMALL, tmp_path) as (place, bodies):
        answer = bodies.answer.decode()
        subject = wrong(MADE_UP.replace("'{}'", f"'{answer}'"))
        with subject.start(place) as running:
            found = measured(subject, bodies, running)
    (fault,) = found.faults.values()
    assert fault.endswith("made, and 0 executed")
    assert found.rows == []


def test_every_subject_has_a_name_of_its_own_and_every_kind_somebody_to_measure() -> None:
    assert len({subject.name for subject in SUBJECTS}) == len(SUBJECTS)
    assert {kind for subject in SUBJECTS for kind in subject.kinds} == set(Kind)
