"""What an operator decides, on a record in each state; under another fence, late, and twice."""

import base64
import json
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from tests.admin.conftest import SETTLE, TOKENS, Open, bearer
from tests.redis_servers import eventually
from tests.stage import Heard, Stage
from tests.upstream import Play, answer

ANSWER = {"status": 201, "headers": [["Content-Type", "text/plain"]], "body": "resolved"}
VERBS = ("release", "resolve", "forget")


def unknown(stage: Stage, key: str = "a") -> dict[str, Any]:
    """The record of a call whose outcome is unknown."""
    stage.upstream.then(Play(then="reset"))
    assert stage.post(key).status == 502
    return record(stage, key)


def completed(stage: Stage) -> dict[str, Any]:
    stage.post("a")
    return record(stage)


def released(stage: Stage) -> dict[str, Any]:
    stage.upstream.then(Play(answer(429)))
    stage.post("a")
    return record(stage)


def expired(stage: Stage) -> dict[str, Any]:
    assert say(stage, "forget", completed(stage)).status == 200
    return record(stage)


def record(stage: Stage, key: str = "a") -> dict[str, Any]:
    (found,) = stage.admin(f"/api/keys?key={key}").json["keys"]
    shown: dict[str, Any] = found
    return shown


def say(stage: Stage, verb: str, shown: dict[str, Any], *headers: tuple[str, str], **more: object) -> Heard:
    """One verb on the record that was shown."""
    path, method = f"/api/keys/{shown['id']}", "DELETE"
    if verb != "forget":
        path, method = f"{path}/{verb}", "POST"
    body = {"fence": shown["fence"], **(ANSWER if verb == "resolve" else {}), **more}
    return stage.admin(path, *headers, method=method, body=body)


def counted(stage: Stage, verb: str, outcome: str) -> float:
    return stage.metric(f'idempotency_gateway_operator_verbs_total{{outcome="{outcome}",verb="{verb}"}}')


def refused_late(stage: Stage) -> float:
    return stage.metric('idempotency_gateway_settlements_moved_total{route="api"}')


def test_an_unknown_key_that_is_released_is_sent_again(desk: Open) -> None:
    stage = desk()
    shown = unknown(stage)
    heard = say(stage, "release", shown, note="nothing in their log")
    assert (heard.status, heard.json) == (
        200,
        {"id": shown["id"], "state": "released", "fence": 2, "replay_until": None},
    )
    assert stage.post("a").told == "201 executed"
    assert len(stage.upstream.log) == 2
    history = [(each["what"], each["by"], each["fence"], each["note"]) for each in record(stage)["history"]]
    assert history[2:] == [
        ("released", "loopback", 2, "nothing in their log"),
        ("granted", "gateway", 3, ""),
        ("completed", "gateway", 3, ""),
    ]


def test_an_unknown_key_that_is_resolved_has_that_answer_byte_for_byte(desk: Open) -> None:
    stage = desk()
    shown = unknown(stage)
    body = bytes(range(256))
    fields = [["x-twice", "one"], ["content-type", "image/png"], ["x-twice", "two"], ["x-empty", ""]]
    given = {"status": 203, "headers": fields, "body": {"base64": base64.b64encode(body).decode()}}
    heard = say(stage, "resolve", shown, **given)
    assert heard.status == 200
    assert (heard.json["state"], heard.json["fence"]) == ("completed", 2)
    replayed = stage.post("a")
    assert (replayed.told, replayed.body) == ("203 replayed", body)
    assert [[name, value] for name, value in replayed.headers][: len(fields)] == fields
    assert replayed.get("idempotent-replayed") == "true"
    until = datetime.fromisoformat(heard.json["replay_until"])
    assert replayed.get("idempotency-expires") == until.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert replayed.get("idempotency-origin") is None
    assert len(stage.upstream.log) == 1
    assert record(stage)["answer"] == {"status": 203, "size": 256}


