"""Bodies made smaller where that is worth it (zstd; in the standard library from Python 3.14).

Only what this gateway has compressed and bound to its record is ever opened, so no caller's bomb gets in here.
"""

from backports import zstd

# Below this a frame's own overhead and the time are not worth it.
LEAST = 1024


def compress(body: bytes) -> bytes:
    """A zstd frame; the very body where a frame would not be smaller by a tenth, as with images."""
    if len(body) < LEAST:
        return body
    frame = zstd.compress(body, level=1)
    return frame if len(frame) < len(body) * 9 // 10 else body


def decompress(frame: bytes) -> bytes:
    """The body of a frame that ``compress`` made."""
    return zstd.decompress(frame)
