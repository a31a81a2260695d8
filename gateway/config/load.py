"""Reads the configuration once, tells every complaint at once, and builds frozen values of the core."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.config.building import build
from gateway.config.configuration import Configuration, StoreChoice
from gateway.config.documents import Place, Tree
from gateway.config.otlp import read_otlp
from gateway.config.plain import not_plain
from gateway.config.settings import AdminSettings, Settings
from gateway.config.sources import Sources, read
from gateway.config.units import Address, parse_address
from gateway.config.validate import complaints
from gateway.config.wording import told
from gateway.errors import ConfigInvalid

# Commands that need a store and no route: any will do, and nothing is ever sent to this one (RFC 6761, section 6.4).
_NO_UPSTREAM = "http://upstream.invalid"


def load(path: Path | None, options: Mapping[str, object], environ: Mapping[str, str]) -> Configuration:
    """The configuration; ``ConfigInvalid`` with one line for each complaint.

    ``options`` are those of ``serve``, by their names with underscores; only those that were given.
    """
    otlp, wrong = read_otlp(environ)
    return build(_settings(read(path, options, environ), wrong), otlp)


# What a configuration that is good as such names and cannot be used: a place, and a sentence.
Unusable = Callable[[Configuration], Iterable[tuple[Place, str]]]


def _nothing(_: Configuration) -> Iterable[tuple[Place, str]]:
    return ()


def check(path: Path, environ: Mapping[str, str], unusable: Unusable = _nothing) -> tuple[str, ...]:
    """Every complaint, one line each; none where ``serve`` would start, as far as ``unusable`` looks."""
    try:
        sources = read(path, {}, environ)
        otlp, wrong = read_otlp(environ)
        found = unusable(build(_settings(sources, wrong), otlp))
    except ConfigInvalid as fault:
        return fault.complaints
    ordered = sorted(found, key=lambda item: sources.order(item[0]))
    return tuple(sources.complaint(place, sentence) for place, sentence in ordered)


def schema() -> dict[str, Any]:
    """The JSON Schema of the configuration (draft 2020-12)."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Settings.model_json_schema()}


def store_choice(urls: list[str]) -> StoreChoice:
    """The store that ``--store`` names; one that this version does not have is refused."""
    return load(None, {"upstream": _NO_UPSTREAM, "store": urls}, {}).store


def store_of(path: Path | None, environ: Mapping[str, str]) -> StoreChoice:
    """The store of a configuration, or the default one."""
    return load(path, {} if path else {"upstream": _NO_UPSTREAM}, environ).store


def store_named(path: Path | None, environ: Mapping[str, str]) -> StoreChoice:
    """The same for a command that no store must be guessed for: a file or the environment has to name one."""
    if path is None and "store" not in read(None, {}, environ).tree:
        raise ConfigInvalid("which store? Give --store URL, --config FILE, or set IDEMPOTENCY_GATEWAY_STORE.")
    return store_of(path, environ)


def admin_listen(path: Path | None, environ: Mapping[str, str]) -> Address:
    """Where the operator's listener is, of a configuration that need not be whole: its secrets may be elsewhere."""
    sources = read(path, {}, environ)
    admin = sources.tree.get("admin")
    listen = admin.get("listen") if isinstance(admin, dict) else None
    if listen is None:
        return AdminSettings().listen
    try:
        return parse_address(listen)
    except ValueError as fault:
        raise ConfigInvalid(sources.complaint(("admin", "listen"), str(fault))) from None


def _settings(sources: Sources, wrong: Sequence[str] = ()) -> Settings:
    found = [*sources.faults, *not_plain(sources.tree)]
    try:
        settings = Settings.model_validate(sources.tree)
        found += complaints(settings)
    except ValidationError as fault:
        shape = list(told(fault))
        known = {place for place, _ in found}
        found += [(place, sentence) for place, sentence in shape if place not in known]
        found += _of_the_rest(sources.tree, [place for place, _ in shape])
        settings = None
    if settings is None or found or wrong:
        ordered = sorted(found, key=lambda item: sources.order(item[0]))
        told_of = (sources.complaint(place, sentence) for place, sentence in ordered)
        raise ConfigInvalid(*dict.fromkeys([*told_of, *wrong]))
    return settings


def _of_the_rest(tree: Tree, unreadable: Iterable[Place]) -> list[tuple[Place, str]]:
    """What is to be said of everything else, with a stand-in for each part that could not be read."""
    unread = frozenset(_part(place) for place in unreadable)
    for place in sorted(unread, key=len):
        _stand_in(tree, place)
    if ("routes",) in unread:  # The one that stands for them all has no policy of its own to be unread.
        unread = unread - {("routes",)} | {("routes", 0, part) for part in ("name", "match", "upstream")}
    try:
        return complaints(Settings.model_validate(tree), unread)
    except ValidationError:  # There are no routes, or nothing that could stand for them.
        return []


def _part(place: Place) -> Place:
    """The smallest part around ``place`` that a rule looks at."""
    if place[0] == "routes":
        return place[:4] if len(place) > 3 and place[2] in ("policy", "upstream") else place[:3]
    return place[:2] if place[0] == "policy" else place[:1]


def _unread_route() -> Tree:
    return {"name": "unread", "upstream": {"url": _NO_UPSTREAM}}


def _stand_in(tree: Tree, place: Place) -> None:
    node: Any = tree
    for step in place[:-1]:
        node = node[int(step)] if isinstance(node, list) else node[step]
    match place:
        case ("routes",):
            node["routes"] = [_unread_route()]
        case ("routes", _):
            node[place[-1]] = _unread_route()
        case ("routes", _, "name"):
            node["name"] = "unread"
        case ("routes", _, "upstream"):
            node["upstream"] = {"url": _NO_UPSTREAM}
        case ("routes", _, "upstream", "url"):
            node["url"] = _NO_UPSTREAM
        case _ if isinstance(node, dict):
            node.pop(place[-1], None)
        case _:
            return
