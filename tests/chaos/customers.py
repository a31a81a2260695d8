"""Callers as real SDKs are: they retry under the same key with exponential backoff and jitter, and honour Retry-After.

Some hang up, some change the body under a used key, some send twice at once, some know another caller's key. Knows what
a caller can know. Refuses to know upstreams and stores.
"""

import hashlib
import http.client
import random
import re
import socket
import struct
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from tests import stage
from tests.chaos.logs import CANARY, Attempt, Heard, Way

# What an SDK waits for: an answer, and between attempts at first and at most; how often it tries.
PATIENCE = 8.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
TRIES = 5
# Retried by SDKs; everything else is an answer.
_PASSING = frozenset({409, 429, 500, 502, 503, 504})
_CANARY = re.compile(rf"{CANARY}-(\d+)-".encode())
_MARKS = frozenset({"idempotency-status", "idempotency-expires", "idempotency-recorded", "idempotency-sent-again"})
_OURS = _MARKS | {"idempotency-origin", "idempotent-replayed", "date", "via", "server"}
LARGE = 300_000


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that a caller wants done once."""

    key: str
    caller: int
    body: bytes

    @property
    def payload(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    @property
    def path(self) -> str:
        return f"/{self.key.partition('-')[0]}/charges"


@dataclass
class Ledger:
    """What all callers heard, and what they may want again. Shared by their threads."""

    began: float
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    operations: list[Operation] = field(default_factory=list[Operation])
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _numbers: int = 0

    def number(self) -> int:
        with self._lock:
            self._numbers += 1
            return self._numbers

    def new(self, operation: Operation) -> Operation:
        with self._lock:
            self.operations.append(operation)
        return operation

    def now(self) -> float:
        return time.monotonic() - self.began


class Caller:
    """One caller with credentials of its own; ``ports``: the gateways, which it takes in turn."""

    def __init__(self, number: int, seed: int, ports: Sequence[int], ledger: Ledger) -> None:
        self._number = number
        self._chance = random.Random(f"{seed}/caller/{number}")
        self._ports = ports
        self._ledger = ledger
        self._made = 0

    def live(self, stop: threading.Event) -> None:
        """One operation after the other, until told to stop."""
        while not stop.is_set():
            operation = self._wanted()
            self._make(operation, stop)
            if self._chance.random() < 0.1:
                changed = replace(operation, body=operation.body + b" ")
                self.call(changed, self._gateway())

    def _wanted(self) -> Operation:
        """Mostly a new one; sometimes one that it, or somebody else, wanted lately."""
        lately = self._ledger.operations[-200:]
        if lately and self._chance.random() < 0.3:
            known = self._chance.choice(lately)
            # With another's key and body, but as itself: it is to hear nothing of the other's.
            return known if self._chance.random() < 0.8 else replace(known, caller=self._number)
        self._made += 1
        way = self._chance.choice(list(Way))
        key = f"{way}-{CANARY}-{self._number}-{self._made}"
        size = LARGE if self._chance.random() < 0.02 else self._chance.randint(0, 200)
        filler = "x" * size
        body = f'{{"card": "{CANARY}-{self._number}-", "order": {self._made}, "filler": "{filler}"}}'.encode()
        return self._ledger.new(Operation(key, self._number, body))

    def _make(self, operation: Operation, stop: threading.Event) -> None:
        """As an SDK does it."""
        pause = FIRST_PAUSE
        for _ in range(TRIES):
            if self._chance.random() < 0.08:
                self._hang_up(operation, self._gateway())
                after: float | None = 0.0
            elif self._chance.random() < 0.06:
                after = self._twice_at_once(operation)
            else:
                after = self.call(operation, self._gateway())
            if after is None or stop.wait(max(after, pause * self._chance.uniform(0.5, 1))):
                return
            pause = min(2 * pause, LONGEST_PAUSE)

    def _gateway(self) -> int:
        return self._chance.randrange(len(self._ports))

    def _twice_at_once(self, operation: Operation) -> float | None:
        beside = threading.Thread(target=self.call, args=(operation, self._gateway()))
        beside.start()
        after = self.call(operation, self._gateway())
        beside.join()
        return after

    def call(self, operation: Operation, gateway: int) -> float | None:
        """Makes one call and logs it; in how many seconds to try again, ``None`` where it has an answer."""
        number, begun = self._ledger.number(), self._ledger.now()
        heard: stage.Heard | None = None
        with suppress(OSError, http.client.HTTPException):
            fields = [*_fields(operation, number), ("Content-Type", "application/json")]
            port = self._ports[gateway]
            heard = stage.call(port, "POST", operation.path, fields, operation.body, timeout=PATIENCE)
        self._log(operation, number, gateway, begun, None if heard is None else _plain(heard))
        if heard is None:
            return 0.0
        return float(heard.get("retry-after") or 0) if heard.status in _PASSING else None

    def _hang_up(self, operation: Operation, gateway: int) -> None:
        """Sends some of a request, or all of it, and leaves: with a farewell, or without."""
        number, begun = self._ledger.number(), self._ledger.now()
        lines = [f"POST {operation.path} HTTP/1.1", "Host: x", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in _fields(operation, number)]
        head = "\r\n".join([*lines, f"Content-Length: {len(operation.body)}", "", ""]).encode()
        whole = head + operation.body
        sent = whole[: self._chance.randint(1, len(whole))] if self._chance.random() < 0.3 else whole
        resets = self._chance.random() < 0.5
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._ports[gateway]), PATIENCE) as connection:
            connection.sendall(sent)
            if resets:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._log(operation, number, gateway, begun, None)

    def _log(self, operation: Operation, number: int, gateway: int, begun: float, heard: Heard | None) -> None:
        self._ledger.attempts.append(
            Attempt(
                number,
                operation.key,
                operation.caller,
                operation.payload,
                gateway,
                begun,
                self._ledger.now(),
                heard,
            )
        )


def _fields(operation: Operation, number: int) -> list[tuple[str, str]]:
    return [
        ("Idempotency-Key", operation.key),
        ("Authorization", f"Bearer {CANARY}-{operation.caller}"),
        ("Attempt", f"{number}"),
        ("Payload", operation.payload),
    ]


def _plain(heard: stage.Heard) -> Heard:
    """An answer as it is logged: digests and marks, no body."""
    fields = tuple((name.lower(), value) for name, value in heard.headers)
    text = heard.body + repr(fields).encode()
    return Heard(
        status=heard.status,
        outcome=heard.get("idempotency-status") or "",
        problem=heard.problem["type"].rpartition(":")[2] if "problem+json" in (heard.get("content-type") or "") else "",
        by_gateway=heard.get("idempotency-origin") == "gateway",
        again=heard.get("idempotency-sent-again") == "true",
        fields=tuple(each for each in fields if each[0] not in _OURS),
        body=hashlib.sha256(heard.body).hexdigest(),
        callers=frozenset(int(number) for number in _CANARY.findall(text)),
    )
