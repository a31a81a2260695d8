"""``on_unknown: reconcile``: what an operator has the upstream asked, and what its answers mean.

Values, and the question that follows from them. What an answer means is for ``judging``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from gateway.policies.added import Added
from gateway.policies.asking import packed, taken
from gateway.policies.templates import Gap, Slot, Template, render_header, render_url
from gateway.protocol.fingerprint import RequestFacts
from gateway.protocol.headers import Headers

Pointer = tuple[str, ...]

# So often in a row the upstream knows nothing of a call before that counts as the truth.
ENOUGH = 3

# How long an inquiry may take beyond the request itself: its decision has to be written by then.
DECIDING = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Condition:
    """The value at ``pointer`` is this one: a text that the call fills, a number, or true or false."""

    pointer: Pointer
    equals: Template | Decimal | bool


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What becomes the kept answer. ``status``: that of the upstream's answer where ``None``. ``body``: the value at a
    pointer into it, or into the element that was searched for; ``whole``: all of it, in spite of an element.
    ``headers`` replace its own."""

    status: int | None = None
    headers: Headers = ()
    body: Pointer | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """The call was executed. ``first``: the list in which one element has to meet ``where``."""

    status: frozenset[int] = frozenset({200})
    first: Pointer | None = None
    where: tuple[Condition, ...] = ()
    answer: KeptAnswer = field(default_factory=KeptAnswer)


@dataclass(frozen=True, slots=True)
class NotFound:
    """The upstream knows nothing of the call. ``empty``: the list that has to be there, without an element."""

    status: frozenset[int] = frozenset({404})
    empty: Pointer | None = None
    where: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Asking:
    """The request. ``base``: an origin and base path of its own, without a slash at its end; the route's where empty.
    ``path`` has the query; a header's name is written as it goes out. ``added``: those that no call fills."""

    path: Template
    method: str = "GET"
    headers: tuple[tuple[bytes, Template], ...] = field(default=(), repr=False)
    added: Added = field(default_factory=Added)
    base: str = ""
    timeout: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Pauses:
    """Between two inquiries about one call: half of the time that it has been unknown, within these bounds."""

    first: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Reconcile:
    """One route's choice. ``rules`` in order; an answer that none of them covers says nothing."""

    asking: Asking
    rules: tuple[Found | NotFound, ...]
    quiet_period: timedelta = timedelta(minutes=5)
    pauses: Pauses = field(default_factory=Pauses)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Every place that a call has to fill, each once."""
        headers = [template for _, template in self.asking.headers]
        compared = [each.equals for rule in self.rules for each in rule.where]
        templates = [self.asking.path, *headers, *(each for each in compared if isinstance(each, Template))]
        return tuple(dict.fromkeys(slot for template in templates for slot in template.slots))

    @property
    def work(self) -> timedelta:
        """How long one worker has a call to itself: for the request and what comes of it."""
        return self.asking.timeout + DECIDING

    def leave(self, facts: RequestFacts, key: str | None) -> bytes | Gap:
        """What a call leaves to be asked with; a ``Gap`` where it cannot be asked about."""
        values = taken(self.slots, facts, key)
        if isinstance(values, Gap):
            return values
        question = self.question("", values, ())
        return question if isinstance(question, Gap) else packed(values)

    def question(self, base: str, values: Mapping[str, str], headers: Headers) -> "Question | Gap":
        """What to send. ``base``: the route's own, and ``headers``: those that it sets for its own upstream."""
        asking = self.asking
        target = render_url(asking.path, values)
        if isinstance(target, Gap):
            return target
        own: list[tuple[bytes, bytes]] = [*asking.added.now]
        for name, template in asking.headers:
            value = render_header(template, values)
            if isinstance(value, Gap):
                return value
            own.append((name, value))
        replaced = {name.lower() for name, _ in own}
        inherited = () if asking.base else tuple(field for field in headers if field[0].lower() not in replaced)
        return Question(asking.method, (asking.base or base) + target, (*inherited, *own), asking.timeout)


@dataclass(frozen=True, slots=True)
class Question:
    """A request that only asks. ``url`` is absolute, and as it goes out; ``timeout`` bounds all of it."""

    method: str
    url: str = field(repr=False)
    headers: Headers = field(repr=False)
    timeout: timedelta


@dataclass(frozen=True, slots=True)
class Told:
    """The upstream's answer, whole."""

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Untold:
    """There is no answer to judge; ``reason`` is a short token such as ``timeout``."""

    reason: str
