"""With hardly any open files left the gateway sheds before a claim, never after one, and gets over it."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

from tests.edge.callers import until
from tests.process import anywhere, serving
from tests.raw import connect
from tests.stage import call, metric
from tests.upstream import Play, Upstream, answer

OPEN_FILES = 64
CALLERS = 40


def _told(port: int, key: str) -> str:
    """What a caller hears; ``closed`` where it hears nothing."""
    try:
        return call(port, "POST", "/charges", [("Idempotency-Key", key)], b"{}").told
    except (OSError, HTTPException):
        return "closed"


def test_a_low_limit_of_open_files_is_told_and_never_met_behind_a_claim(upstream: Upstream, tmp_path: Path) -> None:
    gate = threading.Event()
    upstream.by_key = lambda _logged, _number: Play(answer(201), gate=gate, then="keep")
    with serving(*anywhere(upstream.port), folder=tmp_path, open_files=OPEN_FILES) as served:
        idle = [connect(served.port) for _ in range(2)]
        with ThreadPoolExecutor(CALLERS) as callers:
            under_way = [callers.submit(_told, served.port, f"k{number}") for number in range(CALLERS)]
            upstream.wait_for(1)
            until(lambda: sum(one.done() for one in under_way) + len(upstream.log) >= CALLERS)
            gate.set()
            heard = Counter(one.result() for one in under_way)
        assert set(heard) <= {"201 executed", "503 unavailable overloaded", "503 - overloaded", "closed"}, heard
        assert heard["201 executed"] == len(upstream.log) > 0
        assert heard["201 executed"] < CALLERS, "some were turned away"
        for connection in idle:
            connection.close()
        for number in range(CALLERS):
            assert _told(served.port, f"k{number}") in ("201 executed", "201 replayed")
        assert [upstream.count(f"k{number}") for number in range(CALLERS)] == [1] * CALLERS
        for name in ("not_sent", "store_faults", "internal_faults", "outcomes_lost"):
            assert _all(served.admin_port, name) == 0
        assert metric(served.admin_port, 'idempotency_gateway_records{state="completed"}') == CALLERS
        assert served.stop() == 0
        cautions = [str(line["detail"]) for line in served.logged() if line["event"] == "caution"]
    assert len(cautions) == 1
    assert "the limit of open files carries" in cautions[0]


def _all(admin_port: int, name: str) -> float:
    lines = call(admin_port, "GET", "/metrics", [], None).body.decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"idempotency_gateway_{name}_total"))
