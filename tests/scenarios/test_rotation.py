"""Every secret is exchanged under load, as docs/secrets.md has it, and no call fails of it."""

import json
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from ruamel.yaml import YAML

from gateway.protocol.fingerprint import Digester, key_digest
from tests.docs.pages import block
from tests.postgres import Server
from tests.process import run, serving
from tests.redis_servers import eventually
from tests.scenarios.exchanging import Crowd, Known
from tests.scenarios.rotating import Pair, step
from tests.scenarios.tiers import Redis
from tests.stage import call, metric
from tests.upstream import Logged, Play, Upstream, answer

KEYS = {
    "digest-key": "the old key of digests",
    "digest-key-2": "the new key of digests",
    "record-key": "the old key of records",
    "record-key-2": "the new key of records",
}


def executing(logged: Logged, number: int) -> Play:
    """An answer that only this execution has."""
    return Play(answer(201, f"{number} {logged.key}".encode()))


def executed_once(upstream: Upstream) -> None:
    executions = [logged.key for logged in upstream.log]
    assert len(executions) == len(set(executions)), "I1: one execution a key"


@pytest.fixture
def pair(upstream: Upstream, database: str, redis: Redis, tmp_path: Path) -> Pair:
    upstream.by_key = executing
    return Pair(tmp_path, upstream, {"postgres": database, "redis": redis.server.url})


def test_what_records_depend_on_rotates_in_steps_without_one_failed_call(
    pair: Pair, postgres: Server, database: str, tmp_path: Path
) -> None:
    for name, secret in KEYS.items():
        (tmp_path / name).write_text(f"{secret}\n")
    digests_1, digests_2, digests_3, records_1, records_2, records_3 = (
        step(shown, tmp_path)
        for shown in (
            block("steps", "digest-1.yaml"),
            block("steps", "digest-2.yaml"),
            block("steps", "digest-3.yaml"),
            block("steps", "record-1.yaml"),
            block("steps", "record-2.yaml"),
            block("steps", "record-3.yaml"),
        )
    )
    pair.configure(digest={"key": f"file://{tmp_path}/digest-key"}, **records_1)
    with pair.under_load():
        pair.progress(10)
        pair.configure(**digests_1, **records_2)
        pair.roll()
        first, second = pair.balancer.served
        ended = run("keys", "reseal", "--json", "--admin", f"http://127.0.0.1:{first.admin_port}", folder=tmp_path)
        assert ended.returncode == 0, ended.stderr
        told = json.loads(ended.stdout)
        assert (told["resealed"] >= 10, told["unreadable"]) == (True, 0)
        again = call(second.admin_port, "POST", "/api/reseal", [("Content-Type", "application/json")], b"{}").json
        assert (again["resealed"], again["next"]) == (0, None), "nobody seals by the old key any more"
        # What was answered under the old key is retried all the time.
        pair.configure(**digests_2, **records_3)
        pair.roll()
        pair.configure(**digests_3, **records_3)
        refused = run("serve", "--config", "gateway.yaml", folder=tmp_path)
        assert refused.returncode == 2
        assert (
            "records of this store were made under a digest key that is not in digest.keys any more" in refused.stderr
        )
        # What retention does in time.
        made_with = Digester(KEYS["digest-key"].encode()).name
        with pair.forgetting():
            postgres.execute("DELETE FROM records WHERE substr(id, 1, 2) = $1", made_with, url=database)
        pair.roll()
    assert pair.failed == []
    executed_once(pair.upstream)


# What is in a file, at first and then.
CREDENTIAL = ("an-old-credential-canary", "a-new-credential-canary")
TOKEN = ("an-old-token-of-on-call-canary", "a-new-token-of-on-call-canary", "nobodys-token-any-more-canary")
CALLER = ("an-old-key-of-shop-canary", "a-new-key-of-shop-canary")
WORKERS = 2


def put(file: Path, content: str) -> None:
    """As a secret is exchanged: the old file or the new one, never half of it."""
    new = file.with_name(f"{file.name}.new")
    new.write_text(f"{content}\n")
    new.rename(file)


def digests(*keys: str) -> str:
    return "\n".join(f"sha256:{key_digest(key.encode()).hex()}" for key in keys)


