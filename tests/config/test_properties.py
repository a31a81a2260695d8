"""Whatever a file, a variable or an option holds: a configuration, or ``ConfigInvalid`` with a line a complaint."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.config.load import check, load, schema
from gateway.config.units import DURATION, LARGEST, LONGEST, SIZE, parse_duration, parse_size
from gateway.errors import ConfigInvalid

_modest = settings(max_examples=150, derandomize=True, deadline=None)


def _names() -> list[str]:
    described = schema()
    parts = [described, *described["$defs"].values()]
    return sorted({name for part in parts for name in part.get("properties", {})})


def _words() -> list[str]:
    """What the schema gives as a choice or an example, so that not every tree is refused for its values."""
    parts = schema()["$defs"].values()
    known = [word for part in parts for word in part.get("enum", [])]
    shapes = [shape for part in parts for shape in part.get("properties", {}).values()]
    return [
        *known,
        *(word for shape in shapes for word in shape.get("examples", [])),
        "http://u",
        "memory:",
        "file:///",
    ]


_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(_words())
    | st.text(max_size=8)
    | st.text(st.characters(categories=["Cs", "Cc", "Lu"]), max_size=4)
)
_plain = st.sampled_from(_names()) | st.text(max_size=4)
_trees = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_plain, inner, max_size=4),
    max_leaves=12,
)


def _part(name: str) -> st.SearchStrategy[Any]:
    """A part as the schema has it, in which any value may be another."""
    shape = schema()["$defs"].get(name, {}).get("properties", {})
    return st.fixed_dictionaries({}, optional=dict.fromkeys([*shape, "unknown"], _trees))


_routes = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "name": st.just("a") | _trees,
            "match": _part("MatchSettings") | _trees,
            "upstream": st.just({"url": "http://u"}) | _part("UpstreamSettings") | _trees,
            "policy": _part("PolicySettings") | _trees,
        },
    )
    | _trees,
    max_size=3,
)
_files = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(schema()["properties"], _trees),
        "policy": _part("PolicySettings"),
        "routes": _routes,
        "unknown": _trees,
    },
)


def _told(path: Path, options: Mapping[str, object], environ: Mapping[str, str]) -> tuple[str, ...]:
    try:
        load(path, options, environ)
    except ConfigInvalid as fault:
        assert fault.complaints, "refused without a word"  # noqa: PT017 - any input may be good or not
        return fault.complaints
    return ()


def _outcome(content: bytes, options: Mapping[str, object], environ: Mapping[str, str]) -> tuple[str, ...]:
    """The complaints of ``load``; ``check`` has the same, and each is one line that a terminal can show."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "c.yaml"
        path.write_bytes(content)
        told = _told(path, options, environ)
        assert check(path, environ) == _told(path, {}, environ)
    assert len(set(told)) == len(told)
    for complaint in told:
        assert "\n" not in complaint
        complaint.encode()
    return told


def _refusal(parse: Callable[[object], object], text: str) -> str:
    """The sentence of a parser; nothing where it takes the text."""
    try:
        parse(text)
    except ValueError as fault:
        return str(fault)
    return ""


@_modest
@given(_files)
@example({"routes": [{"name": "a", "upstream": {"url": "http://u"}}]})
def test_any_tree_of_the_names_of_the_schema_is_a_configuration_or_invalid(tree: dict[str, Any]) -> None:
    _outcome(json.dumps(tree).encode(), {}, {})


@_modest
@given(st.binary(max_size=60) | st.text("abc:-[]{}#&*!|>'\"%@`,? \n\t\\<=~0", max_size=40).map(str.encode))
def test_any_bytes_are_a_configuration_or_invalid(content: bytes) -> None:
    assert _outcome(content, {}, {})


_steps = st.lists(
    st.sampled_from([name.upper() for name in _names()]) | st.sampled_from(["0", "1", "X", ""]), max_size=4
)


@_modest
@given(st.dictionaries(_steps.map("__".join), _trees.map(json.dumps) | st.text(max_size=8), max_size=4), _trees)
def test_any_variables_and_options_are_a_configuration_or_invalid(variables: dict[str, str], value: object) -> None:
    good = b"routes: [{name: a, upstream: {url: 'http://u'}}]\n"
    environ = {f"IDEMPOTENCY_GATEWAY_{name}": text for name, text in variables.items()}
    _outcome(good, {}, environ)
    _outcome(good, {"listen": value, "store": value}, environ)


_numbers = st.integers(0, 10**18).map(str) | st.text("0123456789 -.", max_size=6)


@_modest
@given(_numbers, st.sampled_from(["ms", "s", "m", "h", "d", "y", "", " s", "s\n"]))
def test_a_duration_is_good_exactly_where_the_schema_has_it_and_it_is_not_too_long(number: str, unit: str) -> None:
    text = number + unit
    written = re.search(DURATION.replace("$", r"\Z"), text) is not None
    refusal = _refusal(parse_duration, text)
    assert written == (not refusal or refusal.startswith("is longer than"))
    assert refusal or timedelta(0) <= parse_duration(text) <= LONGEST


@_modest
@given(_numbers, st.sampled_from(["B", "KiB", "MiB", "GiB", "KB", "", " B", "B\n"]))
def test_a_size_is_good_exactly_where_the_schema_has_it_and_it_is_not_too_large(number: str, unit: str) -> None:
    text = number + unit
    written = re.search(SIZE.replace("$", r"\Z"), text) is not None
    refusal = _refusal(parse_size, text)
    assert written == (not refusal or refusal.startswith("is larger than"))
    assert refusal or 0 <= parse_size(text) <= LARGEST


def test_the_bounds_themselves_are_good_and_what_is_just_over_them_is_not() -> None:
    assert (parse_duration("3650d"), parse_size("1GiB")) == (LONGEST, LARGEST)
    assert _refusal(parse_duration, "315360000001ms").startswith("is longer than")
    assert _refusal(parse_duration, "1000000000d").startswith("is longer than")
    assert _refusal(parse_size, "1073741825B").startswith("is larger than")
