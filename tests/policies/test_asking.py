"""What a call leaves to be asked about: every value that the templates name, exactly once, or nothing."""

import json
from dataclasses import dataclass

import pytest

from gateway.policies.asking import packed, taken, unpacked
from gateway.policies.reconciling import Asking, Condition, Found, Reconcile
from gateway.policies.templates import Gap, Slot, Source, parse_template, parse_url_template
from gateway.protocol.fingerprint import LARGEST_JSON, RequestFacts

KEY = Slot(Source.KEY)
ACCOUNT = Slot(Source.HEADER, "x-account")
REFERENCE = Slot(Source.BODY, "/payment/reference")
ORDER = Slot(Source.FORM, "metadata[order]")


@dataclass(frozen=True)
class Whole:
    content: bytes

    @property
    def size(self) -> int:
        return len(self.content)

    def chunks(self) -> list[bytes]:
        return [self.content]


def facts(body: bytes = b"", *headers: tuple[bytes, bytes]) -> RequestFacts:
    return RequestFacts(b"POST", b"/charges", headers, Whole(body))


def body_of(value: object) -> bytes:
    return json.dumps({"payment": {"reference": value}}).encode()


def test_every_value_is_taken_where_it_stands() -> None:
    request = facts(body_of("r-1"), (b"x-account", b"acct_1"))
    assert taken((KEY, ACCOUNT, REFERENCE), request, "k") == {
        "key": "k",
        "header:x-account": "acct_1",
        "body:/payment/reference": "r-1",
    }
    form = facts(b"amount=5&metadata%5Border%5D=o%2F1+x&empty=")
    assert taken((ORDER,), form, None) == {"form:metadata[order]": "o/1 x"}


@pytest.mark.parametrize(("value", "text"), [(4711, "4711"), (True, "true"), (False, "false"), ("é", "é")])
def test_numbers_and_truths_are_taken_as_they_are_written(value: object, text: str) -> None:
    assert taken((REFERENCE,), facts(body_of(value)), None) == {"body:/payment/reference": text}
    assert taken((REFERENCE,), facts(b'{"payment": {"reference": 1.50}}'), None) == {"body:/payment/reference": "1.50"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"not json",
        b'{"payment": {"reference": "a", "reference": "b"}}',
        body_of(None),
        body_of([1]),
        body_of({"a": 1}),
        body_of(""),
        body_of("  "),
        body_of("a\r\nX: y"),
        body_of("\ud800"),
        body_of("x" * 1025),
        b" " * LARGEST_JSON + body_of("a"),
    ],
)
def test_a_body_without_one_value_that_can_be_shown_leaves_a_gap(body: bytes) -> None:
    left = taken((REFERENCE,), facts(body), "k")
    assert isinstance(left, Gap)
    assert left.slot == REFERENCE


def test_what_is_sent_twice_is_not_taken() -> None:
    twice = facts(b"metadata[order]=1&metadata[order]=2", (b"x-account", b"1"), (b"x-account", b"2"))
    for slot in (ORDER, ACCOUNT, KEY):
        left = taken((slot,), twice, None)
        assert isinstance(left, Gap)
        assert left.slot == slot


def test_values_come_back_from_a_record_as_they_were_and_others_do_not() -> None:
    found = {"key": "k", "body:/é": "ü"}
    assert unpacked(packed(found)) == found
    assert packed({"key": "k"}) == b'{"key":"k"}'
    for other in (b"", b"\xff", b"[1]", b'{"key": 1}'):
        assert unpacked(other) == {}


def test_a_call_leaves_what_request_and_rules_name_and_nothing_where_the_url_would_not_hold_it() -> None:
    where = (Condition(("ref",), parse_template("{body:/payment/reference}")),)
    headers = ((b"X-Account", parse_template("{header:X-Account}")),)
    chosen = Reconcile(Asking(parse_url_template("/c/{key}"), headers=headers), (Found(where=where),))
    request = facts(body_of("r"), (b"x-account", b"a"))
    assert chosen.slots == (KEY, ACCOUNT, REFERENCE)
    assert chosen.leave(request, "k") == (b'{"body:/payment/reference":"r","header:x-account":"a","key":"k"}')
    for key, account in (("a/b", b"a"), ("..", b"a"), ("k", b"\xe9")):
        assert isinstance(chosen.leave(facts(body_of("r"), (b"x-account", account)), key), Gap)
