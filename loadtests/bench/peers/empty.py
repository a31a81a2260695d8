"""An application on uvicorn that reads a call and answers it: no hop, no key, no store, nothing.

What a server in Python costs before anybody has decided anything; no gateway behind one is faster.
"""

import json
from pathlib import Path

from loadtests.bench.peers.serving import App, Receive, Send, options, serve


def application(answer: bytes) -> App:
    """Says ``answer`` to each charge, and how often it was asked."""
    calls = 0

    async def app(scope: dict[str, object], receive: Receive, send: Send) -> None:
        nonlocal calls
        while (await receive())["more_body"]:
            pass
        counted = scope["path"] == "/counted"
        calls += not counted
        body = json.dumps({"calls": 0, "distinct": 0, "without": calls}).encode() if counted else answer
        fields = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200 if counted else 201, "headers": fields})
        await send({"type": "http.response.body", "body": body})

    return app


if __name__ == "__main__":
    chosen = options("answer")
    serve(application(Path(chosen.answer).read_bytes()), chosen.port)
