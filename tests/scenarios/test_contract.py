"""The contract's table, row by row, as conversations: what the client says, what it hears, what the upstream saw.

Every scenario runs on each store, over real sockets. ``told`` reads: status, ``Idempotency-Status``, problem.
"""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import Begin
from tests.raw import cut_short, hang_up
from tests.upstream import Play, answer, chunked


def test_a_first_call_is_executed_and_every_retry_hears_its_answer(begin: Begin) -> None:
    stage = begin()
    stage.upstream.then(Play(answer(201, b'{"id": "ch_1"}', ("X-Twice", "1"), ("x-twice", "2"), ("ETag", '"v"'))))
    first = stage.post("order-1", b'{"amount": 5}')
    assert first.told == "201 executed"
    for _ in range(3):
        retry = stage.post("order-1", b'{"amount": 5}')
        assert retry.told == "201 replayed"
        assert retry.get("idempotent-replayed") == "true"
        assert retry.body == first.body == b'{"id": "ch_1"}'
        assert retry.all("x-twice") == ["1", "2"]
        assert retry.get("idempotency-expires") == first.get("idempotency-expires")
        assert retry.get("idempotency-origin") is None
    assert stage.upstream.count("order-1") == 1


def test_both_forms_of_one_key_are_the_same_key_and_the_upstream_sees_one_form(begin: Begin) -> None:
    stage = begin()
    assert stage.post('"order-1"').told == "201 executed"
    assert stage.post("order-1").told == "201 replayed"
    assert stage.post('"order-1";v=2').told == "201 replayed"
    assert [logged.all("idempotency-key") for logged in stage.upstream.log] == [["order-1"]]


def test_another_request_under_a_used_key_is_a_mismatch_and_is_not_sent(begin: Begin) -> None:
    stage = begin()
    stage.post("k", b'{"amount": 5}')
    refused = stage.post("k", b'{"amount": 6}')
    assert refused.told == "422 mismatch key-reused"
    assert refused.problem["title"] == "Idempotency-Key is already used"
    assert refused.problem["retryable"] is False
    assert refused.get("idempotency-origin") == "gateway"
    assert stage.post("k", b'{"amount": 5}', target="/charges?x=1").told == "422 mismatch key-reused"
    assert stage.send("PATCH", "/charges", key="k", body=b'{"amount": 5}').told == "422 mismatch key-reused"
    assert stage.post("k", b'{"amount": 5}', ("Content-Type", "text/plain")).told == "422 mismatch key-reused"
    assert len(stage.upstream.log) == 1


def test_a_known_key_from_another_caller_gets_no_answer(begin: Begin) -> None:
    stage = begin()
    stage.post("k", b"{}", ("Authorization", "Bearer one"))
    other = stage.post("k", b"{}", ("Authorization", "Bearer two"))
    assert other.told == "409 mismatch caller-changed"
    assert stage.post("k").told == "409 mismatch caller-changed"
    assert stage.post("k", b"{}", ("Authorization", "Bearer one")).told == "201 replayed"
    assert len(stage.upstream.log) == 1


def test_separate_callers_have_keys_of_their_own(begin: Begin) -> None:
    stage = begin("policy: {scope: {on_change: separate}}")
    one = stage.post("k", b"{}", ("Authorization", "Bearer one"))
    two = stage.post("k", b"{}", ("Authorization", "Bearer two"))
    assert (one.told, two.told) == ("201 executed", "201 executed")
    assert one.body != two.body
    assert stage.post("k", b"{}", ("Authorization", "Bearer one")).body == one.body


def test_a_key_in_flight_is_refused_with_a_time_to_come_back(begin: Begin) -> None:
    stage = begin()
    gate = threading.Event()
    stage.upstream.then(Play(answer(), gate=gate))
    first = stage.meanwhile("k")
    stage.upstream.wait_for(1)
    busy = stage.post("k")
    assert busy.told == "409 in-flight in-flight"
    assert busy.problem["title"] == "A request is outstanding for this Idempotency-Key"
    assert busy.get("retry-after") == "1"
    assert stage.post("k", b"other").told == "422 mismatch key-reused", "the fingerprint is checked first"
    gate.set()
    assert first.result().told == "201 executed"
    assert stage.post("k").told == "201 replayed"
    assert stage.upstream.count("k") == 1


