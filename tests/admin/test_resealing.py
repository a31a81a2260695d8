"""``reseal``: after it a key may go; who may ask for it, what it counts, what it says when it cannot."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.cli.main import main
from tests.admin.conftest import READ, SETTLE, TOKENS, bearer
from tests.stage import Heard, Stage, playing
from tests.upstream import Upstream

OLD, NEW = "old-record-key-of-the-test", "new-record-key-of-the-test"

Start = Callable[..., Stage]


@pytest.fixture
def start(upstream: Upstream, tmp_path: Path) -> Iterator[Start]:
    """Ends the gateway that ran and starts another on the same file, with these keys."""
    with ExitStack() as last:

        def restart(*keys: str, text: str = "") -> Stage:
            last.close()
            sealing = f"encryption: {{keys: [{', '.join(keys)}]}}\n" if keys else ""
            return last.enter_context(playing(upstream, f"sqlite:///{tmp_path}/gateway.db", tmp_path, sealing + text))

        yield restart


def reseal(stage: Stage, *headers: tuple[str, str], **wanted: object) -> Heard:
    return stage.admin("/api/reseal", *headers, method="POST", body=wanted)


def command(stage: Stage, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["keys", "reseal", "--admin", f"http://127.0.0.1:{stage.admin_port}", *options])
    told = capsys.readouterr()
    return int(str(ended.value.code)), told.out, told.err


def test_a_key_that_was_rotated_out_goes_as_soon_as_its_records_were_sealed_anew(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    start().post("plain")
    start(OLD).post("old")
    stage = start(NEW, OLD)
    stage.post("new")
    code, out, _ = command(stage, capsys, "--dry-run")
    assert (code, out.splitlines()) == (
        0,
        [
            "records looked at:                         3",
            "would be sealed anew:                      2",
            "sealed by the first key before:            1",
            "nothing to seal:                           0",
            "do not open:                               0",
            "",
            "Nothing was written. Run it without --dry-run before a key goes.",
        ],
    )
    code, out, _ = command(stage, capsys)
    assert (code, "sealed anew:                               2" in out) == (0, True)
    assert "The others may go, if every gateway of this\nstore had this one first before the walk began." in out
    stage = start(NEW)
    assert {stage.post(key).told for key in ("plain", "old", "new")} == {"201 replayed"}
    assert len(stage.upstream.log) == 3


def test_what_no_key_opens_is_named_and_the_command_fails(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    start(OLD).post("old")
    stage = start(NEW)
    (record,) = stage.admin("/api/keys").json["keys"]
    code, out, err = command(stage, capsys)
    assert code == 1
    assert out.splitlines()[-2:] == ["do not open:                               1", f"  {record['id']}"]
    assert err.startswith("1 records do not open, and stay as they are: bring the key back")
    code, out, _ = command(stage, capsys, "--json")
    assert json.loads(out) == {
        "looked_at": 1,
        "resealed": 0,
        "already": 0,
        "unreadable": 1,
        "unreadable_ids": [record["id"]],
    }
    assert stage.post("old").told == "500 unavailable record-unreadable"


def test_without_keys_there_is_nothing_to_seal_with(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    stage = start()
    stage.post("k")
    heard = reseal(stage)
    assert (heard.status, heard.problem["type"].rpartition(":")[2]) == (409, "no-record-key")
    code, _, err = command(stage, capsys)
    assert code == 1
    assert err == (
        "Nothing was done: nothing can be sealed anew, because there is no key to seal with: configure "
        "encryption.keys.\n"
    )
    assert stage.metric('idempotency_gateway_operator_verbs_total{outcome="keyless",verb="reseal"}') == 2


def test_only_who_may_settle_may_ask_for_it_and_it_is_audited(start: Start) -> None:
    stage = start(OLD, text=TOKENS)
    assert reseal(stage).status == 401
    assert reseal(stage, bearer(READ)).status == 403
    heard = reseal(stage, bearer(SETTLE), dry_run=True)
    assert (heard.status, heard.json["next"]) == (200, None)
    assert reseal(stage, bearer(SETTLE)).status == 200
    for verb, outcome in (("reseal", "forbidden"), ("dry-reseal", "done"), ("reseal", "done")):
        assert stage.metric(f'idempotency_gateway_operator_verbs_total{{outcome="{outcome}",verb="{verb}"}}') == 1


@pytest.mark.parametrize("cursor", ["", "xyz", "0", "00" * 33])
def test_a_cursor_that_nobody_gave_is_refused(start: Start, cursor: str) -> None:
    heard = reseal(start(OLD), cursor=cursor)
    assert heard.status == 422
    assert heard.json["errors"] == [
        {"where": "body.cursor", "sentence": "is none that this API gave; leave it out for the first"}
    ]
