"""No page can rot: what it shows is run, compared or taken by a test, and what it links to is there."""

import importlib.util
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from gateway.config.load import check
from tests.docs.pages import NAMES, PAGES, ROOT, Block, anchors, blocks, links, prose, with_secrets
from tests.process import run, serving

ANYWHERE = ("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
RUN = {"check", "serve", "schema"}
BESIDE = "routes: [{name: a, upstream: {url: 'https://u'}}]\n"


def taken_here(each: Block) -> bool:
    """Configurations have a name, pieces and commands none."""
    return bool(each.name) if each.kind == "config" else each.kind in {"yaml", "sh"} and not each.name


def shown(page: str, kind: str) -> list[Block]:
    """The blocks of a kind that are tested here."""
    return [each for each in blocks(page) if each.kind == kind and taken_here(each)]


def laid_out(page: str, folder: Path) -> None:
    """The page's configurations, as files."""
    for each in shown(page, "config"):
        (folder / each.name).write_text(with_secrets(each.text, folder))


@pytest.mark.parametrize("page", NAMES)
def test_every_configuration_is_good(page: str, tmp_path: Path) -> None:
    laid_out(page, tmp_path)
    for each in shown(page, "config"):
        assert check(tmp_path / each.name, {}) == (), each.name


@pytest.mark.parametrize("page", NAMES)
def test_every_piece_of_a_configuration_is_good_beside_a_route(page: str, tmp_path: Path) -> None:
    for each in shown(page, "yaml"):
        routed = re.search(r"^routes:", each.text, re.MULTILINE)
        piece = with_secrets(each.text if routed else f"{each.text}\n{BESIDE}", tmp_path)
        (tmp_path / "piece.yaml").write_text(piece)
        assert check(tmp_path / "piece.yaml", {}) == (), each.text


@pytest.mark.parametrize("page", NAMES)
def test_every_command_of_the_gateway_does_what_it_says(page: str, tmp_path: Path) -> None:
    laid_out(page, tmp_path)
    for line in [line for each in shown(page, "sh") for line in each.lines()]:
        name, verb, *options = shlex.split(line)
        assert (name, verb in RUN) == ("idempotency-gateway", True), f"{line}: mark its block, and run it in a test"
        if verb == "serve":
            with serving(*options, *ANYWHERE, folder=tmp_path) as served:
                assert served.stop() == 0
        else:
            assert run(verb, *options, folder=tmp_path).returncode == 0, line


def test_nothing_is_shown_that_no_test_takes() -> None:
    """Commands that set up an environment are what ``.ci/run`` runs first, in a fresh clone."""
    tests = "".join(file.read_text() for file in (ROOT / "tests").rglob("*.py"))
    set_up = (ROOT / ".ci" / "run").read_text()
    untaken = [
        f"{each.page}: {each.kind} {each.name}: {each.text[:60]!r}"
        for each in blocks()
        if not taken_here(each)
        and not (each.name and re.search(rf'"{each.kind}",\s*"{re.escape(each.name)}"', tests))
        and not (each.kind == "command" and f"command_of {each.name})" in set_up)
    ]
    assert untaken == []


def test_no_two_blocks_have_one_name() -> None:
    named = [(each.kind, each.name) for each in blocks() if each.name]
    assert sorted(named) == sorted(set(named))


@pytest.mark.parametrize("page", NAMES)
def test_every_link_leads_somewhere(page: str) -> None:
    for link in links(page):
        target, _, anchor = link.partition("#")
        file = (ROOT / page).parent / target if target else ROOT / page
        assert file.exists(), link
        assert not anchor or anchor in anchors(file), link


def test_every_page_can_be_found_from_the_readme() -> None:
    found, to_read = {NAMES[0]}, [NAMES[0]]
    while to_read:
        page = to_read.pop()
        for link in links(page):
            target = ((ROOT / page).parent / link.partition("#")[0]).resolve()
            name = target.relative_to(ROOT).as_posix()
            if target in PAGES and name not in found:
                found.add(name)
                to_read.append(name)
    assert found == set(NAMES)


def test_verbs_that_the_pages_name_exist(tmp_path: Path) -> None:
    verbs = {"serve", "check", "schema", "migrate", "sweep", "demo", "keys", "health", "caller-key"}
    assert set(re.findall(rf"`(?:idempotency-gateway )?({'|'.join(verbs)})\b", prose())) == verbs
    told = run("--help", folder=tmp_path).stdout
    assert verbs == set(re.findall(r"^│ ([a-z][\w-]*)", told, re.MULTILINE))


def test_every_module_and_file_that_the_pages_name_is_there() -> None:
    modules = set(re.findall(r"python -m ((?:tests|loadtests)[\w.]*\w)", prose()))
    missing = {module for module in modules if importlib.util.find_spec(module) is None}
    files = set(re.findall(r"`((?:gateway|tests|examples|helm|loadtests)/[\w./-]*)`", prose()))
    assert len(modules) > 5
    assert len(files) > 5
    assert missing | {file for file in files if not (ROOT / file).exists()} == set()


def test_the_page_for_engineers_has_every_room_of_the_house() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    table = (ROOT / "docs" / "engineering.md").read_text().partition("## The path of a call")[0]
    rooms = re.findall(r"`(\w+)`", "\n".join(line.split("|")[1] for line in table.splitlines() if line[:3] == "| `"))
    assert sorted(rooms) == sorted(room.strip() for layer in layers for room in layer.split("|"))