def test_a_call_that_may_wait_hears_the_answer_of_the_one_in_flight(begin: Begin) -> None:
    stage = begin("policy: {on_conflict: wait}")
    gate = threading.Event()
    stage.upstream.then(Play(answer(201, b"charged"), gate=gate))
    first = stage.meanwhile("k")
    stage.upstream.wait_for(1)
    waiting = [stage.meanwhile("k") for _ in range(20)]
    assert stage.post("k", b"other").told == "422 mismatch key-reused", "who is a stranger is not kept waiting"
    while stage.metric('idempotency_gateway_waits_total{route="api"}') < 20:
        continue
    gate.set()
    assert first.result().told == "201 executed"
    assert {heard.result().told for heard in waiting} == {"201 replayed"}
    assert {heard.result().body for heard in waiting} == {b"charged"}
    assert stage.upstream.count("k") == 1


def test_a_call_that_has_waited_its_time_is_told_that_the_other_is_in_flight(begin: Begin) -> None:
    stage = begin("policy: {on_conflict: wait, wait_timeout: 200ms}")
    gate = threading.Event()
    stage.upstream.then(Play(answer(), gate=gate))
    first = stage.meanwhile("k")
    stage.upstream.wait_for(1)
    refused = stage.post("k")
    assert refused.told == "409 in-flight in-flight"
    assert refused.get("retry-after") == "1"
    gate.set()
    assert first.result().told == "201 executed"


def test_a_call_that_waited_for_one_that_was_not_executed_is_sent_itself(begin: Begin) -> None:
    stage = begin("policy: {on_conflict: wait}")
    gate = threading.Event()
    stage.upstream.then(Play(answer(429), gate=gate))
    first = stage.meanwhile("k")
    stage.upstream.wait_for(1)
    waiting = [stage.meanwhile("k") for _ in range(10)]
    while stage.metric('idempotency_gateway_waits_total{route="api"}') < 10:
        continue
    gate.set()
    assert first.result().told == "429 not-executed"
    assert sorted(heard.result().told for heard in waiting) == ["201 executed", *["201 replayed"] * 9]
    assert stage.upstream.count("k") == 2


def test_a_missing_key_is_refused_where_it_is_required_and_passes_unguarded_where_not(begin: Begin) -> None:
    stage = begin("""
        match: {path: /open}
        routes:
          - name: strict
            match: {path: /strict}
            upstream: {url: "http://127.0.0.1:1"}
            policy: {key: {required: true}}
    """)
    refused = stage.post(None, target="/strict")
    assert refused.told == "400 rejected key-missing"
    assert refused.problem["title"] == "Idempotency-Key is missing"
    assert stage.post(None, target="/open").told == "201 unguarded"
    assert stage.post(None, target="/open").told == "201 unguarded"
    assert len(stage.upstream.log) == 2


def test_a_key_that_cannot_be_one_is_refused(begin: Begin) -> None:
    stage = begin("policy: {key: {min_length: 3, max_length: 5}}")
    for key in ("a b", "ab,cd", '"abc', "ab", "abcdef"):
        assert stage.post(key).told == "400 rejected key-invalid", key
    twice = stage.post("abc", b"{}", ("Idempotency-Key", "abc"))
    assert twice.told == "400 rejected key-invalid"
    assert stage.upstream.log == []


def test_when_nothing_was_sent_the_key_stays_free_and_the_retry_is_executed(begin: Begin, unused_port: int) -> None:
    stage = begin(f'upstream: {{url: "http://127.0.0.1:{unused_port}"}}')
    refused = stage.post("k", b"first")
    assert refused.told == "503 not-executed upstream-unreachable"
    assert refused.get("retry-after") == "1"
    assert refused.problem["retryable"] is True
    assert stage.post("k", b"another body").told == "503 not-executed upstream-unreachable", "a released key forgot"


def test_a_status_that_proves_that_nothing_was_executed_releases_the_key(begin: Begin) -> None:
    stage = begin()
    stage.upstream.then(Play(answer(429, b"slow down", ("Retry-After", "7"))))
    turned_away = stage.post("k")
    assert (turned_away.told, turned_away.body) == ("429 not-executed", b"slow down")
    assert turned_away.get("retry-after") == "7"
    assert stage.post("k").told == "201 executed"
    assert stage.upstream.count("k") == 2


