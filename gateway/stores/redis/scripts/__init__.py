"""The scripts as servers get them: an authority's behind ``record.lua``, its first line still first; a front's bare.

Knows where the files lie and what a script's hash is. Refuses to know what they say; each has a header that does.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Script:
    """A script's text, and the SHA-1 by which the server knows it once it was loaded."""

    text: bytes
    sha: bytes


def _script(name: str, first: bytes = b"") -> Script:
    """``first``: another first line than the file's own."""
    record = (_FOLDER / "record.lua").read_bytes()
    own, _, rest = (_FOLDER / f"{name}.lua").read_bytes().partition(b"\n")
    return _known((first or own) + b"\n" + record + rest)


def _bare(name: str) -> Script:
    return _known((_FOLDER / f"{name}.lua").read_bytes())


def _known(text: bytes) -> Script:
    return Script(text, hashlib.sha1(text, usedforsecurity=False).hexdigest().encode())


GRANT = _script("grant")
SETTLE = _script("settle")
# A settlement that needs no more memory than there was: also where the server takes nothing else any more.
FREE = _script("settle", b"#!lua flags=allow-oom")
LOOK = _script("look")
TURN = _script("turn")
COUNT = _script("count")
REPLACE = _script("replace")
FORGET = _script("forget")
PAGE = _script("page")
TALLY = _script("tally")
DUE = _script("due")
ASKED = _script("asked")
RESEAL = _script("reseal")

ALL = (GRANT, SETTLE, FREE, LOOK, TURN, COUNT, REPLACE, FORGET, PAGE, TALLY, DUE, ASKED, RESEAL)

KEEP = _bare("keep")
DROP = _bare("drop")
ERASE = _bare("erase")

OF_FRONT = (KEEP, DROP, ERASE)