@pytest.mark.parametrize("state", [completed, unknown])
def test_a_forgotten_key_answers_410_and_is_not_sent(desk: Open, state: Callable[[Stage], dict[str, Any]]) -> None:
    stage = desk()
    shown = state(stage)
    heard = say(stage, "forget", shown, note="they asked for it")
    assert (heard.status, heard.json) == (200, {"id": shown["id"], "fence": 1, "copies_gone": True})
    assert stage.post("a").told == "410 expired key-expired"
    assert len(stage.upstream.log) == 1
    assert [(each["what"], each["by"], each["note"]) for each in record(stage)["history"]][-1] == (
        "forgotten",
        "loopback",
        "they asked for it",
    )
    assert say(stage, "forget", shown).status == 200, "asked again, it tells how that stands"


@pytest.mark.parametrize("state", [completed, released, expired])
@pytest.mark.parametrize("verb", ["release", "resolve"])
def test_only_what_is_unknown_is_decided(desk: Open, state: Callable[[Stage], dict[str, Any]], verb: str) -> None:
    stage = desk()
    shown = state(stage)
    heard = say(stage, verb, shown)
    assert heard.told == "409 - moved"
    assert (heard.problem["state"], heard.problem["fence"]) == (shown["state"], 1)
    assert heard.problem["detail"].startswith(f"Nothing was done. Only an unknown record can be {verb}")
    assert record(stage) == shown
    assert counted(stage, verb, "moved") == 1


@pytest.mark.parametrize("verb", VERBS)
def test_a_call_in_flight_is_waited_for(desk: Open, verb: str) -> None:
    stage = desk()
    gate = threading.Event()
    stage.upstream.then(Play(answer(), gate=gate))
    call = stage.meanwhile("a")
    stage.upstream.wait_for(1)
    shown = record(stage)
    heard = say(stage, verb, shown)
    gate.set()
    assert heard.told == "409 - in-flight"
    assert (heard.problem["state"], heard.problem["fence"]) == ("in-flight", 1)
    assert 1 <= int(heard.get("retry-after") or 0) <= 100
    assert call.result().told == "201 executed"
    assert counted(stage, verb, "in-flight") == 1


@pytest.mark.parametrize("verb", VERBS)
def test_another_fence_decides_nothing(desk: Open, verb: str) -> None:
    stage = desk()
    shown = unknown(stage)
    heard = say(stage, verb, {**shown, "fence": 7})
    assert heard.told == "409 - moved"
    assert heard.problem["detail"] == (
        "Nothing was done. The record is unknown under fence 1 now, and this was for fence 7. "
        "Look at it again before you decide."
    )
    assert record(stage) == shown


@pytest.mark.parametrize("verb", VERBS)
def test_a_record_that_is_not_there_is_told(desk: Open, verb: str) -> None:
    stage = desk()
    assert say(stage, verb, {"id": "0" * 64, "fence": 1}).told == "404 - no-record"
    assert counted(stage, verb, "absent") == 1


@pytest.mark.parametrize("verb", ["release", "resolve"])
def test_said_twice_it_is_done_once_and_the_second_is_told(desk: Open, verb: str) -> None:
    stage = desk()
    shown = unknown(stage)
    heard = list(stage.pool.map(lambda _: say(stage, verb, shown).told, range(8)))
    assert sorted(heard) == ["200 -"] + 7 * ["409 - moved"]
    assert counted(stage, verb, "done") == 1
    assert len(record(stage)["history"]) == 3


@pytest.mark.parametrize("verb", ["release", "resolve"])
def test_of_a_late_answer_and_a_word_the_first_holds_and_the_other_is_told(desk: Open, verb: str) -> None:
    stage = desk("upstream: {timeout: {response: 100ms, total: 20s}}")
    gate = threading.Event()
    stage.upstream.then(Play(answer(201, b"late"), gate=gate))
    assert stage.post("a").told == "504 unknown outcome-unknown"
    shown = record(stage)
    assert shown["state"] == "unknown"
    word = stage.pool.submit(say, stage, verb, shown)
    gate.set()
    if word.result().status == 200:
        eventually(lambda: refused_late(stage) == 1)
        assert record(stage)["fence"] == 2
        return
    assert word.result().told == "409 - moved"
    assert (word.result().problem["state"], word.result().problem["fence"]) == ("completed", 1)
    assert stage.post("a").body == b"late"


