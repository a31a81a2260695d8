"""Five hundred callers, slow in each of the four ways, hold their connections and nothing else."""

import resource
import selectors
import socket
import statistics
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.conftest import Begin
from tests.edge.callers import LARGE, reader, too_slow, until
from tests.edge.corpus import POST, get
from tests.raw import connect
from tests.stage import Stage
from tests.upstream import Logged, Play, answer

OF_EACH = 125
CALLS = 100
# Both ends of every connection are in this process, and so are the ordinary calls, the upstream and pytest's own files.
OPEN_FILES = 2048
# An ordinary call beside the crowd may take so many times what it takes without. A gateway that gave its time to the
# crowd, or its places, would be off by hundreds: the crowd holds out for four seconds, and an ordinary call takes
# milliseconds. What is below this is the crowd's own share of a process that plays all the parts.
SLOWER = 5.0
PATIENT = "downstream: {timeout: {head: 4s, body: 4s, answer: 4s, idle: 60s}, max_calls: 200}"


def plays(logged: Logged, number: int) -> Play:
    """A large answer to those who will not read it."""
    body = LARGE[:4_000_000] if logged.line.startswith("GET") else b"{}"
    return Play(answer(200, body), then="keep") if number else Play()


@pytest.fixture(autouse=True)
def open_files() -> Iterator[None]:
    """As many open files as the crowd needs, where the shell allows fewer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < OPEN_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def quickly(stage: Stage, name: str) -> float:
    """Ordinary guarded calls, one after another; their seconds at the first quartile, which hiccups do not move."""
    took = []
    for number in range(CALLS):
        begun = time.monotonic()
        assert stage.post(f"{name}-{number}").status == 200
        took.append(time.monotonic() - begun)
    return statistics.quantiles(took, n=4)[0]


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
    again = quickly(stage, "quiet-again")
    slower = beside / max(quiet, again)
    with capsys.disabled():
        print(f"\nan ordinary call beside {4 * OF_EACH} slow callers takes {slower:.2f} times a quiet gateway's time")
    assert slower < SLOWER
    assert {at: too_slow(stage, at) for at in kinds} == dict.fromkeys(kinds, OF_EACH)
    assert not [logged.key for logged in stage.upstream.log if logged.key.startswith("slow")], "no claim, nothing sent"
    assert stage.post("slow-1").status == 200, "whose key is as new"
