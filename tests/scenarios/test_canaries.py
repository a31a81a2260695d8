"""Nothing secret is written down: canaries in every field of requests and answers, and a look at all that is left.

A gateway in a process of its own, at the level debug, every call logged and traced; then its log, its metrics, what it
exported by OTLP and a dump of its store are searched.
"""

import asyncio
import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import pytest
from redis import Redis

from tests.conftest import emptied
from tests.postgres import Servers
from tests.process import serving
from tests.raw import exchange
from tests.stage import call
from tests.telemetry.collector import by_http, exporting
from tests.upstream import Logged, Play, Upstream, answer

# In the caller's request: never anywhere.
ASKED = {
    name: f"canary-{name}-7f3a"
    for name in (
        "query",
        "authorization",
        "api-key",
        "cookie",
        "field",
        "body",
        "key",
        "body-key",
        "path",
        "host",
        "state",
    )
}
# In the upstream's answer: nowhere but in the store, and there only where it is kept and not sealed.
TOLD = {"answer-body": "canary-answer-body-91c2", "answer-field": "canary-answer-field-91c2"}
# In an answer, and nowhere all the same; the route's own credentials and the gateway's own secrets likewise.
NEVER = {
    "set-cookie": "canary-set-cookie-5e0d",
    "reason": "canary-reason-5e0d",
    "refused": "canary-refused-5e0d",
    "credential": "canary-credential-5e0d",
    "record-key": "canary-record-key-5e0d",
    "digest-key": "canary-digest-key-5e0d",
    "caller-key": "igk_canary-caller-key-5e0d",
    "wrong-caller-key": "igk_canary-wrong-caller-key-5e0d",
}
# How the configuration tells a caller's key; the gateway has no reason to repeat it.
CALLER = hashlib.sha256(NEVER["caller-key"].encode()).hexdigest()

CONFIG = """
listen: 127.0.0.1:0
admin: {{listen: "127.0.0.1:0"}}
digest: {{key: {digest-key}}}
{sealing}
callers: [{{name: shop, key: 'sha256:{caller}'}}]
log: {{level: debug, format: json, calls: {{sample: 1, most: 1000}}}}
routes:
  - name: bodies
    match: {{path: /bodies}}
    upstream: {{url: "http://127.0.0.1:{port}", headers: {{set: {{X-Credential: {credential}}}}}}}
    policy: {{key: {{body: /id}}, fingerprint: {{body: json}}, namespace: bodies}}
  - name: api
    upstream: {{url: "http://127.0.0.1:{port}", headers: {{set: {{X-Credential: {credential}}}}}}}
"""


def plays(logged: Logged, _number: int) -> Play:
    """By the order in the field ``X-Order``: an answer, one that is refused, none at all."""
    fields = (("X-Field", TOLD["answer-field"]), ("Set-Cookie", f"s={NEVER['set-cookie']}"))
    whole = answer(201, TOLD["answer-body"].encode(), *fields).replace(b"Told", NEVER["reason"].encode())
    match logged.all("x-order"):
        case ["reset"]:
            return Play(whole[:-5], then="reset")
        case ["malformed"]:
            return Play(whole.replace(b"Content-Length: ", b"Content-Length: +"))
        case ["refused"]:
            return Play(answer(429, NEVER["refused"].encode(), ("X-Refused", NEVER["refused"])))
        case _:
            return Play(whole, then="keep")


def visit(port: int) -> set[int]:
    """Calls of every kind, each full of canaries; the statuses that they met."""
    fields = [
        ("Authorization", f"Bearer {ASKED['authorization']}"),
        ("X-Api-Key", ASKED["api-key"]),
        ("Cookie", f"s={ASKED['cookie']}"),
        ("X-Field", ASKED["field"]),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("tracestate", f"caller={ASKED['state']}"),
        ("Content-Type", "application/json"),
        ("X-Gateway-Key", NEVER["caller-key"]),
    ]
    body = json.dumps({"id": ASKED["body-key"], "secret": ASKED["body"]}).encode()
    target = f"/{ASKED['path']}?q={ASKED['query']}"
    met = set()
    for order in ("answer", "answer", "reset", "reset", "malformed", "refused"):
        key = [("Idempotency-Key", f"{ASKED['key']}-{order}")]
        met.add(call(port, "POST", target, [("X-Order", order), *key, *fields], body).status)
        if order != "reset":  # A cut answer that is not guarded is cut for its caller too.
            met.add(call(port, "POST", target, [("X-Order", order), *fields], body).status)
    known = [("Idempotency-Key", f"{ASKED['key']}-answer")]
    met.add(call(port, "POST", target, [*known, *fields], body + b" ").status)
    met.add(call(port, "POST", target, [*known, ("Authorization", "B"), fields[-1]], body).status)
    met.add(call(port, "POST", target, [("Idempotency-Key", f"bad {ASKED['key']}"), *fields], body).status)
    wrong = ("X-Gateway-Key", NEVER["wrong-caller-key"])
    met.add(call(port, "POST", target, [*known, *fields[:-1], wrong], body).status)
    met.add(call(port, "POST", f"/bodies{target}", fields, body).status)
    met.add(call(port, "GET", f"/%zz{target}", fields, None).status)
    bad = f"POST {target} HTTP/1.1\r\nHost: {ASKED['host']}\r\nX-Field: {ASKED['field']}\x01\r\n\r\n{ASKED['body']}"
    met.add(int(exchange(port, bad.encode())[9:12]))
    return met