def test_an_error_of_the_upstream_is_an_answer_and_is_kept(begin: Begin) -> None:
    stage = begin()
    stage.upstream.then(Play(answer(500, b"oops")))
    assert stage.post("k").told == "500 executed"
    retry = stage.post("k")
    assert (retry.told, retry.body) == ("500 replayed", b"oops")
    assert stage.upstream.count("k") == 1


def test_a_connection_that_breaks_after_sending_leaves_the_outcome_unknown(begin: Begin) -> None:
    stage = begin()
    for then in ("reset", "close"):
        stage.upstream.then(Play(then=then))
        lost = stage.post(then)
        assert lost.told == "502 unknown outcome-unknown"
        assert lost.get("idempotency-origin") == "gateway"
        retry = stage.post(then)
        assert retry.told == "409 unknown outcome-unknown"
        assert retry.get("retry-after") is None
        assert stage.upstream.count(then) == 1


def test_a_truncated_answer_leaves_the_outcome_unknown_wherever_it_is_cut(begin: Begin) -> None:
    stage = begin()
    whole = answer(201, b"0123456789")
    chunks = chunked(201, b"01234", b"56789")
    cuts = [whole[:at] for at in range(0, len(whole), 7)] + [chunks[:at] for at in range(0, len(chunks), 9)]
    for number, cut in enumerate(cuts):
        stage.upstream.then(Play(cut, then="close"))
        assert stage.post(f"k{number}").told == "502 unknown outcome-unknown", cut
        assert stage.post(f"k{number}").told == "409 unknown outcome-unknown"
        assert stage.upstream.count(f"k{number}") == 1


def test_a_silent_upstream_is_a_504_and_its_late_answer_settles_the_key(begin: Begin) -> None:
    stage = begin("upstream: {timeout: {response: 200ms, total: 20s}}")
    gate = threading.Event()
    stage.upstream.then(Play(answer(201, b"late"), gate=gate))
    assert stage.post("k").told == "504 unknown outcome-unknown"
    assert stage.post("k").told == "409 unknown outcome-unknown"
    gate.set()
    retry = stage.post("k")
    while retry.status == 409:
        retry = stage.post("k")
    assert (retry.told, retry.body) == ("201 replayed", b"late")
    assert stage.upstream.count("k") == 1
    assert stage.metric('idempotency_gateway_late_answers_total{route="api"}') == 1


def test_an_upstream_silent_to_the_end_is_given_up_and_stays_unknown(begin: Begin) -> None:
    stage = begin("upstream: {timeout: {connect: 100ms, response: 200ms, total: 300ms}}")
    stage.upstream.then(Play(then="hang"))
    assert stage.post("k").told == "504 unknown outcome-unknown"
    assert stage.upstream.left.wait(10)
    assert stage.post("k").told == "409 unknown outcome-unknown"
    assert stage.upstream.count("k") == 1


def test_under_fail_the_gateways_answer_is_kept_and_replayed(begin: Begin) -> None:
    stage = begin("policy: {on_unknown: fail}")
    stage.upstream.then(Play(then="reset"))
    lost = stage.post("k")
    assert lost.told == "502 unknown outcome-unknown"
    retry = stage.post("k")
    assert retry.told == "502 replayed outcome-unknown"
    assert retry.body == lost.body
    assert retry.get("idempotency-origin") == "gateway"
    assert stage.upstream.count("k") == 1


def test_a_status_that_proves_nothing_is_passed_on_and_leaves_the_outcome_unknown(begin: Begin) -> None:
    stage = begin("policy: {unknown_statuses: [502]}")
    stage.upstream.then(Play(answer(502, b"bad gateway")))
    first = stage.post("k")
    assert (first.told, first.body, first.get("idempotency-origin")) == ("502 unknown", b"bad gateway", None)
    assert stage.post("k").told == "409 unknown outcome-unknown"
    assert stage.upstream.count("k") == 1


def test_an_answer_too_large_to_keep_is_streamed_and_not_sent_again(begin: Begin) -> None:
    stage = begin("policy: {response: {max_body: 1KiB}}")
    large = bytes(range(256)) * 40
    for number, data in enumerate((answer(201, large), chunked(201, large[:5000], large[5000:]))):
        stage.upstream.then(Play(data))
        first = stage.post(f"k{number}")
        assert (first.told, first.body) == ("201 executed", large)
        assert stage.post(f"k{number}").told == "410 expired response-not-kept"
        assert stage.upstream.count(f"k{number}") == 1


