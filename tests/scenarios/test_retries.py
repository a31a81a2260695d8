"""Retries that are the very bytes of an earlier one are answered unread, and as if they had been read."""

import socket
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.raw import connect
from tests.redis_servers import eventually
from tests.stage import Stage, playing
from tests.upstream import Play, Upstream, answer

ANSWERS = "idempotency_gateway_replay_cache_answers_total"
REPLAYS = 'idempotency_gateway_calls_total{outcome="replayed",route="api"}'


def request(key: str = "k", body: bytes = b"{}", *fields: str, target: str = "/charges") -> bytes:
    lines = [f"POST {target} HTTP/1.1", "Host: pay.example", f"Idempotency-Key: {key}", *fields]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


class Caller:
    """One connection, kept alive."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._heard = b""

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def hear(self) -> bytes:
        """One whole answer; nothing where the connection is closed."""
        while True:
            head, found, rest = self._heard.partition(b"\r\n\r\n")
            size = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
            if found and len(rest) >= int(size):
                self._heard = rest[int(size) :]
                return head + found + rest[: int(size)]
            data = self._connection.recv(65536)
            if not data:
                return b""
            self._heard += data

    def ask(self, data: bytes) -> bytes:
        self.send(data)
        return self.hear()


def status(heard: bytes) -> bytes:
    return heard.split(b" ", 2)[1]


@pytest.fixture
def stage(upstream: Upstream, tmp_path: Path) -> Iterator[Stage]:
    with playing(upstream, f"sqlite:///{tmp_path}/records.db", tmp_path) as stage:
        yield stage


@contextmanager
def calling(stage: Stage) -> Generator[Caller]:
    with connect(stage.port) as connection:
        yield Caller(connection)


def warm(stage: Stage, caller: Caller, data: bytes) -> bytes:
    """Executed, replayed, and repeated from memory once; the answer that stands."""
    assert b"idempotency-status: executed" in caller.ask(data)
    replay = caller.ask(data)
    assert b"idempotency-status: replayed" in replay

    def repeated() -> bool:
        before = stage.metric(ANSWERS)
        assert caller.ask(data) == replay
        return stage.metric(ANSWERS) == before + 1

    # What was kept is dropped when the store's word of what is forgotten begins to be heard, soon after the start.
    eventually(repeated)
    return replay


def test_the_same_bytes_get_the_same_bytes_on_every_connection_and_are_counted(stage: Stage) -> None:
    with calling(stage) as caller, calling(stage) as other:
        replay = warm(stage, caller, request())
        assert [caller.ask(request()) for _ in range(3)] == [replay] * 3
        assert other.ask(request()) == replay
        assert stage.metric(REPLAYS) == 6
    assert len(stage.upstream.log) == 1


def test_what_differs_in_anything_is_judged(stage: Stage) -> None:
    with calling(stage) as caller:
        warm(stage, caller, request())
        assert status(caller.ask(request(body=b"[]"))) == b"422"
        assert status(caller.ask(request("k", b"{}", "Authorization: Bearer other"))) == b"409"
        assert status(caller.ask(request(target="/refunds"))) == b"422"
        assert b"idempotency-status: executed" in caller.ask(request("another"))
        assert b"idempotency-status: replayed" in caller.ask(request("k", b"{}", "User-Agent: other"))


def test_what_was_forgotten_is_not_repeated(stage: Stage) -> None:
    with calling(stage) as caller:
        warm(stage, caller, request())
        (found,) = stage.admin("/api/keys?key=k").json["keys"]
        assert stage.admin(f"/api/keys/{found['id']}", method="DELETE", body={"fence": found["fence"]}).status == 200
        assert status(caller.ask(request())) == b"410"


@pytest.mark.parametrize("cut", [1, 20, len(request()) - 1])
def test_a_request_in_two_pieces_is_read(stage: Stage, cut: int) -> None:
    with calling(stage) as caller:
        replay = warm(stage, caller, request())
        caller.send(request()[:cut])
        before = stage.metric(REPLAYS)
        caller.send(request()[cut:])
        assert caller.hear() == replay
        assert stage.metric(REPLAYS) == before + 1


def test_two_requests_in_one_piece_are_two_answers_in_order(stage: Stage) -> None:
    with calling(stage) as caller:
        replay = warm(stage, caller, request())
        caller.send(request() + request("k", b"[]") + request())
        assert [status(caller.hear()) for _ in range(3)] == [b"201", b"422", b"201"]
        assert caller.ask(request()) == replay


def test_behind_a_call_that_is_still_under_way_it_waits_its_turn(stage: Stage) -> None:
    with calling(stage) as caller:
        replay = warm(stage, caller, request())
        gate = threading.Event()
        stage.upstream.then(Play(answer(201), gate=gate))
        caller.send(request("slow"))
        stage.upstream.wait_for(2)
        caller.send(request())
        gate.set()
        assert b"idempotency-status: executed" in caller.hear()
        assert caller.hear() == replay


def test_behind_a_refusal_nothing_is_heard(stage: Stage) -> None:
    with calling(stage) as caller:
        warm(stage, caller, request())
        assert status(caller.ask(request("k", b"{}", "Host: twice"))) == b"400"
        with suppress(ConnectionError):
            assert caller.ask(request()) == b""


def test_one_that_asks_for_the_connections_end_gets_it(stage: Stage) -> None:
    last = request("k", b"{}", "Connection: close")
    for _ in range(4):
        with calling(stage) as caller:
            assert b"connection: close" in caller.ask(last)
            assert caller.hear() == b""


def test_whoever_met_too_many_conflicts_hears_so_for_the_same_bytes_too(upstream: Upstream, tmp_path: Path) -> None:
    text = "limits: {refusals: 2/h}"
    with playing(upstream, f"sqlite:///{tmp_path}/records.db", tmp_path, text) as stage, calling(stage) as caller:
        warm(stage, caller, request())
        conflicts = [status(caller.ask(request("k", b"[]"))) for _ in range(6)]
        assert b"429" in conflicts
        assert status(caller.ask(request())) == b"429"