def forms(canary: str) -> list[bytes]:
    """As it may have been written: as text, in hexadecimal, in base64 at each of its offsets."""
    text = canary.encode()
    encoded = [base64.b64encode(b" " * offset + text)[4:-4] for offset in range(3)]
    return [text, text.hex().encode(), *encoded]


def found(canaries: dict[str, str], written: bytes) -> set[str]:
    return {name for name, canary in canaries.items() if any(form in written for form in forms(canary))}


def dump(store: str) -> bytes:
    """Everything that a store holds."""
    if store.startswith("sqlite"):
        file = Path(store.removeprefix("sqlite:///"))
        return b"".join(part.read_bytes() for part in sorted(file.parent.glob(f"{file.name}*")))
    return asyncio.run(_of_postgres(store)) if store.startswith("postgres") else _of_redis(store)


async def _of_postgres(url: str) -> bytes:
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        texts = []
        for (table,) in tables:
            rows = await connection.fetch(f'SELECT t::text FROM "{table}" t')  # noqa: S608 - the server's own names
            texts += [row[0] for row in rows]
        return "\n".join(texts).encode()
    finally:
        await connection.close()


def _of_redis(url: str) -> bytes:
    with Redis.from_url(url) as server:
        return b"\n".join(name + b" " + _flat(_value(server, name)) for name in server.scan_iter())


def _value(server: Redis, name: bytes) -> object:
    match server.type(name):
        case b"string":
            return server.get(name)
        case b"hash":
            return server.hgetall(name)
        case b"zset":
            return server.zrange(name, 0, -1)
        case other:
            raise AssertionError(f"{name!r} is a {other!r}: read it here too")


def _flat(value: object) -> bytes:
    if isinstance(value, dict):
        return b" ".join(_flat(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return b" ".join(map(_flat, value))
    return value if isinstance(value, bytes) else str(value).encode()


@pytest.fixture(params=["sqlite", "redis", "tiered"])
def stores(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[list[str]]:
    with ExitStack() as stack:
        match request.param:
            case "sqlite":
                yield [f"sqlite:///{tmp_path / 'records.db'}"]
            case "redis":
                yield [emptied()]
            case _:
                yield [stack.enter_context(servers.get().database()), emptied()]


@pytest.mark.parametrize("sealed", [False, True], ids=["open", "sealed"])
def test_no_secret_is_written_down(upstream: Upstream, stores: list[str], tmp_path: Path, *, sealed: bool) -> None:
    upstream.by_key = plays
    sealing = f"encryption: {{keys: [{NEVER['record-key']}]}}" if sealed else ""
    file = tmp_path / "gateway.yaml"
    file.write_text(CONFIG.format(port=upstream.port, sealing=sealing, caller=CALLER, **NEVER))
    options = [word for store in stores for word in ("--store", store)]
    with (
        by_http() as collector,
        serving(
            "--config", str(file), *options, folder=tmp_path, environ=exporting(collector, "http/protobuf")
        ) as served,
    ):
        assert {201, 400, 401, 409, 422, 429, 502} <= visit(served.port)
        metrics = call(served.admin_port, "GET", "/metrics", [], None).body
        listed = call(served.admin_port, "GET", "/api/keys", [], None).body
        assert served.stop() == 0
        assert served.process.stderr is not None
        logged = served.process.stderr.read().encode() + json.dumps(served.started).encode()
    assert b"outcome-lost" in logged
    assert b"idempotency_gateway_calls_total" in metrics
    calls = [line for line in logged.splitlines() if b'"event": "call"' in line]
    assert len(calls) > 10
    assert b"\x1b" not in logged
    exported = b"\n".join(collector.raw)
    for word in (b"POST api", b"claim", b"settle", b"idempotency_gateway_calls"):
        assert word in exported
    for shown in (logged, metrics, listed, exported):
        assert found({"caller": CALLER}, shown) == set()
        assert found({**ASKED, **TOLD, **NEVER}, shown) == set()
    for store in stores:
        kept = dump(store)
        assert found({**ASKED, **NEVER}, kept) == set()
        assert found(TOLD, kept) == (set() if sealed else set(TOLD)), "the dump does show what is kept"