def test_a_stream_of_events_is_passed_on_as_it_comes_and_not_kept(begin: Begin) -> None:
    stage = begin()
    stage.upstream.then(
        Play(chunked(200, b"data: 1\n\n", b"data: 2\n\n", fields=(("Content-Type", "text/event-stream"),)))
    )
    first = stage.post("k")
    assert (first.told, first.body) == ("200 executed", b"data: 1\n\ndata: 2\n\n")
    assert stage.post("k").told == "410 expired response-not-kept"


def test_where_answers_may_not_be_kept_only_the_fact_is(begin: Begin) -> None:
    stage = begin("policy: {keep: {body: never}}")
    stage.upstream.then(Play(answer(201, b"secret")))
    assert stage.post("k").body == b"secret"
    later = stage.post("k")
    assert later.told == "410 expired response-not-kept"
    assert "201" in later.problem["detail"]


def test_a_key_whose_answer_is_gone_is_expired_and_not_sent(begin: Begin) -> None:
    stage = begin("policy: {retention: {response: 0s, key: 1h}}")
    assert stage.post("k").told == "201 executed"
    expired = stage.post("k")
    assert expired.told == "410 expired key-expired"
    assert expired.problem["retryable"] is False
    assert stage.post("k", b"other").told == "422 mismatch key-reused", "a tombstone still knows its request"
    assert stage.upstream.count("k") == 1


def test_a_key_that_is_forgotten_is_a_new_key(begin: Begin) -> None:
    stage = begin("policy: {retention: {response: 0s, key: 0s}}")
    assert stage.post("k").told == "201 executed"
    assert stage.post("k", b"other").told == "201 executed"


def test_expiry_is_told_in_rfc_3339(begin: Begin) -> None:
    stage = begin("policy: {retention: {response: 1h}}")
    told = stage.post("k").get("idempotency-expires")
    assert told is not None
    left = datetime.fromisoformat(told) - datetime.now(UTC)
    assert timedelta(minutes=59) < left <= timedelta(hours=1)


def test_a_body_over_the_limit_is_refused_before_anything_is_sent(begin: Begin) -> None:
    stage = begin("policy: {request: {max_body: 1KiB}}")
    assert stage.post("k", b"x" * 1025).told == "413 rejected request-too-large"
    assert stage.post("a b", b"x" * 1025).told == "413 rejected request-too-large", (
        "limits come before the key's syntax"
    )
    assert stage.post("k", b"x" * 1024).told == "201 executed"
    assert len(stage.upstream.log) == 1


def test_no_route_is_a_404(begin: Begin) -> None:
    stage = begin("match: {path: /v1/}")
    assert stage.post("k", target="/v2/x").told == "404 - no-route"
    assert stage.post("k", target="/v1").told == "404 - no-route"
    assert stage.post("k", target="/v1/x").told == "201 executed"


def test_other_methods_pass_through_unguarded(begin: Begin) -> None:
    stage = begin()
    for method in ("GET", "PUT", "DELETE"):
        body = b"{}" if method == "PUT" else None
        assert stage.send(method, "/charges/1", key="k", body=body).told == "201 unguarded"
        assert stage.send(method, "/charges/1", key="k", body=body).told == "201 unguarded"
    assert len(stage.upstream.log) == 6


def test_what_the_gateway_does_not_carry_is_refused(begin: Begin) -> None:
    stage = begin()
    assert stage.send("GET", "/", ("Upgrade", "websocket"), ("Connection", "Upgrade"), body=None).status == 501
    assert stage.post("k", b"", ("Content-Type", "application/grpc+proto")).told == "501 - unsupported"
    assert stage.send("TRACE", "/", body=None).told == "405 - unsupported"
    assert stage.upstream.log == []


