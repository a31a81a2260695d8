"""Builds the stages of the Dockerfile where there is no builder: each is a directory, its commands run in it by chroot.

The base is a plain Debian with Python and pip, unpacked by debootstrap. Files are copied as a builder does it: only
what ``.dockerignore`` lets into the context, and as root's, unless ``--chown`` says otherwise.
"""

import fnmatch
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.image.dockerfile import Stage, Step

ROOT = Path(__file__).parents[2]
PACKAGES = "python3.11,python3-pip,ca-certificates"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")

# What a builder hands to a command beside its own environment: how the machine reaches its registry.
HANDED = (
    "PIP_INDEX",
    "PIP_EXTRA",
    "PIP_CERT",
    "PIP_TRUSTED",
    "PIP_DEFAULT",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)


def mirror() -> str:
    """Debian's packages, from where this machine has them."""
    told = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)"], capture_output=True, text=True, check=True
    )
    return next(site for site in told.stdout.splitlines() if site.rstrip("/").endswith("/debian"))


def debian(root: Path) -> None:
    """A Debian 12 with Python and pip, unpacked; nothing in it is set up that nobody here asks for."""
    command = [
        "debootstrap",
        "--foreign",
        "--variant=minbase",
        f"--include={PACKAGES}",
        "bookworm",
        str(root),
        mirror(),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    packages = sorted((root / "var/cache/apt/archives").glob("*.deb"))
    for package in packages:
        subprocess.run(["dpkg-deb", "--extract", str(package), str(root)], check=True)
        package.unlink()
    for name in ("etc/resolv.conf", "etc/hosts"):
        (root / name).write_bytes(Path("/", name).read_bytes())
    # What the package makes when it is set up; this machine's own, for its registry may have an authority of its own.
    (root / AUTHORITIES.relative_to("/")).write_bytes(AUTHORITIES.read_bytes())


class Building:
    """The stages that are built, by name; ``base`` is what every FROM that is not ``scratch`` begins with."""

    def __init__(self, folder: Path, base: Path) -> None:
        self._folder = folder
        self._base = base
        self._built: dict[str, Path] = {}

    def build(self, stage: Stage) -> Path:
        """The file system of a stage."""
        root = self._folder / stage.name
        if stage.base == "scratch":
            root.mkdir()
        else:
            self._base.rename(root)
        self._built[stage.name] = root
        place = Path("/")
        for step in stage.steps:
            match step.name:
                case "WORKDIR":
                    place = place / step.text
                    _inside(root, place).mkdir(parents=True, exist_ok=True)
                case "COPY":
                    self._copy(step, root, place)
                case "RUN":
                    _run(step, root, place)
                case _:
                    pass  # What is only written into the image's configuration.
        return root

    def _copy(self, step: Step, root: Path, place: Path) -> None:
        *sources, to = step.words
        owner = tuple(map(int, step.flags["chown"].split(":"))) if "chown" in step.flags else (0, 0)
        target = _inside(root, place / to)
        for source in sources:
            if "from" in step.flags:
                _put(_inside(self._built[step.flags["from"]], Path(source)), target, owner, into=to.endswith("/"))
            else:
                for name in context(source):
                    inside = target / Path(name).relative_to(source) if (ROOT / source).is_dir() else target / source
                    inside = inside if (ROOT / source).is_dir() or to.endswith("/") else target
                    _put(
                        ROOT / name,
                        target / Path(source).name if to.endswith("/") and name == source else inside,
                        owner,
                    )


def _inside(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def _put(source: Path, target: Path, owner: tuple[int, ...], *, into: bool = False) -> None:
    """A file, or what is in a directory."""
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
        made = [target, *(target / path.relative_to(source) for path in source.rglob("*"))]
    else:
        target = target / source.name if into else target
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
        made = [target]
    for path in made:
        os.chown(path, owner[0], owner[1], follow_symlinks=False)


def context(source: str) -> Iterator[str]:
    """Every file under ``source`` that ``.dockerignore`` lets in; ``ValueError`` where that is none."""
    place = ROOT / source
    files = [place] if place.is_file() else [path for path in sorted(place.rglob("*")) if path.is_file()]
    found = [name for name in (path.relative_to(ROOT).as_posix() for path in files) if let_in(name)]
    if not found:
        raise ValueError(f"COPY {source}: .dockerignore lets nothing of it in")
    yield from found


def let_in(name: str) -> bool:
    """The last line that covers a file, or a directory around it, decides."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    around = [name, *(parent.as_posix() for parent in Path(name).parents)]
    inside = True
    for line in lines:
        pattern = line.removeprefix("!")
        patterns = (
            [pattern, pattern.removeprefix("**/"), f"*/{pattern.removeprefix('**/')}"] if "**" in line else [pattern]
        )
        if any(fnmatch.fnmatchcase(each, one) for each in around for one in patterns):
            inside = line.startswith("!")
    return inside


def _run(step: Step, root: Path, place: Path) -> None:
    words = step.words if step.exec_form else ["/bin/sh", "-c", step.text]
    handed = {name: value for name, value in os.environ.items() if name.startswith(HANDED)}
    environ: Mapping[str, str] = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/root", **handed, **step.environ}
    inner = ["env", "-C", str(place), *words]
    # A /proc of its own, so that nothing outside is seen; gone with the command.
    subprocess.run(["unshare", "--mount", "--pid", "--fork", f"--root={root}", *inner], env=environ, check=True)
