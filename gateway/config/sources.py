"""Where settings come from, and who wrote each: option, environment, file, in this order.

Everything is read here, once. What comes out is one tree of plain values, and a map from each place in it to a place
that a person can go to: ``FILE:LINE:COLUMN``, a variable, an option.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.config.documents import Document, Place, Tree, read_document
from gateway.config.urls import store_setting

PREFIX = "IDEMPOTENCY_GATEWAY_"

# What Kubernetes sets for a Service of the gateway's own name; nobody meant it as a setting.
_SERVICE_LINK = re.compile(r"SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_[A-Z]+)?)?")


# What the command's ``keys`` sends, and no setting of a gateway.
_OF_THE_CLIENT = frozenset({"TOKEN"})

# In bits; Python refuses to write out much longer ones, and nobody would read them.
_LONGEST_NUMBER = 64


@dataclass
class Sources:
    """The merged tree, who wrote what, and what could not be merged."""

    tree: Tree = field(default_factory=dict, repr=False)
    document: Document | None = None
    overlaid: dict[Place, str] = field(default_factory=dict)
    faults: list[tuple[Place, str]] = field(default_factory=list)

    def overlay(self, place: Place, value: object, label: str) -> None:
        """A value from a nearer source. A mapping lies over a mapping name by name; all else is replaced."""
        node: Any = self.tree
        steps: list[Any] = list(place)
        for number, name in enumerate(place):
            if isinstance(node, list):
                if (index := _index(name, len(node))) is None:
                    return self._refuse(place, "is not in the list; its elements are named by number, from 0", label)
                steps[number] = index
            if number < len(place) - 1:
                step = steps[number]
                if not isinstance(node[step] if isinstance(node, list) else node.get(step), dict | list):
                    node[step], self.overlaid[tuple(steps[: number + 1])] = {}, label
                node = node[step]
        step, reached = steps[-1], tuple(steps)
        known = node[step] if isinstance(node, list) else node.get(step)
        if isinstance(known, dict) and isinstance(value, dict) and value:
            for name, part in value.items():
                self.overlay((*reached, name), part, label)
            return None
        return self._replace(node, reached, value, label)

    def _replace(self, node: Any, place: Place, value: object, label: str) -> None:  # noqa: ANN401 - a mapping or list
        node[place[-1]] = value
        self.overlaid = {known: by for known, by in self.overlaid.items() if known[: len(place)] != place}
        self.overlaid[place] = label

    def _refuse(self, place: Place, sentence: str, label: str) -> None:
        self.overlaid[place] = label
        self.faults.append((place, sentence))

    def complaint(self, place: Place, sentence: str) -> str:
        """``where it was written: where.in.it: sentence``."""
        name = ".".join(map(_shown, place))
        return f"{_shown(self._written(place))}: {name}: {sentence}" if name else f"{self._written(place)}: {sentence}"

    def order(self, place: Place) -> tuple[int, int]:
        """Sorts complaints as a reader meets their places."""
        return (0, 0) if self._label(place) or not self.document else self.document.position(place)

    def _written(self, place: Place) -> str:
        if label := self._label(place):
            return label
        if not self.document:
            return "configuration"
        line, column = self.document.position(place)
        return f"{self.document.name}:{line}:{column}"

    def _label(self, place: Place) -> str | None:
        for length in range(len(place), 0, -1):
            if label := self.overlaid.get(place[:length]):
                return label
        return None


def _shown(step: object) -> str:
    """A name on one line of text, whatever it holds."""
    match step:
        case None | bool():
            return str(step).lower().replace("none", "null")
        case int() if step.bit_length() > _LONGEST_NUMBER:
            return "a number"
        case _:
            text = str(step)
            return text if text.isprintable() else ascii(text)[1:-1]


def _index(name: str | int, length: int) -> int | None:
    found = re.fullmatch(r"[0-9]{1,4}", str(name))
    return int(found[0]) if found and int(found[0]) < length else None


def read(path: Path | None, options: Mapping[str, object], environ: Mapping[str, str]) -> Sources:
    """All sources, merged."""
    document = read_document(path) if path is not None else None
    sources = Sources(tree=document.tree if document else {}, document=document)
    for place, text, label in _from_environment(environ):
        sources.overlay(_of_listener(sources.tree, place, _value(text)), _value(text), label)
    for place, value, label in _from_options(options):
        if place == ("store",):  # Another store, not another setting of the same one.
            sources.tree.pop("store", None)
        sources.overlay(_of_listener(sources.tree, place, value), value, label)
    _name_store(sources)
    return sources


def _of_listener(tree: Tree, place: Place, value: object) -> Place:
    """Where a setting of ``listen`` goes: an address alone never takes away the TLS that another source has set."""
    known = tree.get("listen")
    if place == ("listen",) and isinstance(known, dict) and not isinstance(value, dict):
        return "listen", "address"
    if place[:1] == ("listen",) and len(place) > 1 and isinstance(known, str):
        tree["listen"] = {"address": known}
    return place


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[Place, str, str]]:
    for variable in sorted(environ):
        name = variable.upper().removeprefix(PREFIX)
        if name != variable.upper() and name not in _OF_THE_CLIENT and not _SERVICE_LINK.fullmatch(name):
            yield tuple(part.lower() for part in name.split("__")), environ[variable], f"environment {variable}"


def _value(text: str) -> object:
    """Lists and mappings are written as JSON; everything else is text, which its setting reads."""
    if text[:1] not in ("[", "{"):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _from_options(options: Mapping[str, object]) -> Iterator[tuple[Place, object, str]]:
    for name, value in options.items():
        label = f"option --{name.replace('_', '-')}"
        match name:
            case "upstream":
                yield ("routes",), [{"name": "default", "upstream": {"url": value}}], label
            case "admin_listen":
                yield ("admin", "listen"), value, label
            case "log_format" | "log_level":
                yield ("log", name.removeprefix("log_")), value, label
            case _:
                yield (name,), value, label


def _name_store(sources: Sources) -> None:
    """A store may be written as its URL, or a list of them."""
    written = sources.tree.get("store")
    urls: list[Any] = [written] if isinstance(written, str) else written if isinstance(written, list) else []
    if not urls or not all(isinstance(url, str) for url in urls):
        return
    try:
        sources.tree["store"] = store_setting(urls)
    except ValueError as fault:
        del sources.tree["store"]
        sources.faults.append((("store",), str(fault)))
