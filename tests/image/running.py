"""Runs the image as a container would be: its own file system and read-only, as its user, without any right.

Knows how Linux does that without a container runtime: a mount namespace, the root bound read-only, empty directories in
memory for its volumes, ``chroot`` as the image's user. Needs to be root, as a builder does.
"""

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.image.dockerfile import Stage, pairs

# What every container runtime brings along.
BROUGHT = ("proc", "dev", "etc")

_SCRIPT = """
set -e
root=$1; user=$2; place=$3; volumes=$4; shift 4
mount --bind "$root" "$root"
mount -o remount,ro,bind,nosuid "$root"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
own="nosuid,nodev,mode=0755,uid=${user%:*},gid=${user#*:}"
for volume in $volumes; do mount -t tmpfs -o "$own" tmpfs "$root$volume"; done
exec setpriv --no-new-privs env -i -C / "PATH=$PATH" chroot --userspec="$user" --groups= "$root" "$@"
"""


@dataclass(frozen=True, slots=True)
class Image:
    """A file system, and what the Dockerfile says of how it is run."""

    root: Path
    stage: Stage

    @property
    def environ(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for step in self.stage.all("ENV"):
            found |= pairs(step.text)
        return found

    def command(self, *arguments: str) -> list[str]:
        """The command line of a container with these arguments."""
        return self._contained([*self.stage.one("ENTRYPOINT").words, *arguments])

    def alone(self, *words: str) -> list[str]:
        """The command line of something else in the container."""
        return self._contained(list(words))

    def _contained(self, words: list[str]) -> list[str]:
        for name in BROUGHT:
            (self.root / name).mkdir(exist_ok=True)
        user, place = self.stage.one("USER").text, self.stage.one("WORKDIR").text
        program = self._found(words[0])
        volumes = " ".join(self.stage.one("VOLUME").words)
        # The image's Python changes to the working directory: there is no shell and no env that could.
        start = f"import os, sys; os.chdir({place!r}); os.execve({program!r}, sys.argv[1:], {self.environ!r})"
        inner = [self._found("python"), "-I", "-S", "-c", start, *words]
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        return [*namespaces, "sh", "-c", _SCRIPT, "sh", str(self.root), user, place, volumes, *inner]

    def _found(self, name: str) -> str:
        """The program, in the image's PATH."""
        if name.startswith("/"):
            return name
        for folder in self.environ["PATH"].split(":"):
            if os.path.lexists(self.root / folder.lstrip("/") / name):
                return f"{folder}/{name}"
        raise FileNotFoundError(name)

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """To its end."""
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def end(process: subprocess.Popen[str]) -> int:
    """SIGTERM to the gateway itself, as a runtime sends it to the container's first process; its exit code."""
    (first,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(first), signal.SIGTERM)
    return process.wait(30)
