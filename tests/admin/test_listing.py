"""What operators see: every record, where it stands and what happened to it; never a key, a credential or a body."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.admin.conftest import TOKENS, Open
from tests.stage import Stage
from tests.upstream import Play, answer

TWO = """
match: {path: /charges}
routes:
  - {name: other, match: {path: /other}, upstream: {url: "http://127.0.0.1:1"}}
"""

INSTANT = "must be an instant with its offset, such as 2026-11-28T09:30:00Z (write '+' as %2B in a URL)"


def listed(stage: Stage, **wanted: str) -> list[dict[str, Any]]:
    heard = stage.admin(f"/api/keys?{urlencode(wanted)}")
    assert heard.status == 200, heard
    records: list[dict[str, Any]] = heard.json["keys"]
    return records


def told(stage: Stage, **wanted: str) -> list[tuple[str, str]]:
    return [(record["state"], record["route"]) for record in listed(stage, **wanted)]


def some_of_each(stage: Stage) -> None:
    stage.post("completed")
    stage.upstream.then(Play(then="reset"))
    stage.post("unknown")
    stage.post("released", target="/other")


def test_records_are_listed_newest_first_by_state_route_and_age(desk: Open) -> None:
    stage = desk(TWO)
    some_of_each(stage)
    everything = [("released", "other"), ("unknown", "api"), ("completed", "api")]
    assert told(stage) == everything
    assert told(stage, state="unknown") == [("unknown", "api")]
    assert told(stage, route="api") == everything[1:]
    assert told(stage, route="api", state="completed") == [("completed", "api")]
    assert told(stage, state="expired") == []
    between = listed(stage)[2]["created_at"]
    assert told(stage, created_after=between) == everything[:2]
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    assert told(stage, created_after=later) == []


def test_pages_lead_to_the_end_and_show_each_record_once(desk: Open) -> None:
    stage = desk()
    for number in range(7):
        stage.post(f"key-{number}")
    seen, cursor = [], None
    for _ in range(9):
        heard = stage.admin("/api/keys?limit=2" + (f"&cursor={cursor}" if cursor else ""))
        seen += [record["id"] for record in heard.json["keys"]]
        if not (cursor := heard.json["next"]):
            break
        stage.post(f"later-{cursor}")
    assert len(seen) == len(set(seen)) == 7
    assert seen == [record["id"] for record in listed(stage)][-7:]


def test_a_record_is_told_with_what_happened_to_it(desk: Open) -> None:
    stage = desk()
    stage.upstream.then(Play(then="reset"))
    stage.post("a")
    record = stage.admin(f"/api/keys/{listed(stage)[0]['id']}").json
    assert [(each["what"], each["by"], each["fence"], each["note"]) for each in record.pop("history")] == [
        ("granted", "gateway", 1, ""),
        ("unknown", "gateway", 1, "reset"),
    ]
    moments = [datetime.fromisoformat(record.pop(name)) for name in ("created_at", "since", "until")]
    assert moments == sorted(moments)
    assert len(record.pop("id")) == 64
    assert record == {
        "state": "unknown",
        "route": "api",
        "caller": None,
        "fence": 1,
        "reason": "reset",
        "reconciler": None,
        "answer": None,
        "answer_until": None,
    }


def test_of_an_answer_only_its_status_and_size_are_told(desk: Open) -> None:
    stage = desk()
    canary = "canary-of-a-body"
    stage.upstream.then(Play(answer(201, canary.encode(), ("X-Secret", canary))))
    stage.post("a-key-to-be-seen-nowhere", canary.encode(), ("Authorization", f"Bearer {canary}"))
    listing = stage.admin("/api/keys")
    assert listing.json["keys"][0]["answer"] is None
    single = stage.admin(f"/api/keys/{listing.json['keys'][0]['id']}")
    by_key = stage.admin("/api/keys?key=a-key-to-be-seen-nowhere")
    assert single.json["answer"] == {"status": 201, "size": len(canary)}
    for heard in (listing, single, by_key, stage.admin("/api/stats"), stage.admin("/metrics")):
        assert canary.encode() not in heard.body
        assert b"a-key-to-be-seen-nowhere" not in heard.body


@pytest.mark.parametrize("written", ["order-1", '"order-1"', '"order-1";v=2'])
def test_a_key_is_found_by_its_text_in_either_form(desk: Open, written: str) -> None:
    stage = desk(TWO)
    stage.post("order-1")
    stage.post("order-2")
    stage.post('"order-1"', target="/other")
    found = listed(stage, key=written)
    assert [(each["state"], each["route"]) for each in found] == [("released", "other"), ("completed", "api")]
    assert [len(each["history"]) for each in found] == [2, 2]
    assert listed(stage, key=written, state="completed") == found[1:]
    assert listed(stage, key="order-3") == []


def test_a_key_is_found_with_each_caller_that_has_one(desk: Open) -> None:
    stage = desk("policy: {scope: {on_change: separate}}")
    stage.post("order-1", b"{}", ("Authorization", "one"))
    stage.post("order-1", b"{}", ("Authorization", "two"))
    assert len(listed(stage, key="order-1")) == 2


def test_a_key_of_the_body_is_found_by_its_text_as_it_stands_there(desk: Open) -> None:
    stage = desk("policy: {key: {body: /id}}")
    stage.post(None, json.dumps({"id": "Übung 1"}).encode())
    assert len(listed(stage, key="Übung 1")) == 1


def test_figures_are_counted_by_state_route_and_outcome(desk: Open) -> None:
    stage = desk(TWO)
    some_of_each(stage)
    stage.post("completed")
    stage.send("GET", "/nowhere", body=None)
    figures = stage.admin("/api/stats").json
    assert figures["states"] == {"in-flight": 0, "completed": 1, "unknown": 1, "released": 1, "expired": 0}
    assert figures["outcomes"] == {"api": {"executed": 1, "replayed": 1, "unknown": 1}, "other": {"not-executed": 1}}
    (calls,) = figures["open"]
    assert (calls["route"], calls["state"], calls["count"]) == ("api", "unknown", 1)
    assert calls["oldest_seconds"] >= 0


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("state=lost", "query.state: must be one of 'in-flight', 'completed', 'unknown', 'released' or 'expired'."),
        ("limit=0", "query.limit: must be 1 or more."),
        ("limit=501", "query.limit: must be 500 or less."),
        ("limit=many", "query.limit: must be a whole number."),
        ("stat=unknown", "query.stat: is not known here; see /docs for what is."),
        ("key=", "query.key: must not be empty."),
        ("route=a/b", "query.route: does not have the form ^[A-Za-z0-9._-]{1,63}$."),
        ("cursor=%C3%A9", "query.cursor: is none that this API gave; leave it out for the first page."),
        ("cursor=x", "query.cursor: is none that this API gave; leave it out for the first page."),
        ("cursor=" + "_" * 54, "query.cursor: is none that this API gave; leave it out for the first page."),
        ("created_after=yesterday", f"query.created_after: {INSTANT}."),
        ("created_after=2026-11-28T09:30:00", f"query.created_after: {INSTANT}."),
        (f"created_after={quote('9999-12-31T23:59:59-14:00')}", f"query.created_after: {INSTANT}."),
    ],
)
def test_what_cannot_be_listed_is_refused_with_a_sentence(desk: Open, query: str, sentence: str) -> None:
    heard = desk().admin(f"/api/keys?{query}")
    assert heard.status == 422
    assert heard.problem["detail"] == sentence


def test_what_is_wrong_is_told_all_at_once_and_never_repeated(desk: Open) -> None:
    heard = desk().admin("/api/keys?state=canary-of-mine&limit=canary-of-mine")
    assert [error["where"] for error in heard.problem["errors"]] == ["query.state", "query.limit"]
    assert b"canary-of-mine" not in heard.body


def test_what_is_not_there_is_told(desk: Open) -> None:
    stage = desk()
    assert stage.admin(f"/api/keys/{'0' * 64}").told == "404 - no-record"
    assert stage.admin("/api/keys/short").told == "422 - invalid"
    assert stage.admin("/api/nothing").told == "404 - not-found"
    refused = stage.admin("/api/stats", method="PUT")
    assert (refused.told, refused.get("allow")) == ("405 - method-not-allowed", "GET")


def test_a_store_that_does_not_answer_is_told(desk: Open) -> None:
    stage = desk()
    stage.perform(stage.running._store.close())
    for path in ("/api/keys", f"/api/keys/{'0' * 64}", "/api/stats"):
        heard = stage.admin(path)
        assert (heard.told, heard.get("retry-after")) == ("503 - store-unavailable", "1")


def test_the_configured_base_of_problems_counts_here_too(desk: Open) -> None:
    stage = desk(f"{TOKENS}\nproblem_base_url: https://example.com/problems/")
    assert stage.admin("/api/keys").problem["type"] == "https://example.com/problems/unauthenticated"
