"""An upstream that says more, or less, than one answer: whatever is left over reaches no other caller."""

import pytest

from tests.conftest import Begin
from tests.upstream import Play, answer, chunked

STOLEN = answer(200, b"another caller's secret", ("X-Secret", "canary"))

ANSWERS = {
    "two answers in one segment": answer(201, b"own") + STOLEN,
    "an answer behind a chunked one": chunked(201, b"own") + STOLEN,
    "an answer in what stands behind a length": answer(201, b"own") + b"\r\n\r\n" + STOLEN,
    "informational answers around": b"HTTP/1.1 103 E\r\nX-Secret: canary\r\n\r\n"
    + answer(201, b"own")
    + b"HTTP/1.1 100 Continue\r\n\r\n"
    + STOLEN,
    "an answer behind trailers": chunked(201, b"own")[:-2] + b"X-Late: 1\r\n\r\n" + STOLEN,
}


@pytest.mark.parametrize("key", ["k", None], ids=["guarded", "unguarded"])
@pytest.mark.parametrize("data", ANSWERS.values(), ids=ANSWERS)
def test_what_is_left_over_of_one_answer_reaches_no_other_caller(at_edge: Begin, data: bytes, key: str | None) -> None:
    stage = at_edge("upstream: {keep_alive: 60s, max_connections: 1}")
    stage.upstream.then(Play(data, then="keep"))
    first = stage.post(key, b"{}", ("Authorization", "A"))
    assert (first.status, first.body, first.get("x-secret")) == (201, b"own", None)
    for number in range(3):
        other = stage.post(f"other-{number}", b"{}", ("Authorization", "B"))
        assert (other.status, other.get("x-secret")) == (201, None)
        assert b"secret" not in other.body
    assert len(stage.upstream.log) == 4


@pytest.mark.parametrize(
    "data",
    [
        answer(201, b"x").replace(b"Content-Length: 1", b"Content-Length: +1"),
        answer(201, b"x").replace(b"Content-Length: 1", b"Content-Length: 1\r\nTransfer-Encoding: chunked"),
        chunked(201, b"x")[:-2] + b"Content-Length: 1\r\n\r\n",
        b"HTTP/1.1 201 Told\nContent-Length: 1\n\nx",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
    ],
    ids=["a sign", "two framings", "a framing trailer", "bare line feeds", "an upgrade"],
)
def test_an_answer_that_can_be_read_in_two_ways_is_unknown_and_never_kept(at_edge: Begin, data: bytes) -> None:
    stage = at_edge()
    stage.upstream.then(Play(data))
    assert stage.post("k").told == "502 unknown outcome-unknown"
    assert stage.post("k").told == "409 unknown outcome-unknown"
    assert len(stage.upstream.log) == 1
