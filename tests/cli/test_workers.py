"""Several processes behind one listener: one promise, one set of metrics, one orderly end."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import process
from tests.process import Served, anywhere, serving
from tests.stage import Heard, call, metric
from tests.upstream import Play, Upstream, answer, running_upstream

TIMEOUT = 30


def workers_of(served: Served) -> list[int]:
    pid = served.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except FileNotFoundError:
        return False
    return state != "Z"


def until(holds: Callable[[], bool]) -> None:
    """Asks until it holds: of another process there is no event to wait for."""
    deadline = time.monotonic() + TIMEOUT
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        threading.Event().wait(0.02)


def post(port: int, key: str) -> Heard:
    return call(port, "POST", "/charges", [("Idempotency-Key", key)], b"{}")


def two(upstream: Upstream, *more: str) -> tuple[str, ...]:
    return (*anywhere(upstream.port), "--workers", "2", *more)


def executed(served: Served) -> float:
    return metric(served.admin_port, 'idempotency_gateway_calls_total{outcome="executed",route="default"}')


def test_two_workers_keep_one_promise_and_count_together(tmp_path: Path) -> None:
    with running_upstream() as upstream, serving(*two(upstream), folder=tmp_path) as served:
        assert len(workers_of(served)) == 2
        with ThreadPoolExecutor(40) as pool:
            crowd = list(pool.map(lambda _: post(served.port, "one").told, range(40)))
            keys = [f"k{number}" for number in range(60)]
            first = list(pool.map(lambda key: post(served.port, key), keys))
            again = list(pool.map(lambda key: post(served.port, key), keys))
        assert crowd.count("201 executed") == 1
        assert upstream.count("one") == 1
        assert {heard.told for heard in first} == {"201 executed"}
        assert [(heard.told, heard.body) for heard in again] == [("201 replayed", heard.body) for heard in first]
        assert executed(served) == 61
        assert served.stop() == 0


def test_a_worker_that_is_killed_is_replaced_and_what_it_counted_stays(tmp_path: Path) -> None:
    with running_upstream() as upstream, serving(*two(upstream), folder=tmp_path) as served:
        for number in range(20):
            assert post(served.port, f"k{number}").told == "201 executed"
        assert executed(served) == 20
        before = workers_of(served)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(set(workers_of(served)) - set(before)) == 2)
        assert post(served.port, "k0").told == "201 replayed"
        assert post(served.port, "new").told == "201 executed"
        assert executed(served) == 21
        assert metric(served.admin_port, 'idempotency_gateway_workers_ended_total{code="-9"}') == 2
        assert served.stop() == 0
        ended = [line for line in served.logged() if line["event"] == "worker-ended"]
        assert [line["code"] for line in ended] == [-9, -9]


def test_what_is_in_flight_is_finished_before_the_workers_end(tmp_path: Path) -> None:
    with running_upstream() as upstream, serving(*two(upstream), folder=tmp_path) as served:
        gate = threading.Event()
        upstream.then(*[Play(answer(201, b"charged"), gate=gate)] * 4)
        with ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(post, served.port, f"k{number}") for number in range(4)]
            upstream.wait_for(4)
            served.process.send_signal(signal.SIGTERM)
            until(lambda: refused(served.port))
            gate.set()
            assert {heard.result().told for heard in calls} == {"201 executed"}
        assert served.process.wait(TIMEOUT) == 0


def refused(port: int) -> bool:
    try:
        call(port, "GET", "/", [], None)
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def test_workers_do_not_outlive_their_parent(tmp_path: Path) -> None:
    with running_upstream() as upstream, serving(*two(upstream), folder=tmp_path) as served:
        workers = workers_of(served)
        served.process.kill()
        until(lambda: not any(alive(pid) for pid in workers))


def test_a_worker_ends_in_order_by_a_signal_of_its_own(tmp_path: Path) -> None:
    with running_upstream() as upstream, serving(*two(upstream), folder=tmp_path) as served:
        first = workers_of(served)[0]
        os.kill(first, signal.SIGTERM)
        until(lambda: len(set(workers_of(served)) - {first}) == 2)
        assert post(served.port, "k").told == "201 executed"
        assert served.stop() == 0
        assert [line["code"] for line in served.logged() if line["event"] == "worker-ended"] == [0]


def test_a_worker_that_stands_still_does_not_outlast_the_grace(tmp_path: Path) -> None:
    with running_upstream() as upstream:
        (tmp_path / "short.yaml").write_text(
            "workers: 2\nshutdown_grace: 1s\nlisten: 127.0.0.1:0\nadmin: {listen: '127.0.0.1:0'}\n"
            f"routes: [{{name: a, upstream: {{url: 'http://127.0.0.1:{upstream.port}', "
            "timeout: {connect: 1s, response: 1s, total: 1s}}}]\n"
        )
        with serving("--config", "short.yaml", folder=tmp_path) as served:
            stopped, other = workers_of(served)
            os.kill(stopped, signal.SIGSTOP)
            assert served.stop() == 0
            assert not alive(stopped)
            assert not alive(other)


def test_what_lies_in_the_working_directory_is_no_part_of_a_worker(tmp_path: Path) -> None:
    (tmp_path / "uvloop.py").write_text("raise SystemExit('taken for the library')")
    served = process.start(*two(Upstream(port=9)), folder=tmp_path, command=(sys.executable, "-P", "-m", "gateway"))
    try:
        assert served.stop() == 0
    finally:
        served.kill()


def test_a_file_that_is_no_certificate_is_one_complaint_however_many_workers_there_are(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nonsense")
    (tmp_path / "bad.yaml").write_text(
        "workers: 2\nlisten: 127.0.0.1:0\nadmin: {listen: '127.0.0.1:0'}\nroutes: [{name: a, upstream: "
        f"{{url: 'https://u', tls: {{ca: 'file://{tmp_path}/ca.pem'}}}}}}]\n"
    )
    done = process.run("serve", "--config", "bad.yaml", folder=tmp_path)
    assert done.returncode == 2, done
    assert len(done.stderr.splitlines()) == 1


def test_without_a_worker_the_gateway_is_not_ready_until_there_is_one(tmp_path: Path) -> None:
    with running_upstream() as upstream, serving(*two(upstream), folder=tmp_path) as served:
        assert readiness(served) == 200
        for pid in workers_of(served):
            os.kill(pid, signal.SIGSTOP)
        assert executed(served) == 0, "a worker that does not answer is shown by what it told last"
        for pid in workers_of(served):
            os.kill(pid, signal.SIGKILL)
        until(lambda: readiness(served) == 503)
        until(lambda: readiness(served) == 200)
        assert served.stop() == 0


def readiness(served: Served) -> int:
    return call(served.admin_port, "GET", "/readyz", [], None).status


@pytest.mark.parametrize("workers", ["2", "64"])
def test_a_store_in_memory_is_one_processs_own(tmp_path: Path, workers: str) -> None:
    done = process.run("serve", "--upstream", "http://x", "--store", "memory:", "--workers", workers, folder=tmp_path)
    assert done.returncode == 2
    assert "workers: must be 1 with a store in memory" in done.stderr
