"""The image: built by the Dockerfile's own stages, run as its user with a root that nobody can write to."""

import json
import os
import re
import stat
import subprocess
import tomllib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.helm.rendering import SCENARIOS, pods, rendered, values_of
from tests.image.building import ROOT, Building, debian, let_in
from tests.image.dockerfile import pairs, stages
from tests.image.running import Image, end
from tests.process import Served
from tests.stage import call
from tests.supply.bill import PLACE
from tests.supply.locks import LOCK, read
from tests.upstream import Upstream

DOCKERFILE = ROOT / "Dockerfile"
KEY = ("Idempotency-Key", "k")
# Of a shell, a package manager, a compiler, and of what else would help whoever gets in.
NO_TOOLS = re.compile(r"(ba|da|z|k|a)?sh|busybox|pip[\d.]*|apt.*|dpkg.*|gcc.*|cc|ld|perl.*|curl|wget|env|su|sudo|mount")


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    if os.geteuid() != 0:
        pytest.fail("building an image without a builder takes root: run it as root, or build with docker")
    folder = tmp_path_factory.mktemp("image")
    debian(folder / "debian")
    building = Building(folder, folder / "debian")
    *_, (root, stage) = [(building.build(stage), stage) for stage in stages(DOCKERFILE.read_text())]
    return Image(root, stage)


@contextmanager
def served(image: Image, *arguments: str) -> Generator[Served]:
    command = image.command("serve", "--log-format", "json", *arguments)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    line = process.stderr.readline()
    try:
        assert line.startswith("{"), line + process.stderr.read()
        yield Served(process, json.loads(line), [])
    finally:
        process.kill()
        process.wait(30)
        process.stderr.close()


def files(image: Image) -> list[Path]:
    brought = {image.root / name for name in ("proc", "dev")}
    return [path for path in image.root.rglob("*") if not brought & {path, *path.parents}]


def test_it_charges_once_and_replays_as_a_user_without_rights_on_a_root_that_is_read_only(
    image: Image, upstream: Upstream
) -> None:
    options = (
        "--upstream",
        f"http://127.0.0.1:{upstream.port}",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
    )
    with served(image, *options) as gateway:
        assert gateway.started["store"] == "sqlite /var/lib/idempotency-gateway/idempotency-gateway.db"
        for told in ("201 executed", "201 replayed"):
            assert call(gateway.port, "POST", "/charges", [KEY], b"{}").told == told
        # Too large to be held in memory: it waits in /tmp.
        large = call(gateway.port, "POST", "/charges", [("Idempotency-Key", "large")], b"x" * (2 * 1024 * 1024))
        assert large.told == "201 executed"
        (first,) = Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children").read_text().split()
        status = Path(f"/proc/{first}/status").read_text()
        assert re.search(r"^Uid:\t65532\t65532\t65532\t65532$", status, re.MULTILINE)
        assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
        assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)
        health = image.stage.one("HEALTHCHECK").text.removeprefix("CMD ")
        asked = [*json.loads(health), "--ready", "--admin", f"http://127.0.0.1:{gateway.admin_port}"]
        well = image.run(image.alone(*asked))
        assert (well.returncode, well.stderr) == (0, ""), well
        assert "ready, sqlite ok" in well.stdout
        assert end(gateway.process) == 0
    assert [upstream.count(key) for key in ("k", "large")] == [1, 1]
    ill = image.run(image.alone(*asked))
    assert ill.returncode == 1


def test_nothing_of_it_can_be_written_to_but_its_volumes(image: Image) -> None:
    tried = "import sys; open(sys.argv[1], 'w')"
    for place, refused in (("/x", True), ("/opt/gateway/x", True), ("/tmp/x", False), ("x", False)):
        ended = image.run(image.alone("python", "-c", tried, place))
        assert ("Read-only file system" in ended.stderr) is refused, ended
    own = [path for path in files(image) if path.lstat().st_uid != 0]
    assert {"/" + path.relative_to(image.root).as_posix() for path in own} == set(image.stage.one("VOLUME").words)
    loose = [path for path in files(image) if not path.is_symlink() and path.stat().st_mode & 0o7022]
    assert loose == [], "written by others than root, or with another's rights"


