"""``health``: what the health check of a container asks, of real gateways."""

import subprocess
import sys
from pathlib import Path

from gateway.cli.health import DEFAULT
from gateway.config.settings import AdminSettings
from tests.process import anywhere, run, serving
from tests.upstream import Upstream


def test_a_gateway_that_lives_is_well_and_names_its_stores_when_it_is_ready(upstream: Upstream, tmp_path: Path) -> None:
    with serving(*anywhere(upstream.port), "--store", "memory:", folder=tmp_path) as served:
        url = f"http://127.0.0.1:{served.admin_port}"
        (tmp_path / "gateway.yaml").write_text(f"admin: {{listen: '0.0.0.0:{served.admin_port}'}}\n")
        alive = run("health", "--admin", url, folder=tmp_path)
        assert (alive.returncode, alive.stdout, alive.stderr) == (0, f"{url}/healthz: ok\n", "")
        ready = run("health", "--ready", "--config", "gateway.yaml", folder=tmp_path)
        assert (ready.returncode, ready.stdout) == (0, f"{url}/readyz: ready, memory ok\n")
        environ = {"IDEMPOTENCY_GATEWAY_ADMIN__LISTEN": f"127.0.0.1:{served.admin_port}"}
        assert run("health", folder=tmp_path, environ=environ).returncode == 0
        data = run("health", "--admin", f"http://127.0.0.1:{served.port}", folder=tmp_path)
        assert (data.returncode, data.stdout) == (1, "")
        assert "not as an admin listener does" in data.stderr


def test_where_nobody_answers_it_says_so_and_bad_use_is_told_apart(unused_port: int, tmp_path: Path) -> None:
    nobody = run("health", "--admin", f"http://127.0.0.1:{unused_port}", folder=tmp_path)
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert "Is a gateway's admin listener there?" in nobody.stderr
    assert len(nobody.stderr.splitlines()) == 1
    assert run("health", "--admin", "nonsense", folder=tmp_path).returncode == 2
    assert run("health", "--nonsense", folder=tmp_path).returncode == 2


def test_it_asks_where_a_gateway_listens_that_nobody_told_otherwise() -> None:
    assert f"http://{AdminSettings().listen}" == DEFAULT


def test_it_imports_nothing_that_is_only_for_serving() -> None:
    script = "import sys, gateway.cli.health; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pydantic", "uvicorn", "httpx2", "fastapi", "sqlalchemy", "redis", "asyncio"} & set(loaded)
