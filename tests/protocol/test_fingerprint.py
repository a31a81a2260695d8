"""Digests: equal for equal requests, different for different ones, never reversible without the secret."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.fingerprint import (
    LARGEST_JSON,
    Digester,
    NotCanonical,
    RequestFacts,
    canonical_json,
    point,
    pointer_tokens,
)
from gateway.protocol.headers import Headers
from gateway.protocol.model import BodyForm, Recipe

DIGESTER = Digester(b"k" * 32)
JSON = Recipe(body=BodyForm.JSON)


class Pieces:
    """A body in given pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    @property
    def size(self) -> int:
        return sum(map(len, self._pieces))

    def chunks(self) -> Sequence[bytes]:
        return self._pieces


def facts(
    body: bytes = b"{}", headers: Headers = (), method: bytes = b"POST", target: bytes = b"/charges"
) -> RequestFacts:
    return RequestFacts(method, target, headers, Pieces(body))


def fingerprint(request: RequestFacts, recipe: Recipe | None = None) -> bytes:
    return DIGESTER.fingerprint(request, recipe or Recipe())


def test_method_target_body_and_chosen_fields_each_change_it() -> None:
    requests = [
        facts(),
        facts(b"{ }"),
        facts(method=b"PATCH"),
        facts(target=b"/charges?a=1"),
        facts(headers=((b"content-type", b"application/json"),)),
        facts(headers=((b"content-type", b""),)),
        facts(headers=((b"content-type", b"a"), (b"content-type", b"b"))),
        facts(headers=((b"content-type", b"ab"),)),
    ]
    assert len({fingerprint(request) for request in requests}) == len(requests)


def test_other_fields_do_not_change_it() -> None:
    assert fingerprint(facts(headers=((b"date", b"today"),))) == fingerprint(facts())


def test_it_does_not_depend_on_how_the_body_was_cut() -> None:
    whole = RequestFacts(b"POST", b"/", (), Pieces(b"abcdef"))
    cut = RequestFacts(b"POST", b"/", (), Pieces(b"ab", b"", b"cdef"))
    assert fingerprint(whole) == fingerprint(cut)


def test_another_secret_makes_other_digests() -> None:
    other = Digester(b"l" * 32)
    assert other.fingerprint(facts(), Recipe()) != fingerprint(facts())
    assert other.record_id("n", "k", None) != DIGESTER.record_id("n", "k", None)


def test_a_key_is_looked_up_by_namespace_text_and_where_callers_are_separate_scope() -> None:
    ids = {
        DIGESTER.record_id("a", "bc", None),
        DIGESTER.record_id("ab", "c", None),
        DIGESTER.record_id("a", "bc", b"s"),
        DIGESTER.record_id("a", "bc", b"t"),
    }
    assert len(ids) == 4


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a":1,"b":[1,2]}', b'{ "b" : [1.0, 2e0], "a":1 }'),
        (b'{"a":"\\u0041"}', b'{"a":"A"}'),
        (b"0.10", b"0.1"),
    ],
)
def test_json_that_says_the_same_has_one_fingerprint(one: bytes, other: bytes) -> None:
    assert fingerprint(facts(one), JSON) == fingerprint(facts(other), JSON)
    assert fingerprint(facts(one)) != fingerprint(facts(other))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b'{"a":1,"a":1}',
        b"9007199254740993",
        b"1" * 400,
        b"1e400",
        b"0.10000000000000000001",
        b"NaN",
        b'"\\ud800"',
        b"\xff",
        b"[" * 100_000,
        b"\xef\xbb\xbf{}",
    ],
)
def test_what_has_no_one_canonical_form_counts_as_raw_bytes(text: bytes) -> None:
    with pytest.raises(NotCanonical):
        canonical_json(text)
    assert fingerprint(facts(text), JSON) == fingerprint(facts(text))


def test_json_beyond_the_bound_counts_as_raw_bytes() -> None:
    padding = b" " * (LARGEST_JSON - len(b'{"a":1}'))
    assert fingerprint(facts(b'{"a":1}' + padding), JSON) == fingerprint(facts(b'{"a":1}'), JSON)
    beyond = b'{"a":1} ' + padding
    assert fingerprint(facts(beyond), JSON) == fingerprint(facts(beyond))


def _exactly(text: str) -> bool:
    try:
        canonical_json(text.encode())
    except NotCanonical:
        return False
    return True


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})([eE][+-]?[0-9]{1,3})?", fullmatch=True))
def test_a_number_with_a_point_has_a_form_exactly_where_a_double_gives_its_digits_back(text: str) -> None:
    number = float(text)
    assert _exactly(text) == (number not in (float("inf"), -float("inf")) and Decimal(text) == Decimal(repr(number)))


def test_excluded_pointers_are_read_on_the_value_as_it_came() -> None:
    text = b'{"a":[0,1,2,{"b":3,"c":4}],"d":{"e":5},"x/y":6,"m~n":7}'
    exclude = ("/a/0", "/a/1", "/a/3/b", "/d/e", "/x~1y", "/m~0n", "/nowhere", "/a/9", "/a/-")
    assert canonical_json(text, exclude) == b'{"a":[2,{"c":4}],"d":{}}'


@pytest.mark.parametrize("pointer", ["a", "/~", "/~2", "/a~"])
def test_what_is_no_json_pointer_is_refused(pointer: str) -> None:
    with pytest.raises(ValueError, match="JSON Pointer"):
        pointer_tokens(pointer)


def test_a_pointer_leads_through_objects_and_arrays_or_nowhere() -> None:
    value = {"a": [{"b": 1}], "": 2}
    assert point(value, pointer_tokens("/a/0/b")) == 1
    assert point(value, pointer_tokens("/")) == 2
    assert point(value, pointer_tokens("")) is value
    for nowhere in ("/a/00", "/a/1", "/a/x", "/b", "/a/0/b/c"):
        with pytest.raises(LookupError):
            point(value, pointer_tokens(nowhere))


@given(st.binary(max_size=60))
def test_any_bytes_have_a_fingerprint_under_any_recipe(body: bytes) -> None:
    for form in BodyForm:
        assert len(fingerprint(facts(body), Recipe(body=form, exclude=("/a",)))) == 32