@pytest.mark.parametrize("verb", ["release", "resolve"])
def test_a_late_answer_after_a_word_changes_nothing(desk: Open, verb: str) -> None:
    stage = desk("upstream: {timeout: {response: 100ms, total: 20s}}")
    gate = threading.Event()
    stage.upstream.then(Play(answer(201, b"late"), gate=gate))
    assert stage.post("a").status == 504
    assert say(stage, verb, record(stage)).status == 200
    gate.set()
    eventually(lambda: refused_late(stage) == 1)
    assert record(stage)["state"] == {"release": "released", "resolve": "completed"}[verb]


def test_who_waits_gets_the_word(desk: Open) -> None:
    stage = desk("policy: {on_conflict: wait}\nupstream: {timeout: {response: 10s, total: 20s}}")
    shown = unknown(stage)
    assert say(stage, "resolve", shown).status == 200
    assert stage.post("a").body == b"resolved"


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a status that is none": ({"status": 199}, "body.status: must be 200 or more."),
    "a status beyond": ({"status": 600}, "body.status: must be 599 or less."),
    "a status that proves": (
        {"status": 429},
        "body.status: is 429, which proves on route api that nothing was executed; release the key instead.",
    ),
    "no pair": ({"headers": [["A"]]}, "body.headers.0: must have 2 elements."),
    "three": ({"headers": [["A", "b", "c"]]}, "body.headers.0: has more than 2 elements."),
    "no name": (
        {"headers": [["A", "b"], ["A b", "c"]]},
        "body.headers.1: has a name that is no header name, such as Content-Type.",
    ),
    "a line's end": (
        {"headers": [["A", "b\r\nSet-Cookie: x"]]},
        "body.headers.0: has a value that is not one line of printable ASCII without space around it.",
    ),
    "space around": (
        {"headers": [["A", " b"]]},
        "body.headers.0: has a value that is not one line of printable ASCII without space around it.",
    ),
    "hop-by-hop": (
        {"headers": [["transfer-Encoding", "chunked"]]},
        "body.headers.0: ends at one hop, so that no caller ever gets it; leave it out.",
    ),
    "a cookie": (
        {"headers": [["Set-Cookie", "a=b"]]},
        "body.headers.0: is never replayed, because it is one caller's alone; leave it out.",
    ),
    "a mark": ({"headers": [["Idempotency-Origin", "x"]]}, "body.headers.0: is for the gateway to say; leave it out."),
    "a length": (
        {"headers": [["Content-Length", "8"]]},
        "body.headers.0: is written by the gateway, from the body; leave it out.",
    ),
    "a dropped header": (
        {"headers": [["X-Internal", "8"]]},
        "body.headers.0: is never replayed on route api (keep.drop_headers); leave it out.",
    ),
    "a large head": (
        {"headers": [["A", "b" * 9000], ["A", "b" * 9000]]},
        "body.headers: are larger than 16384 bytes together.",
    ),
    "a body where none is": ({"status": 204}, "body.body: must be empty: an answer 204 never has one."),
    "a large body": ({"body": "x" * 1025}, "body.body: has 1025 bytes, and route api keeps 1024 at most."),
    "no base64": (
        {"body": {"base64": "?"}},
        "body.body.base64: is not base64; encode the bytes as RFC 4648, section 4, has it.",
    ),
    "half a character": (
        {"body": "\ud800"},
        "body.body: is not text in UTF-8: it has half a character; send it as base64.",
    ),
    "a note too long": ({"note": "x" * 201}, "body.note: is longer than 200 characters."),
    "a note of lines": ({"note": "a\nb"}, "body.note: must be one line of printable text."),
    "no fence": ({"fence": 0}, "body.fence: must be 1 or more."),
    "unknown": ({"fense": 1}, "body.fense: is not known here; see /docs for what is."),
}


