"""The commands on a Postgres store: refused with the command that mends it, mended by it, the password never told."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import Servers
from tests.process import anywhere, run, serving
from tests.stage import call
from tests.upstream import Upstream

KEY = ("Idempotency-Key", "k")


@pytest.fixture
def secret(servers: Servers) -> Iterator[str]:
    """The URL of an empty database, with a password."""
    with servers.get().database(template="template1") as url:
        yield url.replace("postgres@", "postgres:hunter2@")


def test_serve_demands_migrate_and_then_serves(upstream: Upstream, secret: str, tmp_path: Path) -> None:
    refused = run("serve", *anywhere(9), "--store", secret, folder=tmp_path)
    assert refused.returncode == 2
    assert len(refused.stderr.strip().splitlines()) == 1
    shown = secret.replace(":hunter2", "")
    assert f"run `idempotency-gateway migrate --store {shown}`" in refused.stderr

    behind = run("migrate", "--store", secret, "--check", folder=tmp_path)
    assert (behind.returncode, behind.stdout) == (1, f"{shown}: the schema is absent.\n")
    for _ in range(2):
        assert run("migrate", "--store", secret, folder=tmp_path).returncode == 0
    current = run("migrate", "--store", secret, "--check", folder=tmp_path)
    assert (current.returncode, current.stdout) == (0, f"{shown}: the schema is current.\n")

    with serving(*anywhere(upstream.port), "--store", secret, folder=tmp_path) as served:
        assert served.started["store"] == shown
        assert call(served.port, "POST", "/charges", [KEY], b"{}").told == "201 executed"
        ready = json.loads(call(served.admin_port, "GET", "/readyz", [], None).body)
        assert ready == {"status": "ready", "stores": {"postgres": {"role": "authority", "state": "ok"}}}
        assert served.stop() == 0
        assert "hunter2" not in json.dumps([served.started, *served.logged()])
    swept = run("sweep", "--store", secret, folder=tmp_path)
    assert swept.returncode == 0
    assert "hunter2" not in refused.stdout + refused.stderr + behind.stdout + swept.stdout


def test_the_url_may_come_from_a_file_or_the_environment(upstream: Upstream, secret: str, tmp_path: Path) -> None:
    assert run("migrate", "--store", secret, folder=tmp_path).returncode == 0
    (tmp_path / "url").write_text(f"{secret}\n")
    (tmp_path / "c.yaml").write_text(
        f"store: {{postgres: 'file://{tmp_path}/url'}}\n"
        f"routes: [{{name: api, upstream: {{url: 'http://127.0.0.1:{upstream.port}'}}}}]\n"
    )
    listen = ("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
    with serving("--config", "c.yaml", *listen, folder=tmp_path) as served:
        assert served.started["store"] == secret.replace(":hunter2", "")
        assert served.stop() == 0
    swept = run("sweep", folder=tmp_path, environ={"IDEMPOTENCY_GATEWAY_STORE__POSTGRES": secret})
    assert swept.returncode == 0


def test_a_server_that_does_not_answer_is_one_sentence_without_the_password(tmp_path: Path, unused_port: int) -> None:
    url = f"postgresql://gateway:hunter2@127.0.0.1:{unused_port}/gateway"
    ended = run("serve", *anywhere(9), "--store", url, folder=tmp_path)
    assert ended.returncode == 1
    assert "cannot be reached" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert "hunter2" not in ended.stderr
