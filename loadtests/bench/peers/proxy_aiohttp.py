"""A reverse proxy on aiohttp, server and client: no idempotency at all."""

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web
from multidict import CIMultiDict

from loadtests.bench.peers.serving import options

_NOT_PASSED = frozenset({"connection", "keep-alive", "transfer-encoding", "host", "content-length"})


async def proxy(upstream: int) -> web.Application:
    """Passes each call on, body and answer whole."""
    session = ClientSession(
        f"http://127.0.0.1:{upstream}",
        connector=TCPConnector(limit=512),
        timeout=ClientTimeout(90),
        auto_decompress=False,
    )

    async def handle(request: web.Request) -> web.Response:
        fields = [(name, value) for name, value in request.headers.items() if name.lower() not in _NOT_PASSED]
        async with session.request(
            request.method, request.rel_url, headers=CIMultiDict(fields), data=await request.read()
        ) as answer:
            passed = [(name, value) for name, value in answer.headers.items() if name.lower() not in _NOT_PASSED]
            return web.Response(status=answer.status, headers=CIMultiDict(passed), body=await answer.read())

    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", handle)
    return app


if __name__ == "__main__":
    import uvloop

    uvloop.install()
    chosen = options("upstream")
    web.run_app(proxy(int(chosen.upstream)), host="127.0.0.1", port=chosen.port, access_log=None, print=None)
