"""The operator's page as a browser gets it: what it shows, whom it lets in, what it takes, and what it never says."""

import re
import threading
from urllib.parse import urlencode

import pytest

from gateway.admin.rendering import POLICY
from tests.admin.conftest import READ, SETTLE, TOKENS, Open, bearer
from tests.stage import Heard, Stage
from tests.upstream import Play, answer

FORM = ("Content-Type", "application/x-www-form-urlencoded")
HTML = ("Accept", "text/html")


def unknown(stage: Stage, key: str = "k") -> str:
    """Makes a record whose outcome is unknown; its address."""
    stage.upstream.then(Play(then="reset"))
    assert stage.post(key).status == 502
    return found(stage, key)


def found(stage: Stage, key: str) -> str:
    """The address to which a search for the key leads."""
    heard = stage.admin(f"/keys?{urlencode({'key': key})}")
    assert heard.status == 303
    return heard.get("location") or ""


def page(stage: Stage, target: str, *headers: tuple[str, str]) -> str:
    heard = stage.admin(target, *headers)
    assert heard.status == 200, heard
    assert heard.get("content-security-policy") == POLICY
    return heard.body.decode()


def say(stage: Stage, place: str, verb: str, *headers: tuple[str, str], **fields: str) -> Heard:
    """A form of the record's page, sent."""
    body = urlencode({"fence": "1", "sure": "yes", **fields}).encode()
    return stage.admin(f"{place}/{verb}", FORM, *headers, method="POST", body=body)


def test_the_first_page_shows_what_is_unknown_what_is_in_flight_and_what_callers_were_told(desk: Open) -> None:
    stage = desk()
    assert "Every call that was sent has been answered" in page(stage, "/")
    place = unknown(stage)
    for _ in range(3):
        stage.post("done")
    gate = threading.Event()
    stage.upstream.then(Play(answer(), gate=gate))
    slow = stage.meanwhile("slow")
    stage.upstream.wait_for(3)
    shown = page(stage, "/")
    assert '<p class="out-of-sight" id="told" role="status">1 key is unknown.</p>' in shown.replace("\n", "")
    assert f'href="{place}"' in shown
    assert re.search(r"<dt>In flight</dt><dd>1</dd>", shown)
    (row,) = re.findall(r'<tr><th scope="row">api</th>(.*?)</tr>', shown)
    assert re.findall(r">(\d+)<", row) == ["1", "2", "0", "0", "1", "0", "1", "1"]
    gate.set()
    assert slow.result().status == 201


def test_the_live_part_comes_only_when_something_changed(desk: Open) -> None:
    stage = desk()
    seen = re.search(r'hx-get="(/live\?[^"]*)"', page(stage, "/"))
    assert seen is not None
    asked = seen[1].replace("&amp;", "&")
    assert stage.admin(asked).status == 204
    place = unknown(stage)
    changed = page(stage, asked)
    assert 'hx-swap-oob="innerHTML">1 key is unknown.' in changed.replace("\n", "")
    assert place in changed
    assert "<html" not in changed


def test_records_are_listed_by_state_and_route_in_pages(desk: Open) -> None:
    stage = desk()
    for number in range(60):
        stage.post(f"k{number}")
    place = unknown(stage, "lost")
    first = page(stage, "/keys")
    (more,) = re.findall(r'<a href="(/keys\?cursor=[^"]+)" rel="next">', first)
    shown = re.findall(r'id="record-([0-9a-f]{64})"', first + page(stage, more))
    assert len(shown) == len(set(shown)) == 61
    assert re.findall(r'id="record-([0-9a-f]{64})"', page(stage, "/keys?state=unknown&route=api")) == [place[6:]]
    assert "None." in page(stage, "/keys?route=elsewhere")
    wrong = stage.admin("/keys?state=nonsense&cursor=!")
    assert wrong.status == 422
    assert b"names no state or page that there is" in wrong.body


def test_a_key_is_found_by_its_text_and_shown_nowhere(desk: Open) -> None:
    stage = desk()
    place = unknown(stage, "order-4711-canary")
    assert "order-4711-canary" not in page(stage, place) + page(stage, "/") + page(stage, "/keys")
    assert "No record of this key is kept" in page(stage, "/keys?key=never-used")


def test_an_unknown_is_resolved_and_the_retry_gets_what_was_given(desk: Open) -> None:
    stage = desk()
    place = unknown(stage)
    given = {"status": "201", "headers": "Content-Type: text/plain\r\nX-A: 1\r\nX-A: 2\r\n", "note": "receipt 12"}
    told = say(stage, place, "resolve", body="two\r\nlines", **given)
    assert (told.status, told.get("location")) == (303, f"{place}?done=resolve")
    shown = page(stage, f"{place}?done=resolve")
    assert "Every later call with this key gets that answer" in shown
    assert "receipt 12" in shown
    retry = stage.post("k")
    assert (retry.told, retry.body, retry.all("x-a")) == ("201 replayed", b"two\nlines", ["1", "2"])
    assert stage.upstream.count("k") == 1


def test_an_unknown_is_released_and_the_retry_is_sent(desk: Open) -> None:
    stage = desk()
    place = unknown(stage)
    assert say(stage, place, "release").status == 303
    assert stage.post("k").told == "201 executed"
    assert stage.upstream.count("k") == 2


def test_an_answer_is_forgotten_and_nothing_is_left_to_decide(desk: Open) -> None:
    stage = desk()
    stage.post("k")
    place = found(stage, "k")
    assert "It was executed" not in page(stage, place)
    assert say(stage, place, "forget").get("location") == f"{place}?done=forget"
    assert stage.post("k").told == "410 expired key-expired"
    assert "Nothing is to be decided" in page(stage, place)


