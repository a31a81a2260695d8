"""From the signal to the end: a gateway that is not ready any more still serves for as long as it was told to."""

import http.client
import json
import signal
from pathlib import Path

import pytest

from tests.process import anywhere, serving
from tests.stage import call
from tests.upstream import Upstream

LONG = {"IDEMPOTENCY_GATEWAY_SHUTDOWN_DELAY": "5m"}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_from_sigterm_on_it_is_not_ready_and_serves_on_until_a_second_signal_hurries_it(
    upstream: Upstream, tmp_path: Path, workers: str
) -> None:
    with serving(*anywhere(upstream.port), "--workers", workers, folder=tmp_path, environ=LONG) as served:
        kept = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
        kept.request("POST", "/", "{}", {"Idempotency-Key": "before"})
        before = kept.getresponse()
        assert (before.status, before.headers["connection"]) == (201, None)
        before.read()
        assert call(served.admin_port, "GET", "/readyz", [], None).status == 200
        assert call(served.admin_port, "GET", "/startupz", [], None).status == 200
        served.process.send_signal(signal.SIGTERM)
        assert served.process.stderr is not None
        assert json.loads(served.process.stderr.readline())["event"] == "stopping"
        ready = call(served.admin_port, "GET", "/readyz", [], None)
        assert (ready.status, ready.json["status"]) == (503, "draining")
        assert call(served.admin_port, "GET", "/healthz", [], None).status == 200
        # Whoever kept a connection is told to make its next one elsewhere.
        kept.request("POST", "/", "{}", {"Idempotency-Key": "on-it"})
        last = kept.getresponse()
        assert (last.status, last.headers["connection"]) == (201, "close")
        last.read()
        assert call(served.port, "POST", "/", [("Idempotency-Key", "new")], b"{}").told == "201 executed"
        assert served.stop() == 0
    assert [upstream.count(key) for key in ("before", "on-it", "new")] == [1, 1, 1]
