"""Kept answers under encryption.keys: nobody reads the file, and keys rotate while records live on."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.stage import Stage, playing
from tests.upstream import Play, Upstream, answer

CANARY = b"canary-of-an-answer"
OLD, NEW = "old-record-key-of-the-test", "new-record-key-of-the-test"

Start = Callable[..., Stage]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "gateway.db"


@pytest.fixture
def start(upstream: Upstream, file: Path, tmp_path: Path) -> Iterator[Start]:
    """Ends the gateway that ran and starts another on the same file, with these keys."""
    with ExitStack() as last:

        def restart(*keys: str) -> Stage:
            last.close()
            text = f"encryption: {{keys: [{', '.join(keys)}]}}" if keys else ""
            return last.enter_context(playing(upstream, f"sqlite:///{file}", tmp_path, text))

        yield restart


def test_a_sealed_answer_is_replayed_and_not_in_the_file(start: Start, file: Path) -> None:
    stage = start(OLD)
    stage.upstream.then(Play(answer(201, CANARY, ("X-Canary", CANARY.decode()))))
    first = stage.post("k")
    second = stage.post("k")
    assert (second.told, second.body) == ("201 replayed", CANARY)
    assert second.get("x-canary") == first.get("x-canary") == CANARY.decode()
    written = b"".join(part.read_bytes() for part in file.parent.glob("gateway.db*"))
    assert CANARY not in written


def test_keys_rotate_without_losing_an_answer(start: Start) -> None:
    for keys, key in (((), "plain"), ((OLD,), "old"), ((OLD, NEW), "between"), ((NEW, OLD), "new")):
        start(*keys).post(key)
    stage = start(NEW, OLD)
    assert {stage.post(key).told for key in ("plain", "old", "between", "new")} == {"201 replayed"}
    stage = start(NEW)
    assert stage.post("new").told == "201 replayed"
    for key in ("old", "between"):
        refused = stage.post(key)
        assert refused.told == "500 unavailable record-unreadable"
        assert refused.get("idempotency-origin") == "gateway"
    assert len(stage.upstream.log) == 4