@pytest.mark.parametrize(
    ("verb", "fields", "sentence"),
    [
        ("release", {"sure": ""}, "has to be ticked: nothing was done"),
        ("release", {"fence": "x"}, "fence: must be a whole number"),
        ("release", {"fence": "9"}, "this was for fence 9"),
        ("release", {"note": "x" * 201}, "note: is longer than 200 characters"),
        ("resolve", {"status": "99"}, "status: must be 200 or more"),
        ("resolve", {"status": "201", "headers": "no colon"}, "headers.0"),
        ("resolve", {"status": "201", "headers": "Set-Cookie: a=b"}, "is never replayed"),
        ("resolve", {"status": "429"}, "proves on route api that nothing was executed"),
    ],
)
def test_a_form_that_is_wrong_is_told_what_and_nothing_is_lost(
    desk: Open, verb: str, fields: dict[str, str], sentence: str
) -> None:
    stage = desk()
    place = unknown(stage)
    heard = say(stage, place, verb, **{"body": "what was <typed>", **fields})
    assert heard.status in (409, 422)
    shown = heard.body.decode()
    assert sentence in shown
    assert ("what was &lt;typed&gt;" in shown) == (verb == "resolve" or "what was" in shown)
    assert stage.post("k").told == "409 unknown outcome-unknown"


def test_a_record_that_has_moved_on_says_so_while_it_is_looked_at(desk: Open) -> None:
    stage = desk()
    place = unknown(stage)
    (asked,) = re.findall(r'hx-get="(/keys/[^"]*)"', page(stage, place))
    asked = asked.replace("&amp;", "&")
    assert stage.admin(asked).status in (200, 204)
    say(stage, place, "release")
    changed = page(stage, asked)
    assert "The record has moved on since you opened this page" in changed
    assert 'id="verbs"' in changed
    assert say(stage, place, "release").status == 409


def test_without_a_token_there_is_a_form_and_a_session_begins_and_ends(desk: Open) -> None:
    stage = desk(TOKENS)
    for target in ("/", "/keys", "/keys/" + "0" * 64, "/live"):
        heard = stage.admin(target)
        assert heard.status == 401
        assert b'name="token"' in heard.body
    wrong = stage.admin("/session", FORM, HTML, method="POST", body=b"token=a-wrong-token-of-16")
    assert wrong.status == 401
    assert b"is none of admin.tokens" in wrong.body
    told = stage.admin("/session", FORM, HTML, method="POST", body=f"token={SETTLE}".encode())
    cookie = ("Cookie", (told.get("set-cookie") or "").partition(";")[0])
    shown = page(stage, "/", cookie)
    assert "on-call · may decide" in shown
    assert "Sign out" in shown
    place = unknown_of(stage)
    origin = ("Origin", f"http://127.0.0.1:{stage.admin_port}")
    assert say(stage, place, "release", cookie).status == 403, "a form of nobody's page"
    assert say(stage, place, "release", cookie, ("Origin", "http://evil.example")).status == 403
    assert say(stage, place, "release", cookie, origin).status == 303


def unknown_of(stage: Stage) -> str:
    stage.upstream.then(Play(then="reset"))
    assert stage.post("k").status == 502
    return stage.admin("/keys?key=k", bearer(READ)).get("location") or ""


def test_who_may_only_read_is_shown_no_form_and_taken_at_no_word(desk: Open) -> None:
    stage = desk(TOKENS)
    place = unknown_of(stage)
    shown = page(stage, place, bearer(READ))
    assert "Deciding needs one with the role settle" in shown
    assert '<form method="post" action="/keys' not in shown
    heard = say(stage, place, "release", bearer(READ))
    assert heard.status == 403
    assert b"has the role read" in heard.body


def test_another_host_is_told_that_only_this_machine_may_ask(desk: Open) -> None:
    stage = desk()
    heard = stage.admin("/", ("Host", "gateway.example"))
    assert heard.status == 403
    assert b"Only this machine may ask" in heard.body
    assert heard.get("content-type") == "text/html; charset=utf-8"


def test_a_record_that_is_not_there_is_a_page_too(desk: Open) -> None:
    stage = desk()
    heard = stage.admin("/keys/" + "0" * 64)
    assert heard.status == 404
    assert b"No such record" in heard.body


def test_what_an_operator_writes_is_shown_as_text(desk: Open) -> None:
    stage = desk()
    place = unknown(stage)
    say(stage, place, "release", note='<script>alert("x")</script>')
    assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;" in page(stage, place)


@pytest.mark.parametrize("name", ["page.css", "htmx.min.js", "icon.svg"])
def test_its_files_are_here_and_name_no_other_place(desk: Open, name: str) -> None:
    stage = desk()
    heard = stage.admin(f"/static/{name}")
    assert heard.status == 200
    assert not re.search(rb"(?:url\(|src=|href=)['\"]?https?:", heard.body)
    assert stage.admin("/static/README.md").status == 404
    assert stage.admin("/static/..%2frendering.py").status in (400, 404)


def test_a_call_that_may_yet_be_answered_says_so_before_anything_is_decided(desk: Open) -> None:
    stage = desk("upstream: {timeout: {response: 200ms, total: 300s}}")
    gate = threading.Event()
    stage.upstream.then(Play(answer(201), gate=gate))
    assert stage.post("k").status == 504
    assert "The gateway still listens: the call itself may yet be answered" in page(stage, found(stage, "k"))
    again = stage.post("k")
    assert (again.status, again.json["retryable"], again.get("Retry-After")) == (409, True, "1")
    (told,) = stage.admin("/api/keys?key=k", bearer(READ)).json["keys"]
    assert told["answer_until"] > told["since"]
    gate.set()
    while stage.post("k").status != 201:
        continue
    assert "still listens" not in page(stage, unknown(stage, "lost"))
