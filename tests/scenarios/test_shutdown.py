"""What callers hear while the server shuts down: the truth about their key, whatever was sent before."""

import threading

from gateway.wiring.serving import Serving
from tests.conftest import Begin
from tests.stage import Stage
from tests.upstream import Play, answer


async def _close(stage: Stage) -> None:
    assert isinstance(stage.running.callers, Serving)
    stage.running.callers.exchanges.closing = True


def test_a_key_that_was_executed_is_replayed_and_one_in_flight_is_busy_while_the_server_drains(begin: Begin) -> None:
    stage = begin()
    stage.post("done")
    gate = threading.Event()
    stage.upstream.then(Play(answer(), gate=gate))
    slow = stage.meanwhile("slow")
    stage.upstream.wait_for(2)
    stage.perform(_close(stage))
    assert stage.post("done").told == "201 replayed"
    assert stage.post("slow").told == "409 in-flight in-flight"
    fresh = stage.post("fresh")
    assert fresh.told == "503 not-executed upstream-unreachable"
    assert fresh.get("connection") == "close"
    gate.set()
    assert slow.result().told == "201 executed"
    assert stage.upstream.count("fresh") == 0