def test_a_key_may_come_from_the_body(begin: Begin) -> None:
    stage = begin("policy: {key: {body: /id, required: true}}")
    assert stage.post(None, b'{"id": "e1", "a": 1}').told == "201 executed"
    assert stage.post(None, b'{"id": "e1", "a": 1}').told == "201 replayed"
    assert stage.post(None, b'{"id": "e1", "a": 2}').told == "422 mismatch key-reused"
    assert stage.post(None, b'{"id": "e2"}').told == "201 executed"
    assert stage.post(None, b"{}").told == "400 rejected key-missing"
    assert stage.post(None, b'{"id": []}').told == "400 rejected key-invalid"
    assert stage.post(None, b'{"id": 12345678901234567890, "a": 1e400}').told == "201 executed"
    assert stage.post(None, b'{"id": 12345678901234567890, "a": 1e400}').told == "201 replayed"
    assert len(stage.upstream.log) == 3


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"id": "e1", "id": "e2"}', "has a name twice"),
        (b'\xef\xbb\xbf{"id": "e1"}', "is not JSON in UTF-8"),
        (b'{"id": "e1"', "is not JSON in UTF-8"),
        (b'{"id": "e1", "a": NaN}', "holds NaN, which is not JSON"),
        (b'{"id": "e1", "a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "is nested too deeply"),
        (b'{"id": 1.5}', "is not a string or a whole number"),
    ],
    ids=["name twice", "byte order mark", "cut", "NaN", "deep", "fraction"],
)
def test_a_body_whose_key_cannot_be_read_for_sure_is_never_sent_unguarded(begin: Begin, body: bytes, why: str) -> None:
    stage = begin("policy: {key: {body: /id}}")
    refused = stage.post(None, body)
    assert refused.told == "400 rejected key-invalid"
    assert why in refused.problem["detail"]
    assert stage.post(None, b"").told == "201 unguarded"
    assert stage.post(None, b'{"other": 1}').told == "201 unguarded"
    assert len(stage.upstream.log) == 2


def test_a_caller_cannot_take_the_gateways_own_fields_or_those_of_identity_away(begin: Begin) -> None:
    stage = begin(
        "policy: {upstream_key: {mode: derive, header: X-Up-Key}, fingerprint: {headers: [X-Account]},"
        " scope: {headers: [X-Tenant]}}"
    )
    for named in ("X-Up-Key", "X-Account", "X-Tenant", "Idempotency-Key"):
        assert stage.post("k", b"{}", ("Connection", named)).told == "400 - bad-request"
    for twin in ("X_Account", "X_Tenant", "X_Up_Key"):
        assert stage.post("k", b"{}", (twin, "1")).told == "400 - bad-request"
    assert (
        stage.post("k", b"{}", ("Connection", "Accept-Encoding, Via, X-Mine"), ("X-Mine", "1")).told == "201 executed"
    )
    (sent,) = stage.upstream.log
    names = [name for name, _ in sent.headers]
    assert "accept-encoding" in names
    assert "via" in names
    assert "x-up-key" in names
    assert "x-mine" not in names


def test_a_guarded_call_without_a_body_goes_out_without_one(begin: Begin) -> None:
    stage = begin("policy: {methods: [GET, DELETE, POST]}")
    for method in ("GET", "DELETE"):
        assert stage.send(method, "/charges/1", key=method, body=None).told == "201 executed"
    assert stage.send("POST", "/charges", key="p", body=None).told == "201 executed"
    said = [[value for name, value in sent.headers if name == "content-length"] for sent in stage.upstream.log]
    assert said == [[], [], ["0"]]


def test_an_answer_that_is_not_kept_says_no_time_until_which_it_is_replayed(begin: Begin) -> None:
    stage = begin("policy: {keep: {body: never}}")
    first = stage.post("k")
    assert first.told == "201 executed"
    assert first.get("idempotency-expires") is None


def test_a_fingerprint_may_stand_for_the_key(begin: Begin) -> None:
    stage = begin("policy: {key: {derive: fingerprint}}")
    assert stage.post(None, b"1").told == "201 executed"
    assert stage.post(None, b"1").told == "201 replayed"
    assert stage.post(None, b"2").told == "201 executed"


def test_json_that_says_the_same_is_the_same_request_where_the_policy_says_so(begin: Begin) -> None:
    stage = begin("policy: {fingerprint: {body: json, exclude: [/sent_at]}}")
    assert stage.post("k", b'{"a": 1, "sent_at": 1}').told == "201 executed"
    assert stage.post("k", b'{"sent_at":2,"a":1.0}').told == "201 replayed"
    assert stage.post("k", b'{"a": 2}').told == "422 mismatch key-reused"


