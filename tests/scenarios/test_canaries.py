"""Nothing secret is written down: canaries in every field of requests and answers, and a look at all that is left.

A gateway in a process of its own, at the level debug, every call logged and traced; then its log, its metrics, what it
exported by OTLP and a dump of its store are searched.
"""

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import pytest
from redis import Redis

from tests.callers.issuer import AUDIENCE, jwk, key, published, token
from tests.callers.issuer import NAME as ISSUER
from tests.conftest import emptied
from tests.edge.callers import until
from tests.postgres import Servers
from tests.process import serving
from tests.raw import exchange
from tests.stage import call, metric
from tests.telemetry.collector import by_http, exporting
from tests.upstream import Logged, Play, Upstream, answer


def parts(shown: str) -> Iterator[tuple[str, str]]:
    """The claims and the signature of a token."""
    _, payload, signature = shown.split(".")
    return iter((("claims", payload), ("signature", signature)))


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
        "user-agent",
        "referer",
        "forwarded-for",
        "language",
        "content-type",
        "escaped",
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
    "subject": "canary-subject-5e0d",
    "claim": "canary-claim-5e0d",
    # Of the route whose answers are never kept.
    "unkept-body": "canary-unkept-body-5e0d",
    "unkept-field": "canary-unkept-field-5e0d",
}
# Tokens of the issuer's, a good one and one that has ended, each with a subject and a claim that nobody asked for.
GOOD, ENDED = (
    token(key("EC"), "ES256", "EC", sub=NEVER["subject"], note=NEVER["claim"], exp=int(time.time()) + left)
    for left in (3600, -3600)
)
# What is only in one of them.
TOKENS = {f"{name}-{at}": part[:60] for name, of in (("good", GOOD), ("ended", ENDED)) for at, part in parts(of)}
# How the configuration tells a caller's key; the gateway has no reason to repeat it.
CALLER = hashlib.sha256(NEVER["caller-key"].encode()).hexdigest()

