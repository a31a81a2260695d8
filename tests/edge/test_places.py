"""How many calls and connections there may be at once: one more hears so before its claim, and nothing is sent."""

import socket
import threading
from concurrent.futures import Future

from tests.conftest import Begin
from tests.edge.corpus import get, status_and_rest
from tests.raw import connect, exchange, hang_up, read_to_end
from tests.stage import Heard, Stage
from tests.upstream import Play, Upstream, answer


def in_flight(stage: Stage, gate: threading.Event, *keys: str, caller: str = "A") -> list[Future[Heard]]:
    """Calls that are under way until ``gate`` opens."""
    before = len(stage.upstream.log)
    stage.upstream.then(*(Play(answer(201), gate=gate, then="keep") for _ in keys))
    under_way = [stage.meanwhile(key, b"{}", ("Authorization", caller)) for key in keys]
    stage.upstream.wait_for(before + len(keys))
    return under_way


def shed(stage: Stage, reason: str, route: str = "api") -> float:
    return stage.metric(f'idempotency_gateway_shed_total{{reason="{reason}",route="{route}"}}')


def test_one_call_more_than_the_gateway_takes_is_turned_away_before_its_claim(at_edge: Begin) -> None:
    stage = at_edge("downstream: {max_calls: 2}")
    gate = threading.Event()
    under_way = in_flight(stage, gate, "a", "b")
    for heard in (stage.post("c"), stage.post("a"), stage.send("GET", "/", body=None)):
        assert heard.told == "503 unavailable overloaded"
        assert (heard.get("retry-after"), heard.get("idempotency-origin")) == ("1", "gateway")
        assert (heard.problem["key_state"], heard.problem["retryable"]) == ("undetermined", True)
    assert shed(stage, "calls") == 3
    gate.set()
    assert [call.result(20).told for call in under_way] == ["201 executed"] * 2
    assert stage.post("c").told == "201 executed", "nothing of the call that was turned away is remembered"
    assert [stage.upstream.count(key) for key in "abc"] == [1, 1, 1]


def test_a_route_at_its_limit_turns_away_while_others_go_on(at_edge: Begin, upstream: Upstream) -> None:
    narrow = f"{{name: narrow, match: {{path: /narrow}}, upstream: {{url: 'http://127.0.0.1:{upstream.port}'}}"
    stage = at_edge(f"routes: [{narrow}, calls: {{max: 1}}}}]")
    gate = threading.Event()
    stage.upstream.then(Play(answer(201), gate=gate, then="keep"))
    under_way = [stage.pool.submit(stage.post, "a", target="/narrow")]
    stage.upstream.wait_for(1)
    assert stage.post("b", target="/narrow").told == "503 unavailable overloaded"
    assert stage.post("c").told == "201 executed"
    assert shed(stage, "route", route="narrow") == 1
    gate.set()
    assert under_way[0].result(20).told == "201 executed"
    assert stage.post("b", target="/narrow").told == "201 executed"


def test_one_caller_does_not_take_the_places_of_others(at_edge: Begin) -> None:
    stage = at_edge("calls: {per_caller: 2}")
    gate = threading.Event()
    under_way = in_flight(stage, gate, "a", "b")
    for heard in (
        stage.post("c", b"{}", ("Authorization", "A")),
        stage.send("GET", "/", ("Authorization", "A"), body=None),
    ):
        assert heard.told == "429 rejected too-many-calls"
        assert (heard.get("retry-after"), heard.get("idempotency-origin")) == ("1", "gateway")
    assert stage.post("d", b"{}", ("Authorization", "B")).told == "201 executed"
    assert stage.post("e").told == "201 executed", "nobody in particular is a caller too"
    assert shed(stage, "caller") == 2
    gate.set()
    assert [call.result(20).told for call in under_way] == ["201 executed"] * 2
    assert stage.post("c", b"{}", ("Authorization", "A")).told == "201 executed"


def test_the_order_of_its_fields_makes_no_second_caller_of_one(at_edge: Begin) -> None:
    stage = at_edge("calls: {per_caller: 1}")
    fields = (("Authorization", "A"), ("X-Api-Key", "k"))
    gate = threading.Event()
    stage.upstream.then(Play(answer(201), gate=gate, then="keep"))
    under_way = stage.pool.submit(stage.post, "a", b"{}", *fields)
    stage.upstream.wait_for(1)
    assert stage.post("b", b"{}", *reversed(fields), ("X-Other", "1")).told == "429 rejected too-many-calls"
    assert stage.post("c", b"{}", *fields[:1]).told == "201 executed"
    gate.set()
    assert under_way.result(20).told == "201 executed"


def test_callers_who_left_take_no_place(at_edge: Begin) -> None:
    stage = at_edge("downstream: {max_calls: 1}")
    stage.upstream.then(Play(then="hang"))
    hang_up(stage.port, get(b"/"), when=lambda: stage.upstream.wait_for(1))
    assert stage.upstream.left.wait(20)
    assert stage.post("k").told == "201 executed"


def test_one_connection_more_than_there_may_be_is_told_so_and_closed(at_edge: Begin) -> None:
    stage = at_edge("downstream: {max_connections: 3}")
    held = [connect(stage.port) for _ in range(3)]
    for connection in held:
        connection.sendall(get(b"/"))
        assert connection.recv(65536).startswith(b"HTTP/1.1 201")
    with connect(stage.port) as more:
        status, rest = status_and_rest(read_to_end(more))
    assert (status, b"overloaded" in rest) == (503, True)
    held[0].sendall(get(b"/").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert read_to_end(held[0]).startswith(b"HTTP/1.1 201")
    assert status_and_rest(exchange(stage.port, get(b"/").replace(b"1.1", b"1.0")))[0] == 201
    assert shed(stage, "connections", route="") == 1
    assert len(stage.upstream.log) == 5
    for connection in held:
        connection.close()


def test_far_more_connections_than_there_may_be_hear_nothing(at_edge: Begin) -> None:
    stage = at_edge("downstream: {max_connections: 2}")
    crowd = [connect(stage.port) for _ in range(60)]
    heard = [_heard(connection) for connection in crowd[2:]]
    assert b"" in heard
    assert all(said == b"" or said.startswith(b"HTTP/1.1 503") for said in heard)
    for connection in crowd:
        connection.close()


def _heard(connection: socket.socket) -> bytes:
    try:
        return read_to_end(connection)
    except ConnectionResetError:
        return b""
