"""Laws of the written form: it opens to exactly what was put in, or not at all."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RecordUnreadable
from gateway.protocol.model import BodyForm, NotKept, Origin, Recipe, RecordId, StoredResponse
from gateway.stores.codec import Codec, read_recipe, write_recipe

CODEC = Codec(b"k" * 32)
ID = RecordId(bytes(range(32)))
ANSWER = StoredResponse(201, ((b"Content-Type", b"text/plain"), (b"X", b"")), b"charged")

_ANSWERS = st.builds(
    StoredResponse,
    status=st.integers(100, 599),
    headers=st.lists(st.tuples(st.binary(), st.binary())).map(tuple),
    body=st.binary(),
    origin=st.sampled_from(Origin),
    length_unverified=st.booleans(),
    trace=st.just(b"") | st.binary(min_size=24, max_size=24),
) | st.builds(NotKept, st.integers(100, 599))
_NAMES = st.lists(st.text()).map(tuple)
_RECIPES = st.builds(
    Recipe, st.sampled_from(BodyForm), exclude=_NAMES, headers=_NAMES, scope=_NAMES, algorithm=st.integers(1, 99)
)


@given(_ANSWERS, st.integers(1, 2**63 - 1))
def test_every_answer_opens_to_itself(answer: StoredResponse | NotKept, fence: int) -> None:
    encoded = CODEC.encode(ID, fence, answer)
    assert CODEC.decode(ID, fence, encoded.head, encoded.body) == answer


@given(_RECIPES)
def test_every_recipe_reads_as_itself(recipe: Recipe) -> None:
    assert read_recipe(write_recipe(recipe)) == recipe


def test_an_answer_written_by_the_first_release_still_opens() -> None:
    head = bytes.fromhex(
        "010100c9000000020000000c436f6e74656e742d547970650000000a746578742f706c61696e000000015800000000"
        "c77b52ac986e44192e2581a902ec3bcdfede9796623f4523726824c086f4926e"
    )
    assert CODEC.encode(ID, 7, ANSWER).head == head
    assert CODEC.decode(ID, 7, head, b"charged") == ANSWER


def test_a_recipe_written_by_the_first_release_still_reads() -> None:
    text = '[1,"json",["/a"],["content-type"],["authorization","x-api-key"],1]'
    assert read_recipe(text) == Recipe(BodyForm.JSON, exclude=("/a",))
    assert write_recipe(Recipe(BodyForm.JSON, exclude=("/a",))) == text


def test_no_flipped_bit_opens() -> None:
    encoded = CODEC.encode(ID, 1, ANSWER)
    for at in range(len(encoded.head) * 8):
        with pytest.raises(RecordUnreadable):
            CODEC.decode(ID, 1, _flipped(encoded.head, at), encoded.body)
    for at in range(len(ANSWER.body) * 8):
        with pytest.raises(RecordUnreadable):
            CODEC.decode(ID, 1, encoded.head, _flipped(ANSWER.body, at))


def test_no_cut_answer_opens() -> None:
    encoded = CODEC.encode(ID, 1, ANSWER)
    for length in range(len(encoded.head)):
        with pytest.raises(RecordUnreadable):
            CODEC.decode(ID, 1, encoded.head[:length], encoded.body)


def test_an_answer_opens_only_for_its_record_its_fence_and_its_secret() -> None:
    encoded = CODEC.encode(ID, 1, ANSWER)
    for codec, record_id, fence in (
        (CODEC, RecordId(b"o" * 32), 1),
        (CODEC, ID, 2),
        (Codec(b"other"), ID, 1),
    ):
        with pytest.raises(RecordUnreadable):
            codec.decode(record_id, fence, encoded.head, encoded.body)


def test_an_empty_body_and_no_body_are_not_taken_for_each_other() -> None:
    empty, none = CODEC.encode(ID, 1, replace(ANSWER, body=b"")), CODEC.encode(ID, 1, NotKept(201))
    for head, body in ((empty.head, None), (none.head, b"")):
        with pytest.raises(RecordUnreadable):
            CODEC.decode(ID, 1, head, body)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '[2,"raw",[],[],[],1]',
        '[1,"cbor",[],[],[],1]',
        '[1,"raw","x",[],[],1]',
        '[1,"raw",[1],[],[],1]',
        '[1,"raw",[],[],[],null]',
    ],
)
def test_a_recipe_that_is_damaged_or_newer_does_not_read(text: str) -> None:
    with pytest.raises(RecordUnreadable):
        read_recipe(text)


def _flipped(data: bytes, bit: int) -> bytes:
    flipped = bytearray(data)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)
