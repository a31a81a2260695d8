"""asgi-idempotency-header 0.2.0 in an application, with its Redis backend: there is no hop, the application answers.

What it does not do: it compares no request (another body with the key gets the first one's answer), takes JSON bodies
only and writes them anew, drops the answer's own headers, and remembers a key that was never answered for ever.
"""

from pathlib import Path

from fastapi import FastAPI, Response
from idempotency_header_middleware import IdempotencyHeaderMiddleware
from idempotency_header_middleware.backends.redis import RedisBackend
from redis.asyncio import Redis
from starlette.requests import Request

from loadtests.bench.peers.serving import App, options, serve


def application(answer: bytes, redis: int) -> App:
    """A payments API that says ``answer`` to each charge, and how often it was asked for which key."""
    app = FastAPI()
    calls: dict[str, int] = {}

    @app.post("/charges")
    async def charge(request: Request) -> Response:
        await request.body()
        key = request.headers["idempotency-key"]
        calls[key] = calls.get(key, 0) + 1
        return Response(answer, 201, media_type="application/json")

    @app.get("/counted")
    async def counted() -> dict[str, int]:
        return {"calls": sum(calls.values()), "distinct": len(calls), "without": 0}

    return IdempotencyHeaderMiddleware(app, RedisBackend(Redis(port=redis)))


if __name__ == "__main__":
    chosen = options("redis", "answer")
    serve(application(Path(chosen.answer).read_bytes(), int(chosen.redis)), chosen.port)
