"""The runbook's commands find what it says that they find, on a gateway with calls of an unknown outcome."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.docs.pages import block
from tests.process import serving
from tests.stage import call
from tests.upstream import Play, running_upstream

# What each block's commands print: of each command something that the runbook sends its reader to look for. The words
# come last, because they leave nothing unknown.
FOUND: dict[tuple[str, str], tuple[str, ...]] = {
    ("runbook", "unknown"): ("unknown", "gateway  reset"),
    ("runbook", "store"): ('"state":"ok"', "store_faults"),
    ("runbook", "front"): ("front_lost_total 0.0",),
    ("runbook", "unguarded"): ("policy_choices", '"state":"ok"'),
    ("runbook", "unreadable"): ("store_faults",),
    ("runbook", "unwritten"): ('settlements_slow_total{route="payments"} 0.0', '"state":"ok"'),
    ("runbook", "sweep"): ('records{state="unknown"} 2.0',),
    ("runbook", "overloaded"): ('upstream_seconds_sum{result="lost",route="payments"}',),
    ("runbook", "refused"): ("caller_refusals",),
    ("runbook", "keys"): ("caller_keys_unreadable_total 0.0",),
    ("runbook", "stale"): ("secrets_stale 0.0",),
    ("runbook", "worker"): ("workers_ended",),
    ("runbook", "lost"): ('outcomes_lost_total{reason="reset",route="payments"} 2.0', "unknown"),
    ("runbook", "fault"): ('internal_faults_total{route="payments"} 0.0',),
    ("runbook", "word"): ("Resolved", "Released"),
}


@dataclass(frozen=True)
class Scene:
    """Where a gateway is, and whose calls are unknown on it."""

    folder: Path
    admin_port: int

    def ask(self, command: str) -> str:
        """What a shell prints for a command; the gateway's own command is on its path."""
        environ = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "IDEMPOTENCY_GATEWAY_ADMIN__LISTEN": f"127.0.0.1:{self.admin_port}",
            "COLUMNS": "200",
        }
        here = command.replace("127.0.0.1:8081", f"127.0.0.1:{self.admin_port}")
        told = subprocess.run(
            ["/bin/sh", "-c", here],
            cwd=self.folder,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (told.returncode, told.stderr) == (0, ""), command
        return told.stdout


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("runbook")
    (folder / "answer.json").write_text('{"id": "ch_17"}')
    with running_upstream() as upstream:
        tree = {"routes": [{"name": "payments", "upstream": {"url": f"http://127.0.0.1:{upstream.port}"}}]}
        with (folder / "gateway.yaml").open("w") as out:
            YAML().dump(tree, out)
        options = ("--config", "gateway.yaml", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
        with serving(*options, folder=folder) as served:
            for key in ("order-4711", "order-4712"):
                upstream.then(Play(then="reset"))
                assert call(served.port, "POST", "/", [("Idempotency-Key", key)], b"{}").status == 502
            yield Scene(folder, served.admin_port)


def test_the_commands_of_the_runbook_find_what_they_look_for(scene: Scene) -> None:
    for shown, found in FOUND.items():
        told = [scene.ask(line) for line in block(*shown).splitlines()]
        for text, part in zip(told, found, strict=True):
            assert part in text
