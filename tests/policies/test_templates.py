"""A value stays in its place: whatever it is, it cannot change which resource is asked for, or add a header."""

import re
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policies.templates import (
    Gap,
    Slot,
    Source,
    Template,
    parse_template,
    parse_url_template,
    render_header,
    render_text,
    render_url,
)

KEY = Slot(Source.KEY)
nasty = st.text(st.sampled_from("/\\?#&=;:@%.'\" \r\n\t+,{}[]é€\u2028\x00aZ0-_~"), min_size=1, max_size=12)
anything = nasty | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
_modest = settings(max_examples=400, derandomize=True, deadline=None)


def test_a_template_is_read_as_its_texts_and_places() -> None:
    read = parse_template("a{key}b{header:X-Ref}{body:/a~1b}{form:metadata[order]}")
    slots = (KEY, Slot(Source.HEADER, "x-ref"), Slot(Source.BODY, "/a~1b"), Slot(Source.FORM, "metadata[order]"))
    assert read == Template(("a", slots[0], "b", *slots[1:]))
    assert [str(slot) for slot in read.slots] == ["key", "header:x-ref", "body:/a~1b", "form:metadata[order]"]


@pytest.mark.parametrize(
    "text", ["{", "}", "{}", "{key}}", "{keys}", "{key:x}", "{header:}", "{header:a b}", "{body:x}"]
)
def test_braces_that_are_no_place_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="brace"):
        parse_template(text)


def test_a_place_in_a_refused_template_is_not_repeated_because_it_may_be_a_secret() -> None:
    with pytest.raises(ValueError, match="brace") as fault:
        parse_template("Bearer {hunter2}")
    assert "hunter2" not in str(fault.value)


def test_what_a_url_cannot_hold_is_encoded_in_the_literal_text_and_what_is_encoded_stays() -> None:
    template = parse_url_template("/v1/a%20b/search?query=metadata['order']:'{key}' AND \"x\"")
    assert render_url(template, {"key": "k1"}) == "/v1/a%20b/search?query=metadata%5B'order'%5D:'k1'%20AND%20%22x%22"


@_modest
@given(value=anything)
def test_a_value_in_a_path_is_one_segment_of_it_or_refused(value: str) -> None:
    url = render_url(parse_url_template("/v1/charges/{key}/receipt"), {"key": value})
    if isinstance(url, Gap):
        assert "/" in value or "\\" in value or value in (".", "..")
        return
    assert re.fullmatch(r"/v1/charges/[A-Za-z0-9._~%-]+/receipt", url)
    parts = urlsplit(url)
    assert (parts.query, parts.fragment) == ("", "")
    assert [unquote(part) for part in parts.path.split("/")] == ["", "v1", "charges", value, "receipt"]
    assert not re.search(r"/(\.|%2e){1,2}(/|$)|%2f|%5c", url, re.IGNORECASE)


@_modest
@given(value=anything, other=anything)
def test_a_value_in_a_query_is_one_value_of_it(value: str, other: str) -> None:
    url = render_url(
        parse_url_template("/v1/charges?limit=1&reference={key}&other={body:/a}"), {"key": value, "body:/a": other}
    )
    assert isinstance(url, str)
    assert re.fullmatch(r"/v1/charges\?limit=1&reference=[A-Za-z0-9._~%-]+&other=[A-Za-z0-9._~%-]+", url)
    told = parse_qsl(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)
    assert told == [("limit", "1"), ("reference", value), ("other", other)]


@_modest
@given(value=anything)
def test_a_value_within_quotes_of_a_query_language_never_ends_them(value: str) -> None:
    url = render_url(parse_url_template("/search?query=metadata['id']:'x-{key}' AND status:'ok'"), {"key": value})
    if isinstance(url, Gap):
        assert re.search(r"['\"\\]", value)
        return
    ((_, query),) = parse_qsl(urlsplit(url).query)
    assert query == f"metadata['id']:'x-{value}' AND status:'ok'"
    assert query.count("'") == 6


@pytest.mark.parametrize("path", ["/a/{key}", "/a/{key}/b", "/a/.{key}", "/a/%2e{key}", "/a/{key}{body:/b}"])
def test_no_value_makes_a_dot_segment(path: str) -> None:
    template = parse_url_template(path)
    for value in (".", ".."):
        url = render_url(template, {"key": value, "body:/b": "."})
        assert isinstance(url, Gap) or not re.search(r"/(\.|%2e){1,2}(/|$)", url, re.IGNORECASE)
    assert isinstance(render_url(template, {"key": ".", "body:/b": "."}), Gap)


@_modest
@given(value=anything)
def test_a_value_in_a_header_adds_no_field_and_no_line(value: str) -> None:
    field = render_header(parse_template("acct_{header:Account}"), {"header:account": value})
    if isinstance(field, Gap):
        assert not value.isascii() or not value.isprintable() or value != value.strip()
        return
    assert re.fullmatch(rb"acct_[ -~]+", field)


def test_a_place_without_a_value_leaves_a_gap_that_names_it() -> None:
    for gap in (render_url(parse_url_template("/{key}"), {}), render_header(parse_template("a{key}"), {})):
        assert gap == Gap(KEY, "is missing")
    assert render_text(parse_template("a{key}"), {}) is None
    assert render_text(parse_template("a{key}"), {"key": "é"}) == "aé"


def test_a_url_is_no_longer_than_the_edge_would_take() -> None:
    template = parse_url_template("/?a={key}&b={key}&c={key}&d={key}")
    assert render_url(template, {"key": "é" * 1000}) == Gap(KEY, "makes the URL too long")
