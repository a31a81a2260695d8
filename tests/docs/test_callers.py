"""The page on callers: the command that makes a key leads to a call that is let in."""

import re
import shlex
from pathlib import Path

from tests.docs.pages import commands
from tests.process import anywhere, run, serving
from tests.stage import call
from tests.upstream import Upstream


def test_a_key_that_the_command_makes_lets_its_caller_in(upstream: Upstream, tmp_path: Path) -> None:
    (line,) = commands("made", "caller-key")
    made = run(*shlex.split(line)[1:], folder=tmp_path)
    assert (made.returncode, made.stderr) == (0, "")
    key = re.findall(r"igk_[\w-]{43}", made.stdout)
    assert len(key) == 1
    file = tmp_path / "gateway.yaml"
    file.write_text(made.stdout[made.stdout.index("callers:") :])
    with serving("--config", str(file), *anywhere(upstream.port), "--store", "memory:", folder=tmp_path) as served:
        for fields, told in (
            ([], "401 rejected caller-unknown"),
            ([("X-Gateway-Key", key[0])], "201 executed"),
        ):
            assert call(served.port, "POST", "/", [("Idempotency-Key", "k"), *fields], b"{}").told == told


def test_every_key_is_another_one_and_a_name_that_is_none_is_refused(tmp_path: Path) -> None:
    made = {run("caller-key", "--name", "shop", folder=tmp_path).stdout for _ in range(2)}
    assert len(made) == 2
    refused = run("caller-key", "--name", "no name", folder=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("option --name: must be a name")
