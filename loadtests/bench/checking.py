"""What a subject does before it is measured: one that answers fast and wrong must not count.

Knows HTTP. A proxy must pass the API's answer on as it is. Whoever promises idempotency must execute a first call, and
answer its retry with the same without a second execution; what it does about another body with the key and about calls
at once is written down, and demanded of the gateway and of nginx with Lua.
"""

import http.client
import json
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from loadtests.bench.ledger import Called
from loadtests.bench.result import Kind, Observed
from loadtests.bench.subjects import ASGI_HEADER, EXPRESS_NAME, Running, Subject
from loadtests.bench.upstream import PATH

TIMEOUT = 30
AT_ONCE = 20
# Those that are measured as they are, whatever they do about these.
_AS_THEY_ARE = (ASGI_HEADER, EXPRESS_NAME)


class Wrong(Exception):
    """It did not do what it is measured for."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer, as far as it matters here."""

    status: int
    body: bytes
    kind: str


def call(port: int, key: str | None, body: bytes) -> Heard:
    """One call on a connection of its own."""
    headers = {"Content-Type": "application/json", "Authorization": "Bearer bench"}
    if key is not None:
        headers["Idempotency-Key"] = key
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request("POST", PATH, body, headers)
        answer = connection.getresponse()
        return Heard(answer.status, answer.read(), answer.headers.get("Content-Type", ""))
    finally:
        connection.close()


def observe(subject: Subject, running: Running, body: bytes, answer: bytes) -> Observed | None:
    """Tries everything once; ``Wrong`` where it may not be measured. Nothing to write down of a bare proxy."""
    running.api.since()
    if Kind.PASS in subject.kinds:
        _like(answer, call(running.port, None, body), "a call without a key")
        _times(running.api.since(), 1, "a call without a key")
    if Kind.FIRST not in subject.kinds:
        return None
    ask = partial(call, running.port)
    _like(answer, ask("check", body), "the first call")
    again = ask("check", body)
    _like(answer, again, "its retry")
    _times(running.api.since(), 1, "a call and its retry")
    changed = ask("check", body.replace(b"ch_", b"hc_", 1) if b"ch_" in body else body + b" ")
    _times(running.api.since(), 0, "another body with the key")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        heard = list(pool.map(lambda _: ask("at-once", body), range(AT_ONCE)))
    executed = running.api.since().all
    observed = Observed(subject.name, str(again.status), str(changed.status), _counted(heard), executed, subject.lacks)
    if subject.name not in _AS_THEY_ARE and (observed.other_body, executed) != ("422", 1):
        raise Wrong(f"another body got {observed.other_body}, {AT_ONCE} calls at once were executed {executed} times")
    return observed


def sample(running: Running, prefix: str, count: int, body: bytes, answer: bytes) -> None:
    """Some of the calls that were just measured are kept, as their retries tell."""
    for number in sorted({1, count // 3 or 1, count}):
        _like(answer, call(running.port, f"{prefix}{number}", body), f"the retry of call {number} of {count}")


def _like(answer: bytes, heard: Heard, what: str) -> None:
    same = heard.body == answer or _json(heard.body) == _json(answer)
    if heard.status != 201 or not same or not heard.kind.startswith("application/json"):
        raise Wrong(f"{what} got {heard.status} {heard.kind} {heard.body[:80]!r}")


def _json(text: bytes) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _times(found: Called, expected: int, what: str) -> None:
    if found.all != expected:
        raise Wrong(f"{what}: executed {found.all} times instead of {expected}")


def _counted(heard: Sequence[Heard]) -> str:
    statuses = Counter(each.status for each in heard)
    return ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))
