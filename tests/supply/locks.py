"""What runs in production, as ``requirements.lock`` has it; and what it takes to build it, ``requirements-build.lock``.

``python -m tests.supply.locks`` makes both anew out of ``pyproject.toml`` and ``constraints.txt``, with uv, and looks
whether there are wheels for each kind of machine. Everybody else only reads them.
"""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT, CONSTRAINTS = ROOT / "pyproject.toml", ROOT / "constraints.txt"
LOCK, BUILD_LOCK = ROOT / "requirements.lock", ROOT / "requirements-build.lock"

# Where the image runs.
MACHINES = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28")
# Said of each distribution by uv, as ``pyproject.toml`` asks for no other kind of machine.
EVERYWHERE = "platform_python_implementation == 'CPython' and sys_platform == 'linux'"
HEADER = "# Made by `make lock`; install with: pip install --require-hashes --only-binary :all: --no-deps -r {name}\n"

_ENTRY = re.compile(r"^(?P<what>\S[^\\\n]*?) \\\n(?P<hashes>(?: {4}--hash=\S+(?: \\)?\n)+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Locked:
    """One distribution: its canonical name, the one version, where it is needed, and what its files may be."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]

    @property
    def needed_here(self) -> bool:
        """Whether this interpreter on this machine needs it."""
        return not self.marker or Marker(self.marker).evaluate()


def read(lock: Path) -> tuple[Locked, ...]:
    """Everything in a lock, in its order; ``ValueError`` where a line is none of its own."""
    text = "".join(line for line in lock.read_text().splitlines(keepends=True) if not line.startswith("#"))
    found = list(_entries(text))
    if rest := _ENTRY.sub("", text).strip():
        raise ValueError(f"{lock.name}: what is this? {rest.splitlines()[0]}")
    return tuple(found)


def _entries(text: str) -> Iterator[Locked]:
    for entry in _ENTRY.finditer(text):
        wanted = Requirement(entry["what"])
        (pin,) = wanted.specifier
        if pin.operator != "==" or wanted.url:
            raise ValueError(f"{wanted} is not one version")
        hashes = tuple(re.findall(r"--hash=(sha256:[0-9a-f]{64})\b", entry["hashes"]))
        marker = str(wanted.marker or "")
        yield Locked(canonicalize_name(wanted.name), pin.version, marker, hashes)


def pinned() -> dict[str, str]:
    """``constraints.txt``: canonical names and versions."""
    pins = (Requirement(line) for line in CONSTRAINTS.read_text().splitlines() if line and not line.startswith("#"))
    return {canonicalize_name(each.name): next(iter(each.specifier)).version for each in pins}


def wanted() -> list[Requirement]:
    """What ``pyproject.toml`` asks for to run."""
    return [Requirement(each) for each in tomllib.loads(PROJECT.read_text())["project"]["dependencies"]]


def _compile(source: str, out: Path, *options: str) -> None:
    command = ["uv", "pip", "compile", source, "--constraint", str(CONSTRAINTS), "--python-version", "3.11"]
    common = ["--only-binary", ":all:", "--generate-hashes", "--no-header", "--no-annotate", "--quiet"]
    build = "\n".join(tomllib.loads(PROJECT.read_text())["build-system"]["requires"])
    subprocess.run([*command, *common, *options, "--output-file", str(out)], input=build, text=True, check=True)


def main() -> None:
    """Writes both locks."""
    for source, lock in ((str(PROJECT), LOCK), ("-", BUILD_LOCK)):
        for machine in MACHINES:
            _compile(source, Path("/dev/null"), "--python-platform", machine)
        lock.unlink(missing_ok=True)
        _compile(source, lock, "--universal")
        text = lock.read_text().replace(f" ; {EVERYWHERE}", "").replace(f" and {EVERYWHERE}", "")
        lock.write_text(HEADER.format(name=lock.name) + text)


if __name__ == "__main__":
    main()
