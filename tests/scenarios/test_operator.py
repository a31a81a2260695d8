"""An operator's word on every store: what it makes of a key whose outcome nobody knows, as the key's caller sees it."""

from typing import Any

from tests.conftest import Begin
from tests.redis_servers import eventually
from tests.stage import Heard, Stage
from tests.upstream import Play


def unknown(stage: Stage, key: str) -> dict[str, Any]:
    stage.upstream.then(Play(then="reset"))
    assert stage.post(key).told == "502 unknown outcome-unknown"
    assert stage.post(key).told == "409 unknown outcome-unknown"
    return record(stage, key)


def record(stage: Stage, key: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def told() -> bool:
        heard = stage.admin(f"/api/keys?key={key}")
        # A store whose machine has much to do may be silent for longer than a question waits.
        if heard.status == 503:
            return False
        found[:] = heard.json["keys"]
        return True

    eventually(told)
    (shown,) = found
    return shown


def say(stage: Stage, verb: str, shown: dict[str, Any], **more: object) -> Heard:
    path = f"/api/keys/{shown['id']}/{verb}"
    return stage.admin(path, method="POST", body={"fence": shown["fence"], "note": "looked it up", **more})


def forget(stage: Stage, shown: dict[str, Any]) -> Heard:
    return stage.admin(f"/api/keys/{shown['id']}", method="DELETE", body={"fence": shown["fence"]})


def test_resolved_the_retry_gets_that_answer_and_released_it_is_sent(begin: Begin) -> None:
    stage = begin()
    resolved, released = unknown(stage, "resolved"), unknown(stage, "released")
    headers = [["x-twice", "1"], ["content-type", "text/plain"], ["x-twice", "2"]]
    given = {"status": 201, "headers": headers, "body": "it was done: \u00e9"}
    assert say(stage, "resolve", resolved, **given).status == 200
    heard = stage.post("resolved")
    assert (heard.told, heard.body) == ("201 replayed", "it was done: \u00e9".encode())
    assert [[name, value] for name, value in heard.headers][:3] == headers
    assert heard.get("idempotent-replayed") == "true"
    assert heard.get("idempotency-expires") is not None
    assert say(stage, "release", released).status == 200
    assert stage.post("released").told == "201 executed"
    assert [stage.upstream.count(key) for key in ("resolved", "released")] == [1, 2]
    for key, what in (("resolved", "completed"), ("released", "released")):
        assert [each["what"] for each in record(stage, key)["history"]][:3] == ["granted", "unknown", what]
        assert record(stage, key)["history"][2]["by"] == "loopback"
        assert record(stage, key)["history"][2]["note"] == "looked it up"


def test_forgotten_the_key_answers_410_and_is_never_sent(begin: Begin) -> None:
    stage = begin()
    stage.post("forgotten")
    stage.post("forgotten")
    shown = record(stage, "forgotten")
    assert forget(stage, shown).status in (200, 202)
    eventually(lambda: forget(stage, shown).status == 200)
    assert stage.post("forgotten").told == "410 expired key-expired"
    assert stage.upstream.count("forgotten") == 1


def test_what_has_moved_on_is_told_with_where_it_stands(begin: Begin) -> None:
    stage = begin()
    shown = unknown(stage, "a")
    assert say(stage, "release", shown).status == 200
    heard = say(stage, "resolve", shown, status=200)
    assert (heard.told, heard.problem["state"], heard.problem["fence"]) == ("409 - moved", "released", 2)


def test_records_are_listed_and_counted(begin: Begin) -> None:
    stage = begin()
    stage.post("completed")
    unknown(stage, "unknown")
    states = [each["state"] for each in stage.admin("/api/keys").json["keys"]]
    assert states == ["unknown", "completed"]
    (found,) = stage.admin("/api/keys?state=unknown&route=api").json["keys"]
    assert found["id"] == record(stage, "unknown")["id"]
    figures = stage.admin("/api/stats").json
    assert (figures["states"]["unknown"], figures["states"]["completed"]) == (1, 1)
    assert [(each["route"], each["state"], each["count"]) for each in figures["open"]] == [("api", "unknown", 1)]
