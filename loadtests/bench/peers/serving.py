"""How a peer in Python serves: uvicorn with httptools and uvloop, as the gateway does, without a log of each call."""

import argparse
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Receive, Send], Awaitable[Any]]


def options(*names: str) -> argparse.Namespace:
    """The command line of a peer: its port, and what else it needs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    for name in names:
        parser.add_argument(f"--{name}", required=True)
    return parser.parse_args()


def serve(app: App, port: int) -> None:
    """Until a signal ends it."""
    uvicorn.run(app, port=port, access_log=False, log_level="warning", loop="uvloop", http="httptools", lifespan="off")