CONFIG = """
listen: 127.0.0.1:0
admin: {{listen: "127.0.0.1:0"}}
digest: {{key: {digest-key}}}
{sealing}
callers: [{{name: shop, key: 'sha256:{caller}', quotas: {{stored_keys: 1000}}}}]
jwt: {{jwks: "{jwks}", issuer: "{issuer}", audience: {audience}, header: X-Assertion}}
log: {{level: debug, format: json, calls: {{sample: 1, most: 1000}}}}
routes:
  - name: bodies
    match: {{path: /bodies}}
    upstream: {{url: "http://127.0.0.1:{port}", headers: {{set: {{X-Credential: {credential}}}}}}}
    policy: {{key: {{body: /id}}, fingerprint: {{body: json}}, namespace: bodies}}
  - name: unkept
    match: {{path: /unkept}}
    upstream: {{url: "http://127.0.0.1:{port}"}}
    policy: {{keep: {{body: never}}, namespace: unkept}}
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
        case ["unkept"]:
            fields = (("X-Field", NEVER["unkept-field"]), ("Set-Cookie", f"s={NEVER['set-cookie']}"))
            return Play(answer(201, NEVER["unkept-body"].encode(), *fields), then="keep")
        case _:
            return Play(whole, then="keep")


FIELDS = (
    ("Authorization", f"Bearer {ASKED['authorization']}"),
    ("X-Api-Key", ASKED["api-key"]),
    ("Cookie", f"s={ASKED['cookie']}"),
    ("X-Field", ASKED["field"]),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("tracestate", f"caller={ASKED['state']}"),
    ("Content-Type", f"application/json; a={ASKED['content-type']}"),
    ("User-Agent", ASKED["user-agent"]),
    ("Referer", f"https://{ASKED['referer']}/"),
    ("X-Forwarded-For", ASKED["forwarded-for"]),
    ("Accept-Language", ASKED["language"]),
)
SHOWN = ("X-Gateway-Key", NEVER["caller-key"])
BODY = json.dumps({"id": ASKED["body-key"], "secret": ASKED["body"]}).encode()
TARGET = f"/{ASKED['path']}?q={ASKED['query']}"


def calls() -> Iterator[tuple[str, list[tuple[str, str]], bytes]]:
    """Target, fields and body of calls of every kind."""
    fields = [*FIELDS, SHOWN]
    for order in ("answer", "answer", "reset", "reset", "malformed", "refused"):
        ordered = [("X-Order", order), *fields]
        yield TARGET, [("Idempotency-Key", f"{ASKED['key']}-{order}"), *ordered], BODY
        if order != "reset":  # A cut answer that is not guarded is cut for its caller too.
            yield TARGET, ordered, BODY
    known = ("Idempotency-Key", f"{ASKED['key']}-answer")
    yield TARGET, [known, *fields], BODY + b" "
    yield TARGET, [known, ("Authorization", "B"), SHOWN], BODY
    yield TARGET, [("Idempotency-Key", f"bad {ASKED['key']}"), *fields], BODY
    yield TARGET, [known, *FIELDS, ("X-Gateway-Key", NEVER["wrong-caller-key"])], BODY
    yield f"/bodies{TARGET}", fields, BODY
    yield f"/%zz{TARGET}", fields, BODY
    for _ in range(2):
        yield f"/unkept{TARGET}", [("X-Order", "unkept"), known, *fields], BODY
    for shown in (GOOD, ENDED, f"{GOOD}x"):
        mine = ("Idempotency-Key", f"{ASKED['key']}-token")
        yield TARGET, [mine, *FIELDS, ("X-Assertion", shown)], BODY


def malformed() -> Iterator[str]:
    head = f"POST {TARGET} HTTP/1.1\r\nHost: {ASKED['host']}\r\n"
    yield f"{head}X-Field: {ASKED['field']}\x01\r\n\r\n{ASKED['body']}"
    yield f"{head}Idempotency-Key: {ASKED['key']}\x1b[31m\r\n\r\n"
    yield f"POST /{ASKED['escaped']}\x1b[31m HTTP/1.1\r\nHost: {ASKED['host']}\r\n\r\n"
    yield head.replace(ASKED["path"], f"{ASKED['escaped']}%1b%0a") + "\r\n"


def visit(port: int) -> tuple[set[int], bytes]:
    """The statuses that all of them meet, and all that the gateway itself says in answers of its own."""
    heard = [call(port, "POST", target, fields, body) for target, fields, body in calls()]
    refused = [exchange(port, bad.encode(), half_close=True) for bad in malformed()]
    own = [repr(each).encode() for each in heard if each.get("idempotency-origin") == "gateway"]
    assert len(own) > 8
    return {each.status for each in heard} | {int(each[9:12]) for each in refused}, b"\n".join([*own, *refused])


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
    """Every key with its value, and what the server itself writes to its disk."""
    with Redis.from_url(url) as server:
        server.config_set("rdbcompression", "no")
        server.save()
        folder, name = (server.config_get(each)[each] for each in ("dir", "dbfilename"))
        assert folder is not None
        assert name is not None
        file = Path(folder, name)
        written = file.read_bytes()
        file.unlink()
        assert written.startswith((b"REDIS", b"VALKEY"))
        return written + b"\n".join(name + b" " + _flat(_value(server, name)) for name in server.scan_iter())


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


def told_to_operators(port: int) -> bytes:
    """Lists, each record with its history and its page, and the overview."""
    listed = call(port, "GET", "/api/keys", [], None)
    ids = [each["id"] for each in listed.json["keys"]]
    assert {each["caller"] for each in listed.json["keys"]} == {"shop", "(token)"}
    places = [
        "/",
        "/live",
        "/keys",
        "/api/stats",
        *(f"{place}/{each}" for each in ids for place in ("/api/keys", "/keys")),
    ]
    return b"\n".join([listed.body, *(call(port, "GET", place, [], None).body for place in places)])


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
    jwks = tmp_path / "jwks"
    jwks.write_bytes(published(jwk(key("EC"), "EC")))
    issued = {"jwks": f"file://{jwks}", "issuer": ISSUER, "audience": AUDIENCE}
    file.write_text(CONFIG.format(port=upstream.port, sealing=sealing, caller=CALLER, **issued, **NEVER))
    options = [word for store in stores for word in ("--store", store)]
    with (
        by_http() as collector,
        serving(
            "--config", str(file), *options, folder=tmp_path, environ=exporting(collector, "http/protobuf")
        ) as served,
    ):
        until(lambda: metric(served.admin_port, "idempotency_gateway_token_keys_read_total") == 1)
        met, answered = visit(served.port)
        assert met == {201, 400, 401, 409, 410, 422, 429, 502}
        metrics = call(served.admin_port, "GET", "/metrics", [], None).body
        listed = told_to_operators(served.admin_port)
        assert served.stop() == 0
        assert served.process.stderr is not None
        logged = served.process.stderr.read().encode() + json.dumps([*served.before, served.started]).encode()
    assert b"outcome-lost" in logged
    assert b"idempotency_gateway_calls_total" in metrics
    calls = [line for line in logged.splitlines() if b'"event": "call"' in line]
    assert len(calls) > 10
    assert b"\x1b" not in logged
    exported = b"\n".join(collector.raw)
    for word in (b"POST api", b"claim", b"settle", b"idempotency_gateway_calls"):
        assert word in exported
    for shown in (answered, logged, metrics, listed, exported):
        assert found({"caller": CALLER}, shown) == set()
        assert found({**ASKED, **TOLD, **NEVER, **TOKENS}, shown) == set()
    for store in stores:
        kept = dump(store)
        assert found({"caller": CALLER, **ASKED, **NEVER, **TOKENS}, kept) == set()
        assert found(TOLD, kept) == (set() if sealed else set(TOLD)), "the dump does show what is kept"
