"""A configuration file on disk, and what the gateway says of it."""

from collections.abc import Mapping
from pathlib import Path

from gateway.config.configuration import Configuration
from gateway.config.load import load
from gateway.errors import ConfigInvalid
from gateway.policies.policy import Policy

ROUTE = "routes:\n  - name: a\n    upstream: {url: 'http://u'}\n"


def file(folder: Path, text: str) -> Path:
    path = folder / "c.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def loaded(
    folder: Path, text: str, options: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None
) -> Configuration:
    return load(file(folder, text), options or {}, environ or {})


def policy_of(folder: Path, text: str) -> Policy:
    """The policy of a route with these settings of its own."""
    return loaded(folder, of_policy(text)).routes.routes[0].policy


def said(
    folder: Path,
    text: str | None,
    options: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
) -> list[str]:
    """The complaints, a file's name left out; none where the configuration is good."""
    path = None if text is None else file(folder, text)
    try:
        load(path, options or {}, environ or {})
    except ConfigInvalid as fault:
        return [complaint.removeprefix(f"{path}:") for complaint in fault.complaints]
    return []


def of_policy(text: str) -> str:
    """A file whose one route has this policy, from line 5 and column 7 on."""
    return f"{ROUTE}    policy:\n" + _indented(text)


def of_upstream(text: str, url: str = "https://u") -> str:
    """A file whose one route has this upstream, from line 5 and column 7 on."""
    return f"routes:\n  - name: a\n    upstream:\n      url: {url}\n" + _indented(text)


def of_match(text: str) -> str:
    """A file whose one route has this match, on line 4 from column 12 on."""
    return f"{ROUTE}    match: {text}\n"


def _indented(text: str) -> str:
    return "".join(f"      {line}\n" for line in text.splitlines())


def cases(table: Mapping[str, list[tuple[str, str]]]) -> list[tuple[str, list[str]]]:
    """Tables of complaints, by sentence: what was written and where, as what was written and what is said of it."""
    return [(text, [f"{where}: {sentence}"]) for sentence, rows in table.items() for text, where in rows]
