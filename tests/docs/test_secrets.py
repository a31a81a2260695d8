"""What the page of secrets shows an operator, who follows it step by step."""

import shlex
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.docs.pages import block, commands
from tests.process import Served, run, serving
from tests.scenarios.rotating import step
from tests.stage import call, configuration
from tests.upstream import Play, Upstream, answer

KEYS = {"record-key": "the old key of records", "record-key-2": "the new key of records"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, secret in KEYS.items():
        (tmp_path / name).write_text(f"{secret}\n")
    return tmp_path


@contextmanager
def gateway(upstream: Upstream, folder: Path, shown: str) -> Generator[Served]:
    settings = configuration(upstream, f"sqlite:///{folder}/gateway.db") | step(shown, folder)
    with (folder / "gateway.yaml").open("w") as out:
        YAML().dump(settings, out)
    with serving("--config", "gateway.yaml", folder=folder) as served:
        yield served


def post(served: Served, key: str) -> str:
    return call(served.port, "POST", "/", [("Idempotency-Key", key)], b"{}").told


def test_records_are_sealed_anew_as_the_page_shows_and_the_old_key_goes(upstream: Upstream, folder: Path) -> None:
    with gateway(upstream, folder, block("steps", "record-1.yaml")) as served:
        assert post(served, "old") == "201 executed"
    with gateway(upstream, folder, block("steps", "record-2.yaml")) as served:
        assert post(served, "new") == "201 executed"
        upstream.then(Play(answer(429)))
        assert post(served, "turned-away") == "429 not-executed"
        environ = {"IDEMPOTENCY_GATEWAY_ADMIN__LISTEN": f"127.0.0.1:{served.admin_port}"}
        words = [shlex.split(line)[1:] for line in commands("operator", "reseal")]
        ended = [run(*each, folder=folder, environ=environ) for each in words]
    assert [each.returncode for each in ended] == [0, 0]
    assert ended[1].stdout == block("output", "reseal")
    with gateway(upstream, folder, block("steps", "record-3.yaml")) as served:
        assert [post(served, key) for key in ("old", "new")] == ["201 replayed"] * 2