@pytest.mark.parametrize(
    ("policy", "field", "value"),
    [
        ("forward", "idempotency-key", ["k"]),
        ("{form: quoted}", "idempotency-key", ['"k"']),
        ("drop", "idempotency-key", []),
        ("{header: X-Request-Id}", "x-request-id", ["k"]),
        ("{header: X-Request-Id}", "idempotency-key", []),
    ],
)
def test_the_upstream_is_told_the_key_as_the_policy_says(
    begin: Begin, policy: str, field: str, value: list[str]
) -> None:
    stage = begin(f"policy: {{upstream_key: {policy}}}")
    assert stage.post("k").told == "201 executed"
    assert stage.upstream.log[0].all(field) == value


def test_a_digest_may_stand_for_the_key_upstream(begin: Begin) -> None:
    stage = begin("policy: {upstream_key: derive}")
    stage.post("k")
    (told,) = stage.upstream.log[0].all("idempotency-key")
    assert len(told) == 64
    assert told != "k"


def test_the_request_goes_upstream_as_it_came_less_what_belongs_to_this_hop(begin: Begin) -> None:
    stage = begin()
    stage.post(
        "k",
        b"{}",
        ("X-A", "1"),
        ("X-A", "2"),
        ("Connection", "x-hop"),
        ("X-Hop", "1"),
        ("TE", "trailers"),
        ("Accept-Encoding", "gzip"),
        target="/a//b?c=%20&d",
    )
    (logged,) = stage.upstream.log
    assert logged.line == "POST /a//b?c=%20&d HTTP/1.1"
    assert logged.all("x-a") == ["1", "2"]
    assert logged.all("host") == [f"127.0.0.1:{stage.upstream.port}"]
    assert logged.all("accept-encoding") == ["identity"]
    assert logged.all("via") == ["1.1 idempotency-gateway"]
    assert len(logged.all("traceparent")) == 1
    assert not logged.all("x-hop")
    assert not logged.all("te")
    assert not logged.all("connection")


def test_a_location_at_the_upstream_leads_back_to_the_gateway(begin: Begin) -> None:
    stage = begin("match: {path: /pay/, strip_prefix: /pay}")
    there = f"http://127.0.0.1:{stage.upstream.port}/charges/1?x"
    stage.upstream.then(Play(answer(201, b"", ("Location", there))))
    for _ in range(2):
        heard = stage.post("k", target="/pay/charges")
        assert heard.get("location") == f"http://127.0.0.1:{stage.port}/pay/charges/1?x"
    assert stage.upstream.log[0].line == "POST /charges HTTP/1.1"
    stage.upstream.then(Play(answer(201, b"", ("Location", "https://elsewhere.example/x"))))
    assert stage.post("k2", target="/pay/charges").get("location") == "https://elsewhere.example/x"


def test_marks_that_an_upstream_forges_are_removed_and_cookies_are_not_replayed(begin: Begin) -> None:
    stage = begin()
    forged = (("Idempotency-Status", "replayed"), ("Idempotency-Origin", "gateway"), ("Set-Cookie", "s=1"))
    stage.upstream.then(Play(answer(201, b"x", *forged)))
    first = stage.post("k")
    assert (first.all("idempotency-status"), first.get("idempotency-origin")) == (["executed"], None)
    assert first.get("set-cookie") == "s=1"
    assert stage.post("k").get("set-cookie") is None


def test_a_caller_that_hangs_up_does_not_end_the_call(begin: Begin) -> None:
    stage = begin()
    gate = threading.Event()
    stage.upstream.then(Play(answer(201, b"done"), gate=gate))
    request = b"POST /charges HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\nContent-Length: 2\r\n\r\n{}"
    hang_up(stage.port, request, when=lambda: stage.upstream.wait_for(1))
    gate.set()
    retry = stage.post("k")
    while retry.status == 409:
        retry = stage.post("k")
    assert (retry.told, retry.body) == ("201 replayed", b"done")
    assert stage.upstream.count("k") == 1


def test_a_half_received_body_is_never_forwarded(begin: Begin) -> None:
    stage = begin()
    for guard in (b"Idempotency-Key: k\r\n", b""):
        cut_short(stage.port, b"POST /charges HTTP/1.1\r\nHost: x\r\n" + guard + b"Content-Length: 10\r\n\r\nhalf")
    assert stage.post("other").told == "201 executed"
    assert [logged.key for logged in stage.upstream.log] == ["other"]
