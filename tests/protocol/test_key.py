"""The grammar of a key (draft-ietf-httpapi-idempotency-key-header-07; RFC 9651, section 3.3.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.key import KeyFault, KeyForm, parse_key, write_key


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"abc", "abc"),
        (b'"abc"', "abc"),
        (b'"abc";p=1;q', "abc"),
        (b'"a b, c; d"', "a b, c; d"),
        (b'"a\\"b\\\\c"', 'a"b\\c'),
        (b"8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        (b"12", "12"),
        (b":YQ==:", ":YQ==:"),
        (b"?1", "?1"),
    ],
)
def test_both_forms_carry_a_text(line: bytes, text: str) -> None:
    assert parse_key([line]) == text


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"a b",
        b"a,b",
        b"a;b",
        b'a"b',
        b'"a',
        b'"a" x',
        b'"a", "b"',
        b'"\xc3\xa9"',
        b"\xc3\xa9",
        b"a\x01",
        b'("a")',
        b'"a\\x"',
    ],
)
def test_whatever_is_neither_form_is_a_fault_with_a_sentence(line: bytes) -> None:
    fault = parse_key([line])
    assert isinstance(fault, KeyFault)
    assert fault.clause.startswith("is malformed")


def test_two_lines_are_a_fault_even_when_they_agree() -> None:
    assert parse_key([b"a", b"a"]) == KeyFault("was sent twice; send it once")


def test_no_line_is_no_key() -> None:
    assert parse_key([]) is None


def test_the_length_is_counted_in_characters_of_the_text() -> None:
    assert parse_key([b'"abcd"'], shortest=4, longest=4) == "abcd"
    assert isinstance(parse_key([b'"abc"'], shortest=4), KeyFault)
    assert isinstance(parse_key([b"abcde"], longest=4), KeyFault)
    assert isinstance(parse_key([b'""']), KeyFault)


@given(
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=255), st.sampled_from(KeyForm)
)
def test_every_text_is_read_back_from_either_form(text: str, form: KeyForm) -> None:
    assert parse_key([write_key(text, form)]) == text


@given(st.binary(max_size=40))
def test_any_bytes_are_a_text_or_a_fault(line: bytes) -> None:
    assert isinstance(parse_key([line]), str | KeyFault)
