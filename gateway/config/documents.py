"""A YAML file as plain values, and the line and column of each.

Knows ruamel.yaml. Refuses to repeat what stands in a file: its messages name values, and a value may be a secret.
"""

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase
from ruamel.yaml.composer import ComposerError
from ruamel.yaml.constructor import ConstructorError, DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from gateway.errors import ConfigInvalid

Place = tuple[str | int, ...]
Tree = dict[str, Any]

# Aliases of aliases double a file with each line; this is more than ten thousand routes have.
_MOST_VALUES = 1_000_000

# In bytes: ten thousand routes fit.
_LARGEST_FILE = 1024 * 1024

# Brackets open at once, those in texts and comments too.
_DEEPEST = 1000


@dataclass(frozen=True, slots=True)
class Document:
    """A file's settings. ``marks`` is the same document with the place of everything in it."""

    name: str
    tree: Tree = field(repr=False)
    marks: Any = field(repr=False)

    def position(self, place: Place) -> tuple[int, int]:
        """Line and column, from 1, of the last part of ``place`` that the file has."""
        node, position = self.marks, (1, 1)
        for step in place:
            if not isinstance(node, CommentedBase):
                break
            try:
                line, column = node.lc.item(step) if isinstance(step, int) else node.lc.key(step)
                node = node[step]  # type: ignore[index]  # a commented map or sequence: the look-up above has shown it
            except (KeyError, IndexError, TypeError):
                break
            position = (line + 1, column + 1)
        return position


def read_document(path: Path) -> Document:
    """The file's settings; ``ConfigInvalid`` with one sentence where it has none."""
    text = _text(path)
    try:
        marks, tree = _parsed(text)
    except MarkedYAMLError as fault:
        mark = fault.problem_mark or fault.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise ConfigInvalid(f"{path}:{line}:{column}: {_sentence(fault, text)}") from None
    except ReaderError as fault:
        before = text[: fault.position].splitlines() or [""]
        raise ConfigInvalid(
            f"{path}:{len(before)}:{len(before[-1]) + 1}: the file has a control character; remove it"
        ) from None
    except RecursionError:
        raise ConfigInvalid(f"{path}:1:1: the file is nested too deeply to be a configuration") from None
    # An impossible date, or a scalar that its tag does not fit, leaves ruamel.yaml by whatever it stumbled over.
    except (ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError):
        raise ConfigInvalid(f"{path}:1:1: the file is not YAML: a value is not what it looks like; quote it") from None
    tree = {} if tree is None else tree  # Only comments, or nothing at all: nothing is set.
    if not isinstance(tree, dict):
        raise ConfigInvalid(f"{path}:1:1: the file must hold settings, such as routes: [...]")
    try:
        return Document(str(path), _unshared(tree, frozenset(), iter(range(_MOST_VALUES))), marks)
    except RecursionError:
        raise ConfigInvalid(f"{path}:1:1: the file has an alias that holds itself; write it out") from None
    except OverflowError:
        raise ConfigInvalid(
            f"{path}:1:1: the file has aliases of aliases, too many to be a configuration; write them out"
        ) from None


def _parsed(text: str) -> tuple[Any, Any]:
    """The document with its places, and as plain values."""
    with warnings.catch_warnings():
        # An anchor used twice, a number without a dot: both are YAML, and a warning would show the file's lines.
        warnings.simplefilter("ignore")
        return YAML(typ="rt").load(text), YAML(typ="safe", pure=True).load(text)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        if len(content) > _LARGEST_FILE:
            raise ConfigInvalid(f"{path}:1:1: the file is larger than 1MiB; name the configuration alone")
        return _shallow(path, content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n"))
    except OSError as fault:
        raise ConfigInvalid(f"{path}:1:1: the file cannot be read: {fault.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigInvalid(f"{path}:1:1: the file is not UTF-8; save it as UTF-8") from None


def _shallow(path: Path, text: str) -> str:
    """The text itself; the library takes seconds to find out that a file is nothing but brackets."""
    depth = 0
    for bracket in re.findall(r"[][{}]", text):
        depth += 1 if bracket in "[{" else -1
        if depth > _DEEPEST:
            raise ConfigInvalid(f"{path}:1:1: the file is nested too deeply to be a configuration")
    return text


def _sentence(fault: MarkedYAMLError, text: str) -> str:
    match fault:
        case DuplicateKeyError():
            return f"{_name_at(fault, text)} occurs twice in one mapping; keep one"
        case ComposerError():
            return "the file is not one YAML document: an alias without its anchor, or a second document"
        case ConstructorError():
            return "the file has a tag or a merge that is not known here; write the value out"
        case _:
            # What the grammar expected is worth telling; quoted text of more than a sign may be a value.
            problem = str(fault.problem or fault.context).splitlines()[0]
            return "the file is not YAML: " + re.sub(r"'(?=[\w!*&%])[^']{3,}'", "something else", problem)


def _name_at(fault: MarkedYAMLError, text: str) -> str:
    """The doubled name, read from the file: the message would give its values too."""
    mark = fault.problem_mark
    line = text.splitlines()[mark.line] if mark else ""
    found = re.match(r"['\"]?([A-Za-z_][\w.-]*)['\"]?\s*:", line[mark.column :] if mark else "")
    return found[1] if found else "a name"


def _unshared(node: Any, above: frozenset[int], room: Iterator[int]) -> Any:  # noqa: ANN401 - any YAML value
    """A copy in which aliases are values of their own, so that one can be changed without the others."""
    if next(room, None) is None:
        raise OverflowError
    if not isinstance(node, dict | list | set | tuple):
        return node
    if id(node) in above:
        raise RecursionError
    inside = above | {id(node)}
    if isinstance(node, dict):
        return {name: _unshared(child, inside, room) for name, child in node.items()}
    # A set is a mapping to nothing, as YAML has it.
    return dict.fromkeys(node) if isinstance(node, set) else [_unshared(child, inside, room) for child in node]
