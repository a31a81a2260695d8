"""What the README and the pages under ``docs/`` show: fenced blocks, each by the mark in front of it, and links.

A mark is ``<!-- kind: name -->`` in the line before the block; kind and name are unique over all pages. What is tested
without further ado, in ``test_pages``:

- ``<!-- config: NAME.yaml -->``: a whole configuration; ``check`` has no complaint.
- ``yaml`` without a mark: a piece of a configuration, good beside a route.
- ``sh`` without a mark: ``idempotency-gateway check``, ``serve`` or ``schema``, run among the page's configurations.

Everything else that is shown (other commands, outputs, figures, values, requests) has a mark, and a test takes it with
``block("kind", "name")`` and runs or compares it; a mark that no test takes is a failure, and so is no mark at all.
"""

import hashlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").glob("**/*.md")))
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]

_BLOCK = re.compile(r"^(?:<!-- (\w+): ([\w./-]+) -->\n)?```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. ``kind``: the mark's, else the fence's language; ``name``: the mark's, else empty."""

    page: str
    kind: str
    name: str
    text: str

    def lines(self) -> list[str]:
        """Its commands, without comments; a line that ends with a backslash goes on."""
        joined = self.text.replace("\\\n", " ").splitlines()
        return [shlex.join(words) for line in joined if (words := shlex.split(line, comments=True))]


@cache
def blocks(page: str = "") -> tuple[Block, ...]:
    """Every block of a page, in order; without one, those of all pages."""
    if not page:
        return tuple(each for name in NAMES for each in blocks(name))
    found = _BLOCK.findall((ROOT / page).read_text())
    return tuple(Block(page, kind or language, name, text) for kind, name, language, text in found)


def block(kind: str, name: str) -> str:
    """The text of one block, on whichever page it stands."""
    (text,) = [each.text for each in blocks() if (each.kind, each.name) == (kind, name)]
    return text


def commands(kind: str, name: str) -> list[str]:
    """The commands of one block."""
    (lines,) = [each.lines() for each in blocks() if (each.kind, each.name) == (kind, name)]
    return lines


def prose() -> str:
    """All pages, one after the other."""
    return "\n".join(page.read_text() for page in PAGES)


def links(page: str) -> Iterator[str]:
    """Every link of a page that leads to a file of this repository, or to a heading."""
    text = _CODE.sub("", (ROOT / page).read_text())
    yield from (target for target in _LINK.findall(text) if not re.match(r"[a-z]+:", target))


def anchors(page: Path) -> set[str]:
    """What a link to a page may have after its ``#``: its headings, as GitHub writes them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(text)}


def with_secrets(text: str, folder: Path) -> str:
    """A configuration whose secrets are files in ``folder``: each holds ``Bearer`` and its own name, or an operator's
    token, or the digest of a caller's key, where its name says so."""
    for name in set(re.findall(r"file:///run/secrets/([\w-]+)", text)):
        content = f"token-of-{name}" if name.startswith("admin-token") else f"Bearer {name}"
        digest = f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"
        (folder / name).write_text(digest if name.endswith("-caller") else content)
    return text.replace("file:///run/secrets/", f"file://{folder}/")
