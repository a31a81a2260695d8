"""What the README shows, by the mark in front of it: ``<!-- kind: name -->`` and a fenced block."""

import re
import shlex
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"
_BLOCK = re.compile(r"(?:<!-- (\w+): ([\w.]+) -->\n)?```(\w*)\n(.*?)```", re.DOTALL)


def blocks() -> list[tuple[str, str, str]]:
    """Kind, name and text of every fenced block, in order; unmarked ones by their language alone."""
    return [(kind or language, name, text) for kind, name, language, text in _BLOCK.findall(README.read_text())]


def block(kind: str, name: str) -> str:
    """The text of one block."""
    (text,) = [text for found, called, text in blocks() if (found, called) == (kind, name)]
    return text


def shell_lines() -> list[str]:
    """Every command in a shell block, without its comment."""
    shown = [text for kind, _, text in blocks() if kind in ("sh", "command")]
    return [
        shlex.join(shlex.split(line, comments=True)) for text in shown for line in text.splitlines() if line.strip()
    ]


def with_secrets(text: str, folder: Path) -> str:
    """A configuration whose secrets are files in ``folder``: each holds ``Bearer`` and its own name."""
    for name in set(re.findall(r"file:///run/secrets/([\w-]+)", text)):
        (folder / name).write_text(f"Bearer {name}")
    return text.replace("file:///run/secrets/", f"file://{folder}/")
