"""A sentence of ours for each thing that is wrong with a request. It never holds the value."""

from collections.abc import Sequence
from typing import Any

from gateway.admin.problems import Fault, Problem, bad_request, invalid

_SENTENCES = {
    "missing": "is required",
    "extra_forbidden": "is not known here; see /docs for what is",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "string_type": "must be text",
    "list_type": "must be a list",
    "tuple_type": "must be a pair, [name, value]",
    "model_attributes_type": "must be a JSON object, sent as Content-Type: application/json",
    "model_type": "must be a JSON object, sent as Content-Type: application/json",
    "dict_type": "must be a JSON object",
    "string_pattern_mismatch": "does not have the form {pattern}",
    "string_too_long": "is longer than {max_length} characters",
    "string_too_short": "must not be empty",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "too_short": "must have {min_length} elements",
    "too_long": "has more than {max_length} elements",
    "enum": "must be one of {expected}",
    "literal_error": "must be one of {expected}",
}


def told(errors: Sequence[Any]) -> Problem:
    """The problem that pydantic's findings are, all of them at once."""
    for error in errors:
        if error["type"] == "json_invalid":
            return bad_request(f"The body is not JSON: {error['ctx']['error']} at character {error['loc'][-1]}.")
    return invalid([Fault(where=_place(error["loc"]), sentence=_sentence(error)) for error in errors])


def _place(steps: Sequence[object]) -> str:
    """Where it is; a name that a caller made up is text of a caller, so it is cut short and shown plainly."""
    return ".".join(ascii(str(step))[1:-1][:40] for step in steps) or "request"


def _sentence(error: Any) -> str:  # noqa: ANN401 - pydantic's own error, a mapping
    known = _SENTENCES.get(error["type"])
    if known is not None:
        return known.format(**error.get("ctx", {}))
    message: str = error["msg"]
    return message.removeprefix("Value error, ")
