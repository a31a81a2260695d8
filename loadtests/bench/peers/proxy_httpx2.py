"""A reverse proxy on httpx2, as one writes it in twenty lines: no idempotency at all."""

import httpx2

from loadtests.bench.peers.serving import App, Receive, Send, options, serve

_NOT_PASSED = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"host"})


def proxy(upstream: int) -> App:
    """Passes each call on, body and answer whole."""
    limits = httpx2.Limits(max_connections=512, max_keepalive_connections=512)
    client = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{upstream}", limits=limits, timeout=90)

    async def app(scope: dict[str, object], receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        path, headers = str(scope["path"]), scope["headers"]
        assert isinstance(headers, list)
        passed = [(name, value) for name, value in headers if name not in _NOT_PASSED]
        answer = await client.request(str(scope["method"]), path, headers=passed, content=body)
        fields = [(name, value) for name, value in answer.headers.raw if name.lower() not in _NOT_PASSED]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": fields})
        await send({"type": "http.response.body", "body": answer.content})

    return app


if __name__ == "__main__":
    chosen = options("upstream")
    serve(proxy(int(chosen.upstream)), chosen.port)