@pytest.fixture
def crowd(upstream: Upstream, tmp_path: Path) -> Iterator[Crowd]:
    """A gateway of two processes, each of whose secrets is in a file; ``old`` and ``new`` are authorities."""
    for name, content in (
        ("credential", CREDENTIAL[0]),
        ("token", TOKEN[0]),
        ("token-next", TOKEN[2]),
        ("caller", digests(CALLER[0])),
    ):
        put(tmp_path / name, content)
    believed = ssl.create_default_context()
    for name in ("new", "old"):
        authority = trustme.CA()
        authority.configure_trust(believed)
        authority.cert_pem.write_to_path(str(tmp_path / f"{name}-ca"))
        leaf = authority.issue_cert("127.0.0.1")
        for part, pem in (("certificate", leaf.cert_chain_pems[0]), ("key", leaf.private_key_pem)):
            put(tmp_path / part, pem.bytes().decode())
            put(tmp_path / f"{name}-{part}", pem.bytes().decode())
    file = f"file://{tmp_path}"
    tree = {
        "listen": {"address": "127.0.0.1:0", "tls": {"certificate": f"{file}/certificate", "key": f"{file}/key"}},
        "admin": {
            "listen": "127.0.0.1:0",
            "tokens": [
                {"name": "on-call", "role": "settle", "token": f"{file}/token"},
                {"name": "on-call-next", "role": "settle", "token": f"{file}/token-next"},
            ],
        },
        "store": {"sqlite": str(tmp_path / "gateway.db")},
        "workers": WORKERS,
        "log": {"level": "debug"},
        "callers": [{"name": "shop", "key": f"{file}/caller"}],
        "routes": [
            {
                "name": "api",
                "upstream": {
                    "url": f"http://127.0.0.1:{upstream.port}",
                    "headers": {"set": {"X-Api-Key": f"{file}/credential"}},
                },
            }
        ],
    }
    with (tmp_path / "gateway.yaml").open("w") as out:
        YAML().dump(tree, out)
    with serving("--config", "gateway.yaml", folder=tmp_path) as served:
        yield Crowd(served, Known(CALLER[0], TOKEN[0], believed))


def test_what_is_in_a_file_rotates_without_a_restart_and_without_one_failed_call(
    crowd: Crowd, upstream: Upstream, tmp_path: Path
) -> None:
    accepted = {*CREDENTIAL}

    def judged(logged: Logged, number: int) -> Play:
        known = dict(logged.headers)["x-api-key"] in accepted
        return executing(logged, number) if known else Play(answer(401))

    def read(times: int, *settings: str) -> bool:
        """Whether each of these was exchanged so often, in all processes together."""
        name = "idempotency_gateway_secrets_read_total"
        return {metric(crowd.served.admin_port, f'{name}{{setting="{each}"}}') for each in settings} == {times}

    def keys_read(times: int) -> bool:
        return metric(crowd.served.admin_port, "idempotency_gateway_caller_keys_read_total") == times * WORKERS

    upstream.by_key = judged
    with crowd.under_load():
        crowd.progress()
        # Both the old and the new one count.
        put(tmp_path / "credential", CREDENTIAL[1])
        for part in ("key", "certificate"):
            put(tmp_path / part, (tmp_path / f"new-{part}").read_text())
        put(tmp_path / "caller", digests(*CALLER))
        put(tmp_path / "token-next", TOKEN[1])
        # The process that has the operator's listener asks upstreams about unknown calls, with the same credential.
        eventually(lambda: read(WORKERS + 1, "routes.0.upstream.headers.set.X-Api-Key") and keys_read(1))
        eventually(lambda: read(WORKERS, "listen.tls") and read(1, "admin.tokens.1.token"))
        believed = ssl.create_default_context(cafile=str(tmp_path / "new-ca"))
        before, after = crowd.known, Known(CALLER[1], TOKEN[1], believed)
        crowd.turn_to(after)
        accepted.remove(CREDENTIAL[0])
        # The old ones are withdrawn.
        put(tmp_path / "caller", digests(CALLER[1]))
        put(tmp_path / "token", "an-unused-token-of-on-call")
        eventually(lambda: keys_read(2) and read(1, "admin.tokens.0.token"))
        crowd.progress()
    assert crowd.failed == []
    executed_once(upstream)
    assert crowd.post("late", replace(after, caller_key=before.caller_key)).told == "401 rejected caller-unknown"
    assert crowd.ask(before).status == 401
    with pytest.raises(ssl.SSLCertVerificationError):
        crowd.post("late", replace(after, context=ssl.create_default_context(cafile=str(tmp_path / "old-ca"))))
    assert crowd.served.stop() == 0
    logged = json.dumps(crowd.served.logged())
    assert "secret-read" in logged
    assert "canary" not in logged
