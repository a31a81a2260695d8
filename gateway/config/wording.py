"""A sentence of ours for each thing that pydantic finds. It never holds the value, which may be a secret."""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.config.documents import Place
from gateway.config.settings import Settings


def told(fault: ValidationError) -> Iterator[tuple[Place, str]]:
    """Place and sentence of each complaint."""
    for error in fault.errors(include_url=False, include_input=False):
        place = tuple(step for step in error["loc"] if step != "[key]")
        yield place, _sentence(place, error)


def _sentence(place: Place, error: ErrorDetails) -> str:
    match error["type"]:
        case "extra_forbidden":
            return _unknown(place)
        case "missing":
            return _missing(place)
        case "too_short" if place == ("routes",):
            return _missing(place)
        case "model_type" | "dict_type" if place[-1:] == ("upstream",):
            return "must hold settings of its own, such as {url: https://api.example.com}"
        case "model_type" | "dict_type":
            return "must hold settings of its own, as a mapping"
        case "list_type" if place == ("routes",):
            return "must be a list: write each route with a dash before its name"
        case "list_type":
            return "must be a list, such as [a, b]"
        case "enum" | "literal_error":
            return f"must be {_choices(str(error.get('ctx', {}).get('expected', '')))}"
        case _:
            return error["msg"].removeprefix("Value error, ")


def _choices(expected: str) -> str:
    """The choices as they are written; pydantic gives them as ``'a', 'b' or 'c'``."""
    *most, last = re.findall(r"\w+", expected.replace(" or ", ", "))
    return f"{', '.join(most)} or {last}" if most else last.lower()


def _missing(place: Place) -> str:
    if place == ("routes",):
        return "there is no route; give --upstream URL, or routes with at least one name and upstream.url"
    return "is required; add it"


def _unknown(place: Place) -> str:
    known = _known(Settings, place[:-1])
    within = [name for name in known if str(place[-1]) in _known(Settings, (*place[:-1], name))]
    if within:
        return f"there is no such setting here; it belongs below {within[0]}"
    near = get_close_matches(str(place[-1]), known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(known))}"
    return f"there is no such setting; {hint}"


def _known(model: type[BaseModel], path: Iterable[str | int]) -> list[str]:
    """The settings at a place in the shape."""
    for step in path:
        if isinstance(step, int):
            continue
        inner = _model_in(model.model_fields[step].annotation)
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - any annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        if found := _model_in(part):
            return found
    return None
