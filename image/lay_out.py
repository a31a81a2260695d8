"""Lays out the file system of the image, in the build: ``lay_out.py ENVIRONMENT TO SBOM``.

``TO/root`` gets the environment of the gateway, the Python that it is made with, every shared library that either is
linked with, certificate authorities and who the user is, each at its own place; ``TO/empty`` is an empty directory.
Everything is compiled beforehand, and no instant of the build stands in it. Ends where a library is missing.
"""

import compileall
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from py_compile import PycInvalidationMode

AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
PLACES_OF_LIBRARIES = Path("/etc/ld.so.cache")
USER = 65532

# Of the standard library: what no server needs, or what would need more than there is.
LEFT_OUT = {
    *("__pycache__", "site-packages", "dist-packages", "test", "idlelib", "tkinter", "turtledemo", "turtle.py"),
    *("ensurepip", "venv", "lib2to3", "pydoc_data", "curses", "dbm", "distutils"),
}
LEFT_OUT_PARTS = re.compile(
    r"(_tkinter|_curses|_curses_panel|readline|_dbm|_gdbm|nis|_?xxlimited\w*|_?test\w*|_ctypes_test)\."
)
_CONFIG = re.compile(r"config-3\.\d+-")

WRITTEN = {
    "etc/passwd": f"root:x:0:0::/:/none\ngateway:x:{USER}:{USER}::/var/lib/idempotency-gateway:/none\n",
    "etc/group": f"root:x:0:\ngateway:x:{USER}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


class Layout:
    """A file system in the making, under ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def inside(self, path: Path) -> Path:
        """Where an absolute path lies."""
        return self.root / path.relative_to("/")

    def add(self, path: Path) -> None:
        """A file, or a directory with all that is in it. A link is a link there too, and leads to what it leads to."""
        for parent in reversed(path.parents[:-1]):
            if parent.is_symlink():
                self._link(parent)
                # Every link on the way is laid out by this, too.
                return self.add(Path(os.path.normpath(parent.parent / parent.readlink())) / path.relative_to(parent))
            self.inside(parent).mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            self._link(path)
            self.add(Path(os.path.normpath(path.parent / path.readlink())))
        elif path.is_dir():
            self.inside(path).mkdir(parents=True, exist_ok=True)
            for child in sorted(path.iterdir()):
                if not _left_out(child):
                    self.add(child)
        elif not self.inside(path).exists():
            shutil.copyfile(path, self.inside(path))
            self.inside(path).chmod(0o755 if os.access(path, os.X_OK) else 0o644)
        return None

    def _link(self, path: Path) -> None:
        if not self.inside(path).is_symlink():
            self.inside(path).symlink_to(path.readlink())

    def write(self, name: str, text: str) -> None:
        """A file of this build's own."""
        place = self.root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def finish(self, instant: int) -> None:
        """Compiles what can be, and gives everything one time."""
        for place in (sysconfig.get_path("stdlib"), *(str(p) for p in Path("/opt").glob("*/lib"))):
            inside = self.inside(Path(place))
            done = compileall.compile_dir(
                inside,
                maxlevels=20,
                quiet=1,
                workers=0,
                stripdir=str(self.root),
                prependdir="/",
                invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
            )
            if not done:
                raise SystemExit(f"{place} does not compile")
        for path in (*self.root.rglob("*"), self.root):
            os.utime(path, (instant, instant), follow_symlinks=False)


def _left_out(path: Path) -> bool:
    library = Path(sysconfig.get_path("stdlib"))
    if path.parent == library / "lib-dynload":
        return LEFT_OUT_PARTS.match(path.name) is not None
    return path.name == "__pycache__" or (
        path.parent == library and (path.name in LEFT_OUT or _CONFIG.match(path.name) is not None)
    )


def linked(files: Iterable[Path]) -> Iterator[Path]:
    """The shared libraries that ``files`` are linked with, the loader included."""
    told = subprocess.run(["ldd", *map(str, files)], capture_output=True, text=True, check=False).stdout  # noqa: S603, S607
    if missing := set(re.findall(r"(\S+) => not found", told)):
        raise SystemExit(f"not found: {', '.join(sorted(missing))}")
    for found in sorted(set(re.findall(r"(?:=> |^\t)(/\S+) \(0x", told, re.MULTILINE))):
        yield Path(found)


def main() -> None:
    """See the module's docstring."""
    environment, to, bill = (Path(argument) for argument in sys.argv[1:])
    layout = Layout(to / "root")
    (to / "empty").mkdir(parents=True)
    for place in (environment, Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("platstdlib"))):
        layout.add(place)
    programs = [environment / "bin" / "python", *(each for each in layout.root.rglob("*.so*") if each.is_file())]
    for library in linked(programs):
        if not library.is_relative_to(layout.root):
            layout.add(library)
            if library.name.startswith("libc.so"):
                # The C library asks for it only when a thread is ended.
                layout.add(library.parent / "libgcc_s.so.1")
    if PLACES_OF_LIBRARIES.exists():
        layout.add(PLACES_OF_LIBRARIES)
    layout.add(AUTHORITIES)
    for name, text in (*WRITTEN.items(), ("usr/share/sbom/idempotency-gateway.cdx.json", bill.read_text())):
        layout.write(name, text)
    layout.finish(int(os.environ["SOURCE_DATE_EPOCH"]))


if __name__ == "__main__":
    main()
