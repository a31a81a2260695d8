"""What this version does not have is refused by its name, never ignored. Driven by the table, which gets shorter."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gateway.config.load import check
from gateway.config.unavailable import NOT_YET
from tests.config.reading import ROUTE, said

Row = tuple[tuple[str, ...], str]


def _tree() -> dict[str, Any]:
    return {"routes": [{"name": "a", "upstream": {"url": "http://u"}}]}


def _set(tree: dict[str, Any], place: tuple[str, ...], value: object) -> None:
    node: Any = tree
    for name in place[:-1]:
        node = node[0] if name == "*" else node.setdefault(name, {})
    node[place[-1]] = value


def _told(folder: Path, place: tuple[str, ...], value: object) -> list[str]:
    tree, path = _tree(), folder / "c.yaml"
    _set(tree, place, value)
    YAML().dump(tree, path)
    return [complaint.split(": ", 1)[1] for complaint in check(path, {})]


@pytest.mark.parametrize("row", NOT_YET, ids=lambda row: ".".join(row[0]))
def test_each_such_setting_is_refused_by_name_whatever_it_holds(tmp_path: Path, row: Row) -> None:
    place, what = row
    name = ".".join(place).replace("*", "0")
    for value in ("text", 5, None, ["x"], {"x": 1}, True):
        expected = f"{name}: this version does not have {what} yet; remove the setting"
        assert _told(tmp_path, place, value) == [expected]


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (
            "ftp://x",
            "unknown scheme 'ftp'; give memory:, sqlite:///FILE, postgresql://USER@HOST/DATABASE or redis://HOST:PORT/DB",
        ),
        (
            "nonsense",
            "is not a store's URL; give memory:, sqlite:///FILE, postgresql://USER@HOST/DATABASE or redis://HOST:PORT/DB",
        ),
        (
            "memory:x",
            "is not a store's URL; give memory:, sqlite:///FILE, postgresql://USER@HOST/DATABASE or redis://HOST:PORT/DB",
        ),
        (
            "hunter2:x",
            "is not a store's URL; give memory:, sqlite:///FILE, postgresql://USER@HOST/DATABASE or redis://HOST:PORT/DB",
        ),
        ("sqlite://x", "a SQLite store is written sqlite:///FILE, or sqlite:////absolute/FILE"),
        ("sqlite:///", "a SQLite store is written sqlite:///FILE, or sqlite:////absolute/FILE"),
    ],
)
def test_what_is_no_store_is_refused(tmp_path: Path, url: str, sentence: str) -> None:
    assert said(tmp_path, ROUTE, {"store": [url]}) == [f"option --store: store: {sentence}"]


def test_a_number_too_long_to_be_written_out_is_only_a_number(tmp_path: Path) -> None:
    told = "workers: must be a whole number from 1 to 256"
    assert said(tmp_path, f"workers: 0x{'f' * 5000}\n{ROUTE}") == [f"1:1: {told}"]
    assert said(tmp_path, f"? 0x{'f' * 5000}\n: 1\n{ROUTE}") == [
        "1:3: a number: is not a name; put it in quotes, or remove it"
    ]
