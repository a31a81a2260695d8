"""What runs in production is locked, whole, and the same that the tests run with."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.docs.pages import block
from tests.supply import bill
from tests.supply.locks import BUILD_LOCK, CONSTRAINTS, HEADER, LOCK, ROOT, Locked, pinned, read, wanted

AGAIN = "run: make lock"

# What may be given to others in an image together with this project, whatever its own licence is.
PERMISSIVE = {
    *("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0", "Unlicense", "0BSD"),
}


@pytest.fixture(scope="module")
def locked() -> dict[str, Locked]:
    return {each.name: each for each in read(LOCK)}


@pytest.mark.parametrize("lock", [LOCK, BUILD_LOCK], ids=lambda path: path.name)
def test_every_file_that_may_be_installed_is_known_by_its_hash_and_none_by_its_place(lock: Path) -> None:
    entries = read(lock)
    assert len({each.name for each in entries}) == len(entries) > 0
    assert [each.name for each in entries if not each.hashes] == []
    assert "://" not in lock.read_text()


def test_what_is_locked_is_what_the_tests_run_with(locked: dict[str, Locked]) -> None:
    pins = pinned()
    differ = {name: (each.version, pins.get(name)) for name, each in locked.items() if each.version != pins.get(name)}
    elsewhere = {name for name in differ if not locked[name].needed_here and name not in pins}
    assert set(differ) == elsewhere, f"{CONSTRAINTS.name} has other versions; {AGAIN}"


def test_the_lock_is_what_the_project_needs_and_whatever_that_brings_along(locked: dict[str, Locked]) -> None:
    asked = [each for each in wanted() if each.marker is None or each.marker.evaluate()]
    found, to_see = set[str](), [str(canonicalize_name(each.name)) for each in asked]
    while to_see:
        name = to_see.pop()
        if name not in found:
            found.add(name)
            to_see += bill.needs(name)
    assert found == {name for name, each in locked.items() if each.needed_here}, AGAIN
    for each in asked:
        assert each.specifier.contains(locked[canonicalize_name(each.name)].version), f"{each}; {AGAIN}"


def test_a_lock_with_anything_else_in_it_is_refused(tmp_path: Path) -> None:
    digest = f"    --hash=sha256:{'0' * 64}\n"
    file = tmp_path / "requirements.lock"
    for text in (f"a>=1 \\\n{digest}", f"a==1 \\\n{digest}b==1\n", f"--index-url https://x\na==1 \\\n{digest}"):
        file.write_text(text)
        with pytest.raises(ValueError, match=r"what is this|is not one version"):
            read(file)
    file.write_text(f"a==1 \\\n{digest}")
    assert [(each.name, each.version) for each in read(file)] == [("a", "1")]


def test_the_bill_of_materials_is_made_of_the_lock() -> None:
    assert bill.PLACE.read_text() == bill.text(), AGAIN


def test_the_bill_of_materials_names_everything_once_with_version_licence_and_hashes(locked: dict[str, Locked]) -> None:
    made = bill.bill()
    assert {each["name"]: each["version"] for each in made["components"]} == {
        name: each.version for name, each in locked.items()
    }
    for each in made["components"]:
        (files,) = [files["hashes"] for files in each["externalReferences"]]
        assert ["sha256:" + file["content"] for file in files] == list(locked[each["name"]].hashes)
        (licence,) = each["licenses"]
        named = set(re.findall(r"[\w.+-]+", licence["expression"])) - {"AND", "OR", "WITH"}
        assert named, f"{each['name']}: no licence is told; look it up and write it into {bill.__name__}"
        assert named <= PERMISSIVE, each["name"]
    known = {each["bom-ref"] for each in made["components"]} | {made["metadata"]["component"]["bom-ref"]}
    assert {each["ref"] for each in made["dependencies"]} == known
    needed = {ref for each in made["dependencies"] for ref in each["dependsOn"]}
    assert known - needed == {made["metadata"]["component"]["bom-ref"]}, "something is there that nothing needs"


def test_the_builder_that_is_locked_is_one_that_the_project_takes() -> None:
    (builder,) = [each for each in read(BUILD_LOCK) if each.name == "hatchling"]
    assert Requirement("hatchling>=1.27").specifier.contains(builder.version)


def test_what_is_shown_is_how_the_image_is_made() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    shown = block("image", "install").strip()
    assert shown in HEADER.format(name=LOCK.name)
    assert set(shown.split()[2:]) <= set(dockerfile.split())
    built = block("image", "build").strip()
    assert f"#     {built}\n" in dockerfile
