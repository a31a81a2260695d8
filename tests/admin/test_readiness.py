"""Readiness is the authority's word alone; a front is named with its state."""

import asyncio
import json
from collections.abc import Callable

from gateway.admin.health import Probe, Readiness
from gateway.errors import StoreUnavailable


async def well() -> None:
    """A store that answers."""


async def ill() -> None:
    raise StoreUnavailable("it does not answer")


def told(
    *probes: Probe, started: bool = True, draining: bool = False, working: Callable[[], bool] | None = None
) -> tuple[int, dict[str, object]]:
    readiness = Readiness(probes, working)
    readiness.started, readiness.draining = started, draining
    answer = asyncio.run(readiness.answer())
    return answer.status_code, json.loads(bytes(answer.body))


def test_a_lost_front_is_named_and_calls_are_welcome() -> None:
    status, body = told(Probe("postgres", "authority", well), Probe("redis", "front", ill))
    assert status == 200
    assert body == {
        "status": "ready",
        "stores": {
            "postgres": {"role": "authority", "state": "ok"},
            "redis": {"role": "front", "state": "unavailable", "detail": "it does not answer"},
        },
    }


def test_a_lost_authority_makes_the_gateway_unready_whatever_stands_in_front() -> None:
    status, body = told(Probe("postgres", "authority", ill), Probe("redis", "front", well))
    assert (status, body["status"]) == (503, "unavailable")


def test_a_gateway_that_drains_is_not_ready() -> None:
    status, body = told(Probe("postgres", "authority", well), draining=True)
    assert (status, body["status"]) == (503, "draining")


def test_where_others_serve_callers_one_of_them_has_to() -> None:
    assert told(Probe("postgres", "authority", well), working=lambda: True)[0] == 200
    status, body = told(Probe("postgres", "authority", well), working=lambda: False)
    assert (status, body["status"]) == (503, "unavailable")


def test_a_gateway_is_not_ready_before_it_has_come_to_serve() -> None:
    status, body = told(Probe("postgres", "authority", well), started=False)
    assert (status, body["status"]) == (503, "starting")


def test_what_has_started_stays_so_whatever_happens_then() -> None:
    readiness = Readiness([Probe("postgres", "authority", ill)], None)
    assert (readiness.begun().status_code, readiness.begun().body) == (503, b'{"status":"starting"}')
    readiness.started = readiness.draining = True
    assert (readiness.begun().status_code, readiness.begun().body) == (200, b'{"status":"started"}')
