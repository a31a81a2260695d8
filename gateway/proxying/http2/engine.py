"""What this hop tells an upstream of itself before the first call, and h2 set up to hold the upstream to it.

Knows which of h2's own limits the hop relies on: a field section of 64 KiB at most, also unpacked; 64 CONTINUATION
frames at most; no push; frames of 16 KiB at most. Whatever passes them ends the connection. Refuses to know calls.
"""

from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes, Settings
from hpack import Encoder

from gateway.proxying.answer import UNREAD
from gateway.proxying.http1 import MAX_HEAD

# Of all calls together, on top of what a connection begins with: what is read is room again at once.
WINDOW = 1 << 20

# What h2 would say of fields ends a connection; they are judged in ``fields``, call by call.
_CONFIG = H2Configuration(
    validate_inbound_headers=False,
    normalize_inbound_headers=False,
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
)


class _Plain(Encoder):
    """Writes text as it is: a shorter text is not worth its time (RFC 7541, section 5.2, leaves the choice)."""

    def encode(self, headers: Any, huffman: bool = False) -> bytes:  # noqa: ANN401 - whatever hpack takes
        return super().encode(headers, huffman)


def engine() -> H2Connection:
    """A connection's h2; its preface and SETTINGS are ready to be written."""
    made = H2Connection(_CONFIG)
    made.encoder = _Plain()
    made.local_settings = Settings(
        client=True,
        initial_values={
            SettingCodes.ENABLE_PUSH: 0,
            SettingCodes.INITIAL_WINDOW_SIZE: UNREAD,
            SettingCodes.MAX_CONCURRENT_STREAMS: 0,
            SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEAD,
        },
    )
    made.initiate_connection()
    made.increment_flow_control_window(WINDOW)
    return made
