"""W3C trace context, level 1: what is one, and what is read of it."""

import pytest

from gateway.protocol.spans import TraceContext, context_of

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("sent", "sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"01-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-01-what-comes-later", True),
    ],
)
def test_what_is_a_traceparent_is_read(sent: str, *, sampled: bool) -> None:
    read = context_of(sent.encode())
    assert read == TraceContext(bytes.fromhex(TRACE), bytes.fromhex(SPAN), sampled)
    assert read is not None
    assert read.traceparent == f"00-{TRACE}-{SPAN}-{'01' if sampled else '00'}".encode()


@pytest.mark.parametrize(
    "sent",
    [
        "",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f" 00-{TRACE}-{SPAN}-01",
    ],
)
def test_what_is_none_is_none(sent: str) -> None:
    assert context_of(sent.encode()) is None
