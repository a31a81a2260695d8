"""The shape of ``reconcile``: what the upstream is asked about an unknown call, and what its answers mean.

How a template is written is for ``policies.templates``; which settings go together is for ``reconcile_rules``.
"""

from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from gateway.config.files import Given, parse_header_value
from gateway.config.shapes import (
    Duration,
    Flag,
    HeaderName,
    HeaderValue,
    Method,
    Pointer,
    Shape,
    Status,
    Url,
    default,
    made,
    parse_pointer,
)
from gateway.config.units import parse_text
from gateway.config.urls import parse_path
from gateway.policies.templates import Slot, Template, parse_template, parse_url_template

WHOLE = "whole"

# Every whole number below it is one in any machine; longer ones are texts that look like numbers.
_LARGEST_NUMBER = 10**15


def _parse_url(value: object) -> Template:
    template = parse_url_template(parse_text(value))
    path = "".join("x" if isinstance(piece, Slot) else piece for piece in template.pieces).partition("?")[0]
    parse_path(path)
    return template


def _parse_header(value: object) -> Template | Given:
    """What a file holds is a secret, whatever braces it has; only what is written here may have places."""
    given = parse_header_value(value)
    return given if given.file is not None else parse_template(given.value.decode("ascii"))


def _parse_equals(value: object) -> Template | Decimal | bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and abs(value) < _LARGEST_NUMBER:
        return Decimal(str(value))
    if not isinstance(value, str):
        raise ValueError("must be text, a number below 10^15, true or false")
    return parse_template(value)


def _parse_part(value: object) -> str:
    return WHOLE if value == WHOLE else parse_pointer(value)


UrlTemplate = Annotated[
    Template,
    BeforeValidator(_parse_url),
    WithJsonSchema({"type": "string", "pattern": "^/", "examples": ["/v1/charges?reference={body:/reference}"]}),
]
HeaderTemplate = Annotated[
    Template | Given,
    BeforeValidator(_parse_header),
    WithJsonSchema({"type": "string", "examples": ["file:///run/secrets/api-authorization"]}),
]
Equals = Annotated[
    Template | Decimal | bool,
    BeforeValidator(_parse_equals),
    WithJsonSchema({"type": ["string", "number", "boolean"], "examples": ["{key}"]}),
]
Part = Annotated[
    str,
    BeforeValidator(_parse_part),
    WithJsonSchema({"type": "string", "pattern": f"^({WHOLE}|(/.*)?)$", "examples": [WHOLE, "/charge"]}),
]


class RequestSettings(Shape):
    """What is asked."""

    method: Method = default("GET", "GET or HEAD; another one with safe: true.")
    safe: Flag = default(False, "Says of another method that this API only looks something up with it.")
    url: Url | None = default(None, "Another base URL than the route's.")
    path: UrlTemplate | None = default(
        None, "Required: path and query. {key}, {header:Name}, {body:/pointer} and {form:name} are the call's."
    )
    headers: dict[HeaderName, HeaderTemplate] = Field(
        default_factory=dict,
        repr=False,
        description="The gateway's own credentials; a value may be file:///path, read again.",
    )
    timeout: Duration = default("10s", "For the whole request.")


class WhereSettings(Shape):
    """One comparison."""

    pointer: Pointer = Field(description="Where in the answer, or in the element of first.")
    equals: Equals = Field(description="The value there; a text may have places that the call fills.")


class AnswerSettings(Shape):
    """What becomes the kept answer."""

    status: Status | None = default(None, "Its status; unset: that of the upstream's answer to the question.")
    headers: dict[HeaderName, HeaderValue] = made(dict, "Headers that it has beside Content-Type and Date, or instead.")
    body: Part | None = default(None, "whole, or a JSON Pointer; unset: the element of first, else whole.")


class FoundSettings(Shape):
    """The call was executed."""

    status: list[Status] = made(lambda: [200], "Statuses of the upstream's answer.")
    first: Pointer | None = default(None, "A list to search: its first element that meets where.")
    where: list[WhereSettings] = made(list, "All of these hold.")
    answer: AnswerSettings = made(AnswerSettings, "What becomes the kept answer.")


class NotFoundSettings(Shape):
    """The upstream knows nothing of the call."""

    status: list[Status] | None = default(None, "Statuses; unset: 404, or 200 with empty or where.")
    empty: Pointer | None = default(None, "A list that is there and has no element.")
    where: list[WhereSettings] = made(list, "All of these hold.")

    @property
    def statuses(self) -> list[int]:
        """Those that count."""
        return self.status if self.status is not None else [200] if self.empty is not None or self.where else [404]


class RuleSettings(Shape):
    """One rule."""

    found: FoundSettings | None = default(None, "It was executed, and this is its answer.")
    not_found: NotFoundSettings | None = default(
        None, "It is not there; three times in a row, and the key is released."
    )

    @model_validator(mode="after")
    def _one(self) -> "RuleSettings":
        if (self.found is None) == (self.not_found is None):
            raise ValueError("must say either found: {...} or not_found: {...}")
        return self


class PauseSettings(Shape):
    """Pauses between two inquiries about one call: half of the time that it has been unknown, within these bounds."""

    first: Duration = default("1s", "Shortest pause.")
    longest: Duration = default("15m", "Longest pause.")


class ReconcileSettings(Shape):
    """How the truth about an unknown call is found out."""

    request: RequestSettings = made(RequestSettings, "What is asked.")
    rules: list[RuleSettings] = made(list, "Required: what its answers mean, in order; all others: ask again.")
    quiet_period: Duration | None = default(
        None, "Before it is over, not_found does not count; unset: twice timeout.total, and 5m at least.", "15m"
    )
    pause: PauseSettings = made(PauseSettings, "Pauses between two inquiries about one call.")
