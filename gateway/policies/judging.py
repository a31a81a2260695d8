"""What an answer to an inquiry means under a route's rules, and what is done then.

Pure: chance and time come as arguments. The first rule that covers an answer counts; one that none covers, like no
answer at all, says nothing, and the upstream is asked again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, assert_never

from gateway.policies.policy import Policy
from gateway.policies.reconciling import ENOUGH, Condition, Found, NotFound, Pauses, Pointer, Reconcile, Told, Untold
from gateway.policies.templates import Template, render_text
from gateway.protocol.fingerprint import point
from gateway.protocol.headers import Headers, kept, values
from gateway.protocol.inquiries import Asked, Inquiry
from gateway.protocol.json_text import Literal, piece_at, read_json
from gateway.protocol.model import Complete, NotKept, Release, StoredResponse

# Statuses that come without a body (RFC 9110, section 6.4.1).
_BODYLESS = frozenset({204, 304})

# How far a pause is drawn out or shortened, so that what became unknown at once is not asked about at once for ever.
_JITTER = 0.2


@dataclass(frozen=True, slots=True)
class Executed:
    """Rule number ``rule``, from 1, found the call, and this is its answer."""

    rule: int
    answer: StoredResponse


@dataclass(frozen=True, slots=True)
class Absent:
    """Rule number ``rule`` says that the upstream knows nothing of the call."""

    rule: int


@dataclass(frozen=True, slots=True)
class Unclear:
    """Nothing was learned; ``reason`` is a short token."""

    reason: str


Verdict = Executed | Absent | Unclear


def judge(reconcile: Reconcile, heard: Told | Untold, filled: Mapping[str, str]) -> Verdict:
    """What was heard, under the rules; ``filled`` are the call's values."""
    if isinstance(heard, Untold):
        return Unclear(heard.reason)
    document = _Document(heard.body)
    if not any(heard.status in rule.status for rule in reconcile.rules):
        return Unclear(f"status-{heard.status}")
    for number, rule in enumerate(reconcile.rules, 1):
        if heard.status not in rule.status:
            continue
        try:
            verdict = _covered(number, rule, heard, document, filled)
        except LookupError:
            continue
        except ValueError:
            return Unclear("not-json")
        if verdict is not None:
            return verdict
    return Unclear("no-rule")


class _Document:
    """A body, read as JSON when a rule looks into it."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._read: list[Any] = []

    @property
    def text(self) -> str:
        return self._body.decode("utf-8")

    @property
    def value(self) -> Any:  # noqa: ANN401 - any JSON value
        """``ValueError`` where there is none."""
        if not self._read:
            self._read.append(read_json(self._body))
        return self._read[0]


def _covered(
    number: int, rule: Found | NotFound, heard: Told, document: _Document, filled: Mapping[str, str]
) -> Verdict | None:
    match rule:
        case NotFound(empty=empty):
            if empty is not None and point(document.value, empty) != []:
                return None
            return Absent(number) if _meets(document, (), rule.where, filled) else None
        case Found():
            if (first := rule.first) is None:
                met = _meets(document, (), rule.where, filled)
                return _executed(number, rule, heard, document, None) if met else None
            listed = point(document.value, first)
            for index in range(len(listed) if isinstance(listed, list) else 0):
                element = (*first, str(index))
                if _meets(document, element, rule.where, filled):
                    return _executed(number, rule, heard, document, element)
            return None
        case _:
            assert_never(rule)


def _meets(document: _Document, inside: Pointer, conditions: tuple[Condition, ...], filled: Mapping[str, str]) -> bool:
    return all(_holds(document.value, inside, condition, filled) for condition in conditions)


def _holds(value: Any, inside: Pointer, condition: Condition, filled: Mapping[str, str]) -> bool:  # noqa: ANN401 - any JSON value
    try:
        actual = point(value, (*inside, *condition.pointer))
    except LookupError:
        return False
    expected = condition.equals
    match expected:
        case Template():
            return isinstance(actual, str) and str(actual) == render_text(expected, filled)
        case bool():
            return actual is expected
        case Decimal():
            return isinstance(actual, Literal) and _number(actual) == expected
        case _:
            assert_never(expected)


def _number(literal: Literal) -> Decimal | None:
    try:
        return Decimal(literal)
    except InvalidOperation:  # Beyond any exponent.
        return None


def _executed(number: int, rule: Found, heard: Told, document: _Document, element: Pointer | None) -> Executed:
    """``LookupError`` where the answer has not the part that is to be kept: then the rule does not cover it."""
    chosen = rule.answer
    status = heard.status if chosen.status is None else chosen.status
    part = None if chosen.whole else element if chosen.body is None else (*(element or ()), *chosen.body)
    body = heard.body if part is None else _piece(document, part).encode()
    told: Headers = tuple((b"Date", value) for value in values(heard.headers, b"date")[:1])
    if status in _BODYLESS:
        return Executed(number, StoredResponse(status, (*told, *chosen.headers), b""))
    replaced = {name.lower() for name, _ in chosen.headers}
    if b"content-type" not in replaced:
        types = [b"application/json"] if part is not None else values(heard.headers, b"content-type")[:1]
        told += tuple((b"Content-Type", value) for value in types)
    length = (b"Content-Length", str(len(body)).encode())
    return Executed(number, StoredResponse(status, (*told, *chosen.headers, length), body))


def _piece(document: _Document, part: Pointer) -> str:
    """As the upstream wrote it: an amount of 12.50 stays one."""
    point(document.value, part)
    return piece_at(document.text, part)


@dataclass(frozen=True, slots=True)
class Settling:
    """The word of a reconciler, and why."""

    word: Complete | Release
    note: str


def next_step(
    policy: Policy, reconcile: Reconcile, inquiry: Inquiry, verdict: Verdict, chance: float
) -> Settling | Asked:
    """What a verdict leads to; ``chance`` is drawn from 0 to 1 for the next pause."""
    match verdict:
        case Executed(rule=rule, answer=answer):
            return Settling(Complete(_kept(policy, answer)), f"rule {rule}: found")
        case Absent(rule=rule):
            absent = inquiry.absent + 1 if inquiry.age >= reconcile.quiet_period else 0
            if absent >= ENOUGH:
                return Settling(Release(), f"policy, rule {rule}: not found {absent} times in a row")
            rest = reconcile.quiet_period - inquiry.age
            pause = _pause(inquiry.age, reconcile.pauses, chance)
            # The first that counts comes when the quiet period is over, not a long pause after that.
            return Asked(absent, pause if rest <= timedelta(0) else min(pause, max(rest, reconcile.pauses.first)))
        case Unclear():
            return Asked(0, _pause(inquiry.age, reconcile.pauses, chance))
        case _:
            assert_never(verdict)


def _pause(age: timedelta, pauses: Pauses, chance: float) -> timedelta:
    """Grows with the age of the unknown, and so by half with every inquiry."""
    pause = min(max(age / 2, pauses.first), pauses.longest)
    return pause * (1 - _JITTER + 2 * _JITTER * chance)


def _kept(policy: Policy, answer: StoredResponse) -> StoredResponse | NotKept:
    """As the route keeps any answer."""
    if not policy.keep_body:
        return NotKept(answer.status)
    return StoredResponse(answer.status, kept(answer.headers, policy.drop_headers), answer.body)
