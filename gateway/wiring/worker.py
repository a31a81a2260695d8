"""A worker: a process that serves callers on a socket that its parent took (``python -m gateway.wiring.worker``).

Knows its parent by a pair of sockets: it says when it serves, tells what it has counted, and stops in order when it is
told to, gets a SIGTERM of its own, or the parent is gone. Takes the configuration from standard input, so that no
secret stands among the arguments or in the environment.
"""

import asyncio
import pickle
import signal
import sys
from contextlib import suppress
from socket import socket

import uvloop

from gateway.config.configuration import Configuration
from gateway.errors import GatewayError
from gateway.telemetry import logs
from gateway.wiring.collecting import collect_seldom
from gateway.wiring.lines import Lines
from gateway.wiring.serving import Serving, Telemetry, opened

# How often a parent hears the counts unasked, in seconds: so much is lost of a worker that is killed.
COUNTS_EVERY = 1.0


def main() -> None:
    """``argv``: the numbers of two inherited sockets, the listener and the parent's line."""
    # The terminal's Ctrl-C is for the parent, who stops its workers in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    listening, line = (socket(fileno=int(number)) for number in sys.argv[1:3])
    listening.setblocking(False)
    configuration = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by the parent, over a pipe of its own
    sys.exit(uvloop.run(_work(configuration, listening, line)))


async def _work(configuration: Configuration, listening: socket, line: socket) -> int:
    logs.configure(configuration.log_format, configuration.log_level)
    stop, hurry = asyncio.Event(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    parent = await Lines.over(line)
    try:
        telemetry = Telemetry(configuration)
        store = await opened(configuration, telemetry)
        serving = Serving(configuration, store, telemetry, listening)
    except GatewayError as fault:
        parent.tell("failed", sentence=str(fault))
        return 1
    await serving.start()
    collect_seldom()
    parent.tell("serving")
    telling = asyncio.create_task(_tell_counts(parent, telemetry))
    following = asyncio.create_task(_follow(parent, telemetry, serving, stop, hurry))
    await stop.wait()
    await serving.stop(hurry)
    telling.cancel()
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following
    parent.tell("counts", counts=telemetry.metrics.snapshot())
    await store.store.close()
    await telemetry.stop()
    parent.close()
    return 0


async def _follow(
    parent: Lines, telemetry: Telemetry, serving: Serving, stop: asyncio.Event, hurry: asyncio.Event
) -> None:
    while (heard := await parent.heard()) is not None:
        match heard["word"]:
            case "count":
                parent.tell("counts", counts=telemetry.metrics.snapshot(), asked=heard["asked"])
            case "retire":
                serving.retire()
            case "stop":
                stop.set()
            case _:
                hurry.set()
    # Nobody is there who would start another one: callers are better off with one that is.
    stop.set()


async def _tell_counts(parent: Lines, telemetry: Telemetry) -> None:
    told = None
    while True:
        await asyncio.sleep(COUNTS_EVERY)
        if (counts := telemetry.metrics.snapshot()) != told:
            parent.tell("counts", counts=counts)
            told = counts


if __name__ == "__main__":
    main()
