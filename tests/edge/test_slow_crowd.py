"""Hundreds of callers, slow in each of the four ways, hold their connections and nothing else."""

import selectors
import socket
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

import pytest

from tests.conftest import Begin
from tests.edge.callers import LARGE, reader, too_slow, until
from tests.edge.corpus import POST, get
from tests.raw import connect
from tests.stage import Stage
from tests.upstream import Logged, Play, answer

OF_EACH = 75
CALLS = 100
PATIENT = "downstream: {timeout: {head: 4s, body: 4s, answer: 4s, idle: 60s}, max_calls: 200}"


def plays(logged: Logged, number: int) -> Play:
    """A large answer to those who will not read it."""
    body = LARGE[:4_000_000] if logged.line.startswith("GET") else b"{}"
    return Play(answer(200, body), then="keep") if number else Play()


def quickly(stage: Stage, name: str) -> float:
    """Ordinary guarded calls, one after another; calls a second."""
    begun = time.monotonic()
    for number in range(CALLS):
        assert stage.post(f"{name}-{number}").status == 200
    return CALLS / (time.monotonic() - begun)


@contextmanager
def crowd(stage: Stage) -> Generator[dict[str, list[socket.socket]]]:
    """Four kinds of slow callers; those at a head or a body send a byte now and then."""
    with ExitStack() as held:
        kinds = {
            "silent": [held.enter_context(connect(stage.port)) for _ in range(OF_EACH)],
            "head": [held.enter_context(connect(stage.port)) for _ in range(OF_EACH)],
            "body": [held.enter_context(connect(stage.port)) for _ in range(OF_EACH)],
            "answer": [held.enter_context(reader(stage.port, get(b"/large"))) for _ in range(OF_EACH)],
        }
        for connection in kinds["head"]:
            connection.sendall(POST)
        for number, connection in enumerate(kinds["body"]):
            connection.sendall(POST.replace(b": k", b": slow-%d" % number) + b"Content-Length: 1000\r\n\r\n")
        stop = threading.Event()
        dripping = threading.Thread(target=_drip, args=([*kinds["head"], *kinds["body"]], stop))
        dripping.start()
        held.callback(dripping.join)
        held.callback(stop.set)
        yield kinds


def _drip(connections: list[socket.socket], stop: threading.Event) -> None:
    while not stop.wait(0.3):
        for connection in tuple(connections):
            try:
                connection.sendall(b"x")
            except OSError:
                connections.remove(connection)


def ended(connections: list[socket.socket]) -> None:
    """Returns when the gateway has ended each of them, by whatever last word."""
    with selectors.DefaultSelector() as waiting:
        for connection in connections:
            waiting.register(connection, selectors.EVENT_READ)
        while waiting.get_map():
            ready = waiting.select(20)
            assert ready, f"{len(waiting.get_map())} slow callers are still there"
            for key, _ in ready:
                if not _more(connections[connections.index(key.fileobj)]):  # type: ignore[arg-type]
                    waiting.unregister(key.fileobj)


def _more(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


def test_slow_callers_hold_up_nobody_and_are_given_up(at_edge: Begin, capsys: pytest.CaptureFixture[str]) -> None:
    stage = at_edge(PATIENT)
    stage.upstream.by_key = plays
    quiet = quickly(stage, "quiet")
    with crowd(stage) as kinds:
        quickly(stage, "settling")  # Meanwhile the large answers come as far as they get.
        beside = quickly(stage, "beside")
        for connections in (kinds["silent"], kinds["head"], kinds["body"]):
            ended(connections)
        until(lambda: too_slow(stage, "answer") == OF_EACH)
        ended(kinds["answer"])
    with capsys.disabled():
        print(f"\nordinary calls beside {4 * OF_EACH} slow callers: {beside / quiet:.2f} of a quiet gateway's rate")
    assert {at: too_slow(stage, at) for at in kinds} == dict.fromkeys(kinds, OF_EACH)
    assert not [logged.key for logged in stage.upstream.log if logged.key.startswith("slow")], "no claim, nothing sent"
    assert stage.post("slow-1").status == 200, "whose key is as new"
