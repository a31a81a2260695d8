"""What is no store, and what is no number to be told of."""

from pathlib import Path

import pytest

from tests.config.reading import ROUTE, said


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
