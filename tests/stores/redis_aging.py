"""A record in a Redis, rewound: its instants, its events, its next asking, and its places in every sorted set."""

from redis import Redis

from gateway.protocol.model import RecordId
from gateway.stores.redis import histories, layout
from gateway.stores.redis.layout import State


def rewind(ask: Redis, record_id: RecordId, back: int) -> None:
    """``back``: milliseconds."""
    key = layout.key_of(record_id)
    text = ask.get(key)
    assert text is None or isinstance(text, bytes)
    if text is None:
        return
    ask.set(key, _rewound(record_id, text, back))
    for name in ask.scan_iter("ig:*", _type="zset"):
        if ask.zscore(name, record_id.digest) is not None:
            ask.zincrby(name, -back, record_id.digest)


def _rewound(record_id: RecordId, text: bytes, back: int) -> bytes:
    version, state, fence, owner, *numbers = layout._HEADER.unpack_from(text)
    instants, sizes = [each and each - back for each in numbers[:6]], numbers[6:]
    header = layout._HEADER.pack(version, state, fence, owner, *instants, *sizes)
    *about, history, rest = layout._pieces(text[layout._PLAIN :], sizes)
    rest = _rest_rewound(State(state.decode()), rest, back)
    whole = b"".join((*about, _history_rewound(history, back), rest))
    covered = whole[: sum(sizes)] if state == b"c" else whole
    return header + layout._sum(record_id, header, covered) + whole


def _history_rewound(history: bytes, back: int) -> bytes:
    rewound, at = history[:1], 1
    while at < len(history):
        (size,) = histories._SIZE.unpack_from(history, at)
        start = at + histories._SIZE.size
        happened, *more = histories._EVENT.unpack_from(history, start)
        event = histories._EVENT.pack(happened - back, *more)
        rewound += history[at:start] + event + history[start + len(event) : start + size]
        at = start + size
    return rewound


def _rest_rewound(state: State, rest: bytes, back: int) -> bytes:
    match state:
        case State.IN_FLIGHT | State.IN_FLIGHT_TAKEN_OVER:
            start = 8
        case State.UNKNOWN | State.UNKNOWN_TAKEN_OVER:
            start = 1 + rest[0]
        case _:
            return rest
    if not rest[start:]:
        return rest
    asks_at, *more = layout._WORK.unpack_from(rest, start)
    work = layout._WORK.pack(asks_at - back, *more)
    return rest[:start] + work + rest[start + len(work) :]
