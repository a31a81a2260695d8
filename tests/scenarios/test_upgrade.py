"""An upgrade on a busy afternoon: real gateways of two versions on one Postgres and one Redis, replaced one by one.

The new version is this one with the next release's revisions, which are made up: its own package, its own schema, its
own processes. The old version is this one as it is.
"""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

import gateway
from gateway.stores.sql.tables import HEAD
from tests.conftest import emptied
from tests.postgres import Servers
from tests.process import COMMAND, Served, start
from tests.scenarios.balancer import Balancer
from tests.stage import Heard, call
from tests.stores import made_up
from tests.upstream import Upstream

CALLERS, GATEWAYS = 2, 2
# What the balancer needs to notice, many times over.
DELAY = "1s"
# In seconds, of each caller, so that the gateways that start get a turn on a small machine.
PAUSE = 0.02
NEWEST = "9003"


@pytest.fixture
def newer(tmp_path: Path) -> dict[str, str]:
    """The environment in which the command is the next release's."""
    package = tmp_path / "newer" / "gateway"
    shutil.copytree(Path(gateway.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__", "swagger"))
    (package / "admin/static/swagger").symlink_to(Path(gateway.__file__).parent / "admin/static/swagger")
    for revision in Path(made_up.__file__).parent.glob("r900[23]_*.py"):
        text = revision.read_text().replace("from gateway.stores.sql.tables import HEAD\n", f'HEAD = "{HEAD}"\n')
        (package / "stores/sql/migrations/versions" / revision.name).write_text(text)
    tables = package / "stores/sql/tables.py"
    tables.write_text(re.sub(rf'^HEAD = "{HEAD}"$', f'HEAD = "{NEWEST}"', tables.read_text(), flags=re.MULTILINE))
    return {"PYTHONPATH": str(package.parent)}


class Load:
    """Callers who call and retry all the time through the balancer, until they are told to stop."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._keys = (f"k{number}" for number in count())
        self._stop = threading.Event()
        self.first: dict[str, Heard] = {}
        self.wrong: list[str] = []

    def post(self, key: str, port: int | None = None) -> Heard:
        return call(port or self._port, "POST", "/charges", [("Idempotency-Key", key)], key.encode())

    def new(self, port: int | None = None) -> str:
        """A first call; its key."""
        key = next(self._keys)
        self.first[key] = heard = self.post(key, port)
        if heard.told != "201 executed":
            self.wrong.append(f"{key}: {heard.told}")
        return key

    def repeat(self, key: str, port: int | None = None) -> None:
        heard = self.post(key, port)
        if (heard.told, heard.body) != ("201 replayed", self.first[key].body):
            self.wrong.append(f"{key} again: {heard.told}")

    def call_on(self) -> None:
        while not self._stop.wait(PAUSE):
            self.repeat(self.new())

    def stop(self) -> None:
        self._stop.set()


def migrated(environ: dict[str, str], store: str, phase: str, folder: Path) -> str:
    command = [*COMMAND, "migrate", "--store", store, "--phase", phase]
    clean = {**os.environ, **environ}
    return subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=True).stdout


def served(stack: ExitStack, upstream: Upstream, stores: list[str], folder: Path, environ: dict[str, str]) -> Served:
    (folder / "gateway.yaml").write_text(
        f"listen: 127.0.0.1:0\nadmin: {{listen: '127.0.0.1:0'}}\nshutdown_delay: {DELAY}\n"
        f"routes: [{{name: a, upstream: {{url: 'http://127.0.0.1:{upstream.port}'}}}}]\n"
    )
    words = [word for url in stores for word in ("--store", url)]
    gateway = start("--config", "gateway.yaml", *words, folder=folder, environ=environ)
    stack.callback(gateway.kill)
    return gateway


@pytest.fixture
def load() -> Iterator[tuple[Balancer, Load]]:
    with Balancer() as balancer:
        calling = Load(balancer.port)
        yield balancer, calling


def test_an_upgrade_under_load_fails_no_call_and_executes_none_twice(
    upstream: Upstream, servers: Servers, newer: dict[str, str], load: tuple[Balancer, Load], tmp_path: Path
) -> None:
    balancer, calls = load
    with ExitStack() as stack:
        postgres = stack.enter_context(servers.get().database())
        stores = [postgres, emptied()]
        old = [served(stack, upstream, stores, tmp_path, {}) for _ in range(GATEWAYS)]
        for each in old:
            balancer.add(each)
        pool = stack.enter_context(ThreadPoolExecutor(CALLERS))
        stack.callback(calls.stop)
        calling = [pool.submit(calls.call_on) for _ in range(CALLERS)]
        before = calls.new(old[0].port)
        assert "9002" in migrated(newer, postgres, "before", tmp_path)
        for each in old:
            fresh = served(stack, upstream, stores, tmp_path, newer)
            # Both versions at once: each repeats what the other one has executed.
            calls.repeat(before, fresh.port)
            there, back = calls.new(fresh.port), calls.new(each.port)
            calls.repeat(there, each.port)
            calls.repeat(back, fresh.port)
            balancer.add(fresh)
            each.process.terminate()
            balancer.wait_until_left(each)
            assert each.process.wait(30) == 0
        assert NEWEST in migrated(newer, postgres, "after", tmp_path)
        after = calls.new()
        calls.repeat(after)
        calls.stop()
        for each_call in calling:
            each_call.result(30)
        calls.repeat(before)
    assert calls.wrong == []
    assert {key: upstream.count(key) for key in calls.first} == dict.fromkeys(calls.first, 1)
    assert len(calls.first) > 20, "there was hardly any load"


def test_the_version_that_is_upgraded_to_is_another_one(newer: dict[str, str], tmp_path: Path) -> None:
    asked = [sys.executable, "-c", "import gateway.stores.sql.tables as tables; print(tables.HEAD)"]
    environ = {**os.environ, **newer}
    told = subprocess.run(asked, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True).stdout
    assert told.strip() == NEWEST != HEAD
