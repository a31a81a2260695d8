"""What an answer to a question means, rule by rule, and what is done then."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policies.judging import Absent, Executed, Settling, Unclear, judge, next_step
from gateway.policies.policy import Policy
from gateway.policies.reconciling import (
    Asking,
    Condition,
    Found,
    KeptAnswer,
    NotFound,
    Pauses,
    Question,
    Reconcile,
    Told,
    Untold,
)
from gateway.policies.templates import parse_template, parse_url_template
from gateway.protocol.headers import Headers
from gateway.protocol.inquiries import Asked, Inquiry
from gateway.protocol.json_text import piece_at, read_json
from gateway.protocol.model import Complete, NotKept, Release, StoredResponse
from tests.protocol.samples import ID

FILLED = {"key": "k-1"}
MINE = Condition(("ref",), parse_template("{key}"))
ASKING = Asking(parse_url_template("/c?ref={key}"))
SEARCHED = Found(first=("data",), where=(MINE,))
EMPTY = NotFound(frozenset({200}), empty=("data",))
SECOND = timedelta(seconds=1)


def told(body: bytes, status: int = 200, *headers: tuple[bytes, bytes]) -> Told:
    return Told(status, headers, body)


def verdict(heard: Told | Untold, *rules: Found | NotFound) -> Executed | Absent | Unclear:
    return judge(Reconcile(ASKING, rules), heard, FILLED)


def kept(found: Executed | Absent | Unclear) -> tuple[int, Headers, bytes]:
    assert isinstance(found, Executed), found
    return found.answer.status, found.answer.headers, found.answer.body


def test_the_element_that_is_the_calls_own_is_found_and_kept_as_it_was_written() -> None:
    element = b'{ "ref":"k-1" , "amount": 12.50, "n": [1, {"a": "]}"}]}'
    body = b'{"data": [{"ref": "k-10"}, %s ], "x": {"ref": "k-1"}}' % element
    assert kept(verdict(told(body, 200, (b"Date", b"d"), (b"Content-Type", b"x/y")), SEARCHED)) == (
        200,
        ((b"Date", b"d"), (b"Content-Type", b"application/json"), (b"Content-Length", str(len(element)).encode())),
        element,
    )


def test_an_answer_is_kept_whole_with_its_type_and_date_and_no_other_field() -> None:
    heard = told(b"{}", 200, (b"Content-Type", b"x/y"), (b"Date", b"d"), (b"Set-Cookie", b"s"), (b"X-Secret", b"s"))
    assert kept(verdict(heard, Found())) == (
        200,
        ((b"Date", b"d"), (b"Content-Type", b"x/y"), (b"Content-Length", b"2")),
        b"{}",
    )


def test_status_headers_and_part_of_the_kept_answer_are_the_operators_choice() -> None:
    body = b'{"data": [{"ref": "k-1", "charge": {"id": 1.0}}]}'
    answer = KeptAnswer(201, ((b"content-type", b"a/b"), (b"X-A", b"1")), ("charge",))
    rule = Found(first=("data",), where=(MINE,), answer=answer)
    assert kept(verdict(told(body), rule)) == (
        201,
        ((b"content-type", b"a/b"), (b"X-A", b"1"), (b"Content-Length", b"11")),
        b'{"id": 1.0}',
    )
    whole = Found(first=("data",), where=(MINE,), answer=KeptAnswer(whole=True))
    assert kept(verdict(told(body), whole))[2] == body
    assert kept(verdict(told(body), Found(answer=KeptAnswer(204)))) == (204, (), b"")


@pytest.mark.parametrize(
    "body",
    [
        b'{"data": [{"ref": "k-2"}]}',
        b'{"data": [{"ref": ["k-1"]}]}',
        b'{"data": [{}]}',
        b'{"data": {"ref": "k-1"}}',
        b"{}",
        b"[]",
        b"1",
    ],
)
def test_an_answer_that_no_rule_covers_says_nothing(body: bytes) -> None:
    assert verdict(told(body), SEARCHED, EMPTY) == Unclear("no-rule")


def test_what_is_not_there_is_said_by_an_empty_list_or_a_status() -> None:
    missing = NotFound()
    assert verdict(told(b'{"data": []}'), SEARCHED, EMPTY, missing) == Absent(2)
    assert verdict(told(b"not json", 404), SEARCHED, EMPTY, missing) == Absent(3)
    assert verdict(told(b'{"data": null}'), EMPTY) == Unclear("no-rule")
    coded = NotFound(frozenset({404}), where=(Condition(("code",), parse_template("no_such_charge")),))
    assert verdict(told(b'{"code": "no_such_charge"}', 404), coded) == Absent(1)
    assert verdict(told(b'{"code": "no_such_route"}', 404), coded) == Unclear("no-rule")


def test_what_cannot_be_read_says_nothing() -> None:
    for body in (b"", b"<html>", b'{"data": [], "data": []}', b"\xff", b"[" * 100_000, b"NaN"):
        assert verdict(told(body), SEARCHED, EMPTY) == Unclear("not-json")
    assert verdict(told(b"{}", 503), SEARCHED, NotFound()) == Unclear("status-503")
    assert verdict(Untold("timeout"), SEARCHED, NotFound()) == Unclear("timeout")
    part = Found(answer=KeptAnswer(body=("charge",)))
    assert verdict(told(b"{}"), part) == Unclear("no-rule"), "the part that is to be kept is not there"


@pytest.mark.parametrize(
    ("actual", "expected", "holds"),
    [
        (b'"a"', parse_template("a"), True),
        (b'"a"', parse_template("b"), False),
        (b"4711", parse_template("4711"), True),
        (b"5", Decimal(5), True),
        (b"5.0", Decimal(5), True),
        (b'"5"', Decimal(5), False),
        (b"1e999999999999999999999", Decimal(5), False),
        (b"true", True, True),
        (b"1", True, False),
        (b'"true"', True, False),
        (b"false", False, True),
        (b"null", False, False),
        (b"null", parse_template(""), False),
        (b"null", parse_template("None"), False),
        (b"true", parse_template("True"), False),
    ],
)
def test_a_comparison_holds_for_the_same_value_of_the_same_kind(actual: bytes, expected: Any, holds: bool) -> None:  # noqa: ANN401 - any of the three kinds, and a table of truths
    rule = Found(where=(Condition(("v",), expected),))
    assert isinstance(verdict(told(b'{"v": %s}' % actual), rule), Executed) is holds


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(value=values, indent=st.sampled_from([None, 1]), ascii_only=st.booleans(), data=st.data())
def test_a_part_is_cut_out_of_a_text_exactly(
    value: Any,  # noqa: ANN401 - any JSON value
    indent: int | None,
    ascii_only: bool,
    data: st.DataObject,
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    tokens: list[str] = []
    inside = value
    while isinstance(inside, dict | list) and inside and data.draw(st.booleans()):
        step = data.draw(st.sampled_from(sorted(inside) if isinstance(inside, dict) else range(len(inside))))
        inside = inside[step]
        tokens.append(str(step))
    piece = piece_at(f" {text}\n", tokens)
    assert json.loads(piece) == inside
    assert piece in text
    assert read_json(piece.encode()) == read_json(json.dumps(inside).encode())
    with pytest.raises(LookupError):
        piece_at(text, [*tokens, "\x00never"])


# What follows.


def inquiry(age: float, absent: int = 0) -> Inquiry:
    return Inquiry(ID, 1, b"t" * 16, "api", b"", timedelta(seconds=age), 5, absent)


CHOSEN = Reconcile(ASKING, (SEARCHED, EMPTY), timedelta(seconds=100), Pauses(SECOND, 60 * SECOND))


def step(
    what: Executed | Absent | Unclear, age: float, absent: int = 0, policy: Policy | None = None
) -> Settling | Asked:
    return next_step(policy or Policy(), CHOSEN, inquiry(age, absent), what, 0.5)


def test_what_is_found_settles_at_once_and_as_the_route_keeps_answers() -> None:
    answer = StoredResponse(201, ((b"X-A", b"1"), (b"X-B", b"2")), b"{}")
    assert step(Executed(3, answer), 0) == Settling(Complete(answer), "rule 3: found")
    dropping = Policy(drop_headers=frozenset({b"x-a"}))
    assert step(Executed(3, answer), 0, policy=dropping) == Settling(
        Complete(StoredResponse(201, ((b"X-B", b"2"),), b"{}")), "rule 3: found"
    )
    assert step(Executed(3, answer), 0, policy=Policy(keep_body=False)) == Settling(
        Complete(NotKept(201)), "rule 3: found"
    )


def test_only_three_in_a_row_the_first_after_the_quiet_period_release() -> None:
    assert step(Absent(2), 99.9) == Asked(0, SECOND), "before the quiet period it does not count"
    assert step(Absent(2), 100) == Asked(1, 50 * SECOND)
    assert step(Absent(2), 150, 1) == Asked(2, 60 * SECOND)
    assert step(Absent(2), 210, 2) == Settling(Release(), "policy, rule 2: not found 3 times in a row")
    assert step(Unclear("timeout"), 210, 2) == Asked(0, 60 * SECOND), "nothing else may come between"


def test_the_first_that_counts_comes_when_the_quiet_period_is_over() -> None:
    assert step(Absent(2), 80) == Asked(0, 20 * SECOND)
    assert step(Unclear("status-503"), 80) == Asked(0, 40 * SECOND)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(age=st.floats(0, 1e8), chance=st.floats(0, 1, exclude_max=True))
def test_pauses_grow_with_the_age_within_their_bounds_and_a_fifth_of_chance(age: float, chance: float) -> None:
    asked = next_step(Policy(), CHOSEN, inquiry(age), Unclear("timeout"), chance)
    assert isinstance(asked, Asked)
    assert 0.799 * SECOND <= asked.again_in <= 1.201 * 60 * SECOND
    if 2 < age < 120:
        assert 0.399 * age <= asked.again_in.total_seconds() <= 0.601 * age


def test_a_question_goes_to_the_routes_upstream_with_its_fields_or_elsewhere_without_them() -> None:
    headers = ((b"Authorization", parse_template("Bearer {key}")),)
    own = Asking(parse_url_template("/c/{key}"), headers=headers)
    set_there = ((b"X-Version", b"1"), (b"authorization", b"of the route"))
    chosen = Reconcile(own, ())
    assert chosen.question("https://u/v1", FILLED, set_there) == Question(
        "GET", "https://u/v1/c/k-1", ((b"X-Version", b"1"), (b"Authorization", b"Bearer k-1")), own.timeout
    )
    elsewhere = Reconcile(Asking(own.path, headers=headers, base="https://other"), ())
    assert elsewhere.question("https://u/v1", FILLED, set_there) == Question(
        "GET", "https://other/c/k-1", ((b"Authorization", b"Bearer k-1"),), own.timeout
    )