@pytest.mark.parametrize(("more", "sentence"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_an_answer_is_refused_with_a_sentence(desk: Open, more: dict[str, Any], sentence: str) -> None:
    stage = desk("policy: {keep: {drop_headers: [X-Internal]}, response: {max_body: 1KiB}}")
    shown = unknown(stage)
    heard = say(stage, "resolve", shown, **more)
    assert heard.told == "422 - invalid"
    assert heard.problem["detail"] == sentence
    assert record(stage) == shown
    assert counted(stage, "resolve", "invalid") == 1


def test_a_route_that_keeps_no_answers_is_told_the_status_alone(desk: Open) -> None:
    stage = desk("policy: {keep: {body: never}}")
    shown = unknown(stage)
    assert say(stage, "resolve", shown).problem["detail"] == (
        "body.body: must be left out: route api keeps no answers (keep.body: never); give the status alone; "
        "body.headers: must be left out: route api keeps no answers (keep.body: never); give the status alone."
    )
    assert say(stage, "resolve", shown, headers=[], body="").status == 200
    assert stage.post("a").told == "410 expired response-not-kept"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "422 - invalid"),
        (b"{", "400 - bad-request"),
        (b"\xff", "400 - bad-request"),
        (b"[]", "422 - invalid"),
        (b'"x"', "422 - invalid"),
        (b'{"fence": "1"}', "422 - invalid"),
        (b'{"fence": true}', "422 - invalid"),
        (b'{"fence": 1.5}', "422 - invalid"),
        (b"[" * 100_000, "400 - bad-request"),
    ],
)
def test_what_is_no_word_at_all_is_refused(desk: Open, body: bytes, told: str) -> None:
    stage = desk()
    shown = unknown(stage)
    path = f"/api/keys/{shown['id']}/release"
    assert stage.admin(path, ("Content-Type", "application/json"), method="POST", body=body).told == told
    assert record(stage) == shown


def test_a_form_of_another_page_is_no_word(desk: Open) -> None:
    """A page elsewhere can have a browser send text and forms without asking first, but no JSON."""
    stage = desk()
    shown = unknown(stage)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        body = json.dumps({"fence": 1}).encode()
        heard = stage.admin(f"/api/keys/{shown['id']}/release", ("Content-Type", kind), method="POST", body=body)
        assert heard.told == "422 - invalid"
    assert record(stage) == shown


def test_a_body_larger_than_any_answer_is_not_taken(desk: Open) -> None:
    stage = desk("policy: {response: {max_body: 1KiB}}")
    shown = unknown(stage)
    assert say(stage, "resolve", shown, body="x" * 70_000).told == "413 - too-large"


def test_the_word_is_the_named_operators(desk: Open) -> None:
    stage = desk(TOKENS)
    stage.upstream.then(Play(then="reset"))
    stage.post("a")
    (shown,) = stage.admin("/api/keys?key=a", bearer(SETTLE)).json["keys"]
    assert say(stage, "release", shown, bearer(SETTLE)).status == 200
    (after,) = stage.admin("/api/keys?key=a", bearer(SETTLE)).json["keys"]
    assert after["history"][-1]["by"] == "on-call"


def test_a_store_that_does_not_answer_is_told_and_audited(desk: Open) -> None:
    stage = desk()
    shown = unknown(stage)
    stage.perform(stage.running._store.close())
    for verb in VERBS:
        assert say(stage, verb, shown).told == "503 - store-unavailable"
        assert counted(stage, verb, "unavailable") == 1


@pytest.mark.parametrize("verb", VERBS)
def test_a_word_on_a_call_that_was_forgotten_is_not_taken_for_the_next_one_of_its_key(desk: Open, verb: str) -> None:
    """Once retention has forgotten a key its fences begin anew, and a fence alone would name either call."""
    stage = desk("policy: {retention: {key: 0s}}")
    shown = unknown(stage)
    assert say(stage, "release", shown).status == 200
    stage.perform(stage.running._store.sweep(100))
    again = unknown(stage)
    assert (again["fence"], again["state"]) == (shown["fence"], "unknown")
    late = say(stage, verb, shown, created_at=shown["created_at"])
    assert late.status == 409
    assert "The key was called anew since" in late.json["detail"]
    assert stage.post("a").told == "409 unknown outcome-unknown"
    assert say(stage, verb, again, created_at=again["created_at"]).status == 200


def test_a_path_with_a_slash_too_many_leads_nowhere(desk: Open) -> None:
    stage = desk()
    heard = stage.admin("/healthz/", ("Host", "evil.example"))
    assert (heard.status, heard.get("location")) == (404, None)