def test_there_is_no_shell_no_package_manager_and_no_compiler_in_it(image: Image) -> None:
    programs = [path for path in files(image) if path.is_file() and path.stat().st_mode & stat.S_IXUSR]
    assert len(programs) > 5
    assert [path for path in programs if NO_TOOLS.fullmatch(path.name)] == []
    assert "No module named pip" in image.run(image.alone("python", "-m", "pip")).stderr
    for name in ("ENTRYPOINT", "CMD"):
        assert image.stage.one(name).exec_form
    assert image.stage.one("HEALTHCHECK").text.startswith('CMD ["')
    assert image.stage.all("RUN") == []


def test_it_holds_what_is_locked_and_says_so_in_its_bill_of_materials(image: Image) -> None:
    asked = "import importlib.metadata as m; print(*(f'{d.name} {d.version}' for d in m.distributions()), sep='\\n')"
    told = image.run(image.alone("python", "-c", asked)).stdout.splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    # Debian 12 has Python 3.11.2, so that everything in the lock is needed there.
    locked = {each.name: each.version for each in read(LOCK)} | {project["name"]: project["version"]}
    assert {re.sub(r"[-_.]+", "-", line.split()[0]).lower(): line.split()[1] for line in told} == locked
    labels = pairs(image.stage.one("LABEL").text)
    assert labels["org.opencontainers.image.version"] == project["version"]
    assert labels["org.opencontainers.image.description"] == project["description"]
    assert (image.root / labels["idempotency-gateway.sbom"].lstrip("/")).read_text() == PLACE.read_text()
    assert image.run(image.command("--version")).stdout == f"idempotency-gateway {project['version']}\n"


def test_everything_in_it_is_compiled_and_of_one_instant(image: Image) -> None:
    library = next((image.root / "opt/gateway/lib").glob("python3*")) / "site-packages"
    sources = {path for path in library.rglob("*.py") if path.stat().st_size}
    compiled = {path.parent.parent / f"{path.name.split('.')[0]}.py" for path in library.rglob("*.pyc")}
    assert len(sources) > 1000
    assert sources - compiled == set()
    instants = {path.lstat().st_mtime for path in files(image) if path.is_relative_to(image.root / "opt")}
    assert len(instants) == 1


def test_it_trusts_the_authorities_that_the_base_knows(image: Image) -> None:
    asked = "import ssl; print(ssl.create_default_context().cert_store_stats()['x509_ca'])"
    assert int(image.run(image.alone("python", "-c", asked)).stdout) > 50


def test_what_the_chart_runs_is_what_the_image_can_do(image: Image) -> None:
    verbs = {
        tuple(container["args"][:1])
        for scenario in SCENARIOS
        for _, pod in pods(rendered(values_of(scenario)))
        for container in [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]
    }
    assert verbs == {("serve",), ("migrate",), ("demo",), ("health",)}
    for verb in verbs:
        assert image.run(image.command(*verb, "--help")).returncode == 0


def test_only_what_is_copied_gets_into_the_build() -> None:
    for name in ("gateway/__main__.py", "gateway/stores/redis/scripts/grant.lua", "pyproject.toml"):
        assert let_in(name)
    for name in ("tests/image/test_image.py", ".git/config", ".venv/bin/python", "gateway/__pycache__/x.pyc", "a.db"):
        assert not let_in(name)


@pytest.mark.parametrize("line", ["ADD a b", "RUN --mount=type=cache x", "COPY --link a b", 'SHELL ["a"]'])
def test_an_instruction_that_is_not_understood_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="what does this do"):
        stages(f"FROM scratch\n{line}\n")
