"""Laws of sealing: only who has a key reads, only the record and fence it was sealed for, and keys can be rotated."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RecordUnreadable, StoreUnfit
from gateway.protocol.model import NotKept, RecordId, StoredResponse
from gateway.stores.codec import Codec
from gateway.stores.sealing import BEGINNING, Seal, Sealer

ID = RecordId(bytes(range(32)))
ANSWER = StoredResponse(201, ((b"Content-Type", b"text/plain"), (b"X", b"canary field")), b"canary body")
OLD, NEW = b"the old key of the records", b"the new key of the records"


def codec(*secrets: bytes) -> Codec:
    return Codec(b"k" * 32, Sealer(secrets) if secrets else None)


@given(st.builds(StoredResponse, st.integers(100, 599), body=st.binary()) | st.builds(NotKept, st.integers(100, 599)))
def test_every_answer_opens_to_itself(answer: StoredResponse | NotKept) -> None:
    encoded = codec(OLD).encode(ID, 3, answer)
    assert codec(OLD).decode(ID, 3, encoded.head, encoded.body) == answer


def test_nothing_of_the_answer_can_be_read() -> None:
    encoded = codec(OLD).encode(ID, 3, ANSWER)
    assert encoded.body is not None
    assert b"canary" not in encoded.head + encoded.body
    assert codec(OLD).encode(ID, 3, ANSWER).body != encoded.body, "no two are alike"


def test_a_rotation_opens_what_either_key_sealed_and_seals_with_the_first() -> None:
    before = codec(OLD).encode(ID, 3, ANSWER)
    between = codec(OLD, NEW)
    assert between.decode(ID, 3, before.head, before.body) == ANSWER
    after = codec(NEW, OLD).encode(ID, 3, ANSWER)
    assert between.decode(ID, 3, after.head, after.body) == ANSWER
    assert codec(NEW).decode(ID, 3, after.head, after.body) == ANSWER
    with pytest.raises(RecordUnreadable, match=r"not in encryption\.keys"):
        codec(NEW).decode(ID, 3, before.head, before.body)


def test_what_was_written_before_encryption_still_opens_and_what_is_sealed_needs_keys() -> None:
    plain = codec().encode(ID, 3, ANSWER)
    assert codec(OLD).decode(ID, 3, plain.head, plain.body) == ANSWER
    sealed = codec(OLD).encode(ID, 3, ANSWER)
    with pytest.raises(RecordUnreadable, match=r"no encryption\.keys are configured"):
        codec().decode(ID, 3, sealed.head, sealed.body)


def test_two_sealed_answers_that_change_places_do_not_open() -> None:
    sealing, other = codec(OLD), RecordId(b"o" * 32)
    one, two = sealing.encode(ID, 3, ANSWER), sealing.encode(other, 3, replace(ANSWER, body=b"another"))
    for record_id, fence, head, body in (
        (other, 3, one.head, one.body),
        (ID, 4, one.head, one.body),
        (ID, 3, one.head, two.body),
        (ID, 3, two.head, one.body),
    ):
        with pytest.raises(RecordUnreadable):
            sealing.decode(record_id, fence, head, body)


def test_bodies_of_two_sealings_of_one_record_do_not_change_places() -> None:
    sealing = codec(OLD)
    one, two = sealing.encode(ID, 3, ANSWER), sealing.encode(ID, 3, replace(ANSWER, body=b"another"))
    with pytest.raises(RecordUnreadable):
        sealing.decode(ID, 3, one.head, two.body)


def test_no_flipped_bit_and_no_cut_answer_opens() -> None:
    encoded = codec(OLD).encode(ID, 3, ANSWER)
    assert encoded.body is not None
    for at in range(8 * len(encoded.head)):
        with pytest.raises(RecordUnreadable):
            codec(OLD).decode(ID, 3, _flipped(encoded.head, at), encoded.body)
    for at in range(8 * len(encoded.body)):
        with pytest.raises(RecordUnreadable):
            codec(OLD).decode(ID, 3, encoded.head, _flipped(encoded.body, at))
    for length in range(len(encoded.head)):
        with pytest.raises(RecordUnreadable):
            codec(OLD).decode(ID, 3, encoded.head[:length], encoded.body)
    with pytest.raises(RecordUnreadable):
        codec(OLD).decode(ID, 3, encoded.head, None)


@given(st.binary())
def test_values_open_to_themselves_for_the_record_and_fence_that_they_were_sealed_for(values: bytes) -> None:
    sealing, other = codec(OLD), RecordId(b"o" * 32)
    sealed = sealing.seal_values(ID, 3, values)
    assert sealing.open_values(ID, 3, sealed) == values
    assert sealing.seal_values(ID, 3, values) != sealed, "no two are alike"
    for record_id, fence in ((other, 3), (ID, 4)):
        with pytest.raises(RecordUnreadable):
            sealing.open_values(record_id, fence, sealed)


def test_values_can_be_rotated_and_neither_read_nor_written_without_keys() -> None:
    sealed = codec(OLD).seal_values(ID, 3, b"canary value")
    assert b"canary" not in sealed
    assert codec(NEW, OLD).open_values(ID, 3, sealed) == b"canary value"
    with pytest.raises(RecordUnreadable, match=r"not in encryption\.keys"):
        codec(NEW).open_values(ID, 3, sealed)
    with pytest.raises(RecordUnreadable, match=r"no encryption\.keys are configured"):
        codec().open_values(ID, 3, sealed)
    with pytest.raises(StoreUnfit, match=r"configure encryption\.keys"):
        codec().seal_values(ID, 3, b"value")


def test_no_flipped_bit_and_no_cut_end_of_values_opens_nor_do_answers_open_as_values() -> None:
    sealed = codec(OLD).seal_values(ID, 3, b"value")
    answer = codec(OLD).encode(ID, 3, ANSWER)
    damaged = [_flipped(sealed, at) for at in range(8 * len(sealed))] + [
        sealed[:length] for length in range(len(sealed))
    ]
    for other in (*damaged, answer.head, answer.body or b""):
        with pytest.raises(RecordUnreadable):
            codec(OLD).open_values(ID, 3, other)
    with pytest.raises(RecordUnreadable):
        codec(OLD).decode(ID, 3, sealed, None)


def test_the_secret_is_in_no_repr() -> None:
    assert "the old key" not in repr(codec(OLD))


def test_how_a_text_is_sealed_is_told_by_its_beginning() -> None:
    plain, old, new = (codec(*keys).encode(ID, 3, ANSWER).head for keys in ((), (OLD,), (NEW,)))
    values = codec(OLD).seal_values(ID, 3, b"value")
    told = [codec(NEW, OLD).seal_of(text[:BEGINNING]) for text in (new, old, values, plain, b"", b"\x09rest")]
    assert told == [Seal.FIRST, Seal.OTHER, Seal.OTHER, Seal.OTHER, Seal.STRANGE, Seal.STRANGE]
    assert codec(NEW).seal_of(old) is Seal.STRANGE
    with pytest.raises(StoreUnfit, match=r"configure encryption\.keys"):
        codec().seal_of(old)


@given(st.builds(StoredResponse, st.integers(100, 599), body=st.binary()) | st.builds(NotKept, st.integers(100, 599)))
def test_an_answer_that_is_sealed_anew_is_the_same_under_the_first_key(answer: StoredResponse | NotKept) -> None:
    for before in (codec(), codec(OLD)):
        encoded = before.encode(ID, 3, answer)
        anew = codec(NEW, OLD).reseal(ID, 3, encoded.head, encoded.body)
        assert codec(NEW).decode(ID, 3, anew.head, anew.body) == answer
        for stranger in ((RecordId(b"o" * 32), 3), (ID, 4)):
            with pytest.raises(RecordUnreadable):
                codec(NEW, OLD).reseal(*stranger, encoded.head, encoded.body)


GOLDEN = Path(__file__).with_name("golden")


@pytest.mark.parametrize("name", ["plain", "compressed", "sealed", "sealed-compressed", "not-kept", "sealed-not-kept"])
def test_a_record_that_this_version_wrote_still_opens(name: str) -> None:
    """The files were written once by release 0.1.0 and never change; a later release adds its own beside them."""
    head, body, *_ = (*(GOLDEN / f"0.1.0-{name}.hex").read_text().split("\n"), "")
    decoded = codec(OLD).decode(ID, 7, bytes.fromhex(head), bytes.fromhex(body) if body != "-" else None)
    long = replace(ANSWER, body=b"a long answer, " * 200)
    assert decoded == (NotKept(202) if "not-kept" in name else long if "compressed" in name else ANSWER)


@pytest.mark.parametrize("name", ["traced", "sealed-traced"])
def test_a_record_of_a_traced_call_that_this_version_wrote_still_tells_its_trace(name: str) -> None:
    head, body, *_ = (GOLDEN / f"0.1.0-{name}.hex").read_text().split("\n")
    decoded = codec(OLD).decode(ID, 7, bytes.fromhex(head), bytes.fromhex(body))
    assert decoded == replace(ANSWER, trace=bytes(range(24)))


def test_values_that_this_version_wrote_still_open() -> None:
    sealed = bytes.fromhex((GOLDEN / "0.1.0-sealed-values.hex").read_text())
    assert codec(OLD).open_values(ID, 7, sealed) == b'["/v1/charges", "order-4711"]'


def _flipped(data: bytes, bit: int) -> bytes:
    flipped = bytearray(data)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)
