"""Every secret is exchanged under load, in the steps of docs/secrets.md, and no call fails of it."""

from pathlib import Path

import pytest

from gateway.protocol.fingerprint import Digester
from tests.docs.pages import block
from tests.postgres import Server
from tests.process import run
from tests.scenarios.rotating import Pair, step
from tests.scenarios.tiers import Redis
from tests.upstream import Logged, Play, Upstream, answer

RECORD_KEYS = ("the old key of records", "the new key of records")
DIGEST_KEYS = {"digest-key": "the old key of digests", "digest-key-2": "the new key of digests"}


def executing(logged: Logged, number: int) -> Play:
    """An answer that only this execution has."""
    return Play(answer(201, f"{number} {dict(logged.headers)['idempotency-key']}".encode()))


@pytest.fixture
def pair(upstream: Upstream, database: str, redis: Redis, tmp_path: Path) -> Pair:
    upstream.by_key = executing
    return Pair(tmp_path, upstream, {"postgres": database, "redis": redis.server.url})


def test_every_secret_rotates_under_load_without_one_failed_call(
    pair: Pair, postgres: Server, database: str, tmp_path: Path
) -> None:
    for name, secret in DIGEST_KEYS.items():
        (tmp_path / name).write_text(f"{secret}\n")
    old, new = RECORD_KEYS
    before = {"digest": {"key": f"file://{tmp_path}/digest-key"}}
    steps = [
        step(block("steps", "digest-1.yaml"), tmp_path) | {"encryption": {"keys": [old, new]}},
        step(block("steps", "digest-2.yaml"), tmp_path) | {"encryption": {"keys": [new, old]}},
    ]
    last = step(block("steps", "digest-3.yaml"), tmp_path) | {"encryption": {"keys": [new]}}
    pair.configure(**before, encryption={"keys": [old]})
    with pair.under_load():
        pair.progress(10)
        for settings in steps:
            pair.configure(**settings)
            pair.roll()
        pair.configure(**last)
        refused = run("serve", "--config", "gateway.yaml", folder=tmp_path)
        assert refused.returncode == 2
        assert (
            "records of this store were made under a digest key that is not in digest.keys any more" in refused.stderr
        )
        # What retention does in time.
        made_with = Digester(DIGEST_KEYS["digest-key"].encode()).name
        with pair.forgetting():
            postgres.execute("DELETE FROM records WHERE substr(id, 1, 2) = $1", made_with, url=database)
        pair.roll()
    assert pair.failed == []
    executions = [dict(logged.headers)["idempotency-key"] for logged in pair.upstream.log]
    assert len(executions) == len(set(executions)), "I1: one execution a key"
