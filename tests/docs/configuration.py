"""The reference of the configuration, drawn from the settings themselves: ``docs/configuration.md``.

``python -m tests.docs.configuration`` writes it to its place; a test compares the two. Knows the settings' shapes and
the words of their JSON Schema, and no setting by name, so that a new one needs nothing here.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, get_args, get_origin

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gateway.config.load import schema
from gateway.config.settings import Settings
from gateway.config.shapes import Shape
from gateway.config.sources import PREFIX
from gateway.config.units import DURATION, SIZE
from tests.docs.pages import ROOT

SCHEMA = schema()
PLACE = ROOT / "docs" / "configuration.md"
COMMAND = "python -m tests.docs.configuration"

PREFACE = f"""# Configuration

<!-- made by {COMMAND}; not edited by hand -->

Every setting, from the settings' own descriptions. `idempotency-gateway schema` prints the same as JSON Schema, and
`idempotency-gateway check --config FILE` tells every complaint of a file, with its line and column.

- A setting comes from an option, else from the environment, else from the file, else it has its default. A variable is
  the setting's place in capitals with `__` between names: `{PREFIX}LOG__LEVEL=debug`. An element of a list that
  the file has is named by its number, from 0; a list or a mapping as a whole is written as JSON:
  `{PREFIX}POLICY__METHODS=["POST"]`.
- A duration is `250ms`, `30s`, `15m`, `24h` or `30d`; a size is `512B`, `64KiB`, `16MiB` or `1GiB`.
- A secret is written out, or is `file:///path` of the file that holds it; it is told in no log, error or complaint.
- What is not known is a complaint, not ignored; a name with nothing behind its colon counts as left out.
- `policy` at the top gives the defaults of every route; a route's own `policy` has the same settings, and wins name by
  name.
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. ``place``: names from the top, ``0`` for a list's element; ``described``: its part of the schema."""

    place: tuple[str, ...]
    field: FieldInfo
    described: dict[str, Any]

    @property
    def shapes(self) -> list[type[Shape]]:
        """The shapes that it consists of, none for a plain value."""
        return list(_shapes(self.field.annotation))

    @property
    def listed(self) -> bool:
        return get_origin(self.field.annotation) is list

    @property
    def shown(self) -> str:
        """``routes[].match.host``."""
        return ".".join(self.place).replace(".0", "[]")

    @property
    def variable(self) -> str:
        return PREFIX + "__".join(self.place).upper()

    @property
    def example(self) -> Any:  # noqa: ANN401 - any JSON value
        """A good value, other than the default where the schema tells one."""
        return _example(self.described, self.default)

    @property
    def default(self) -> Any:  # noqa: ANN401 - any JSON value
        """As people write it; ``PydanticUndefined`` where it is required."""
        value = self.field.get_default(call_default_factory=True, validated_data={})
        return value.value if isinstance(value, Enum) else value

    def read(self, value: object) -> object:
        """What becomes of a value; a pydantic ``ValidationError`` where it is not good."""
        read: Any = self.field.annotation
        for each in self.field.metadata:
            read = Annotated[read, each]
        return TypeAdapter[object](read).validate_python(value)


def _shapes(annotation: Any) -> Iterator[type[Shape]]:  # noqa: ANN401 - any annotation
    if isinstance(annotation, type) and not get_args(annotation) and issubclass(annotation, Shape):
        yield annotation
    for part in get_args(annotation):
        yield from _shapes(part)


def _told(described: dict[str, Any]) -> dict[str, Any]:
    """Less the ways that only say that it may be unset."""
    ways = [way for way in described.get("anyOf", ()) if way.get("type") != "null"]
    return {**ways[0], **described} if len(ways) == 1 else described


def _resolved(described: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    told = _told(described)
    reference = told.pop("$ref", None) if "$ref" in told else None
    return {**definitions[reference.rpartition("/")[2]], **told} if reference else told


def settings(shape: type[Shape] = Settings, place: tuple[str, ...] = ()) -> Iterator[Setting]:
    """Every setting of a shape and of what it consists of, in order. A route's policy is told once, at the top."""
    definitions = SCHEMA["$defs"]
    properties = SCHEMA["properties"] if shape is Settings else definitions[shape.__name__]["properties"]
    for name, field in shape.model_fields.items():
        setting = Setting((*place, name), field, _resolved(dict(properties[name]), definitions))
        yield setting
        if place and setting.shapes and name == "policy":
            continue
        for inner in setting.shapes:
            yield from settings(inner, (*setting.place, "0") if setting.listed else setting.place)


def _kind(setting: Setting) -> str:
    """Type and unit."""
    told = setting.described
    if setting.shapes:
        return "list" if setting.listed else "mapping"
    if told.get("type") == "array":
        return f"list of {_plain(told['items'])}"
    if told.get("type") == "object":
        return "mapping of names to text"
    return _plain(told)


def _plain(told: dict[str, Any]) -> str:
    match told:
        case {"$ref": str(reference)}:
            return _plain(SCHEMA["$defs"][reference.rpartition("/")[2]])
        case {"enum": list(words)}:
            *others, last = (f"`{word}`" for word in words)
            return f"{', '.join(others)} or {last}" if others else last
        case {"const": value}:
            return f"`{_written(value)}`"
        case {"type": "boolean"}:
            return "`true` or `false`"
        case {"type": "integer", "minimum": least, "maximum": most}:
            return f"{least:,} to {most:,}"
        case {"pattern": str(pattern)} if pattern == DURATION:
            return "duration"
        case {"pattern": str(pattern)} if pattern == SIZE:
            return "size"
        case {"type": list(kinds)}:
            return " or ".join(str(kind).replace("string", "text") for kind in kinds)
        case {"type": "string"}:
            return "text"
        case _:
            return str(told.get("type", "any"))


def _example(told: dict[str, Any], default: object) -> Any:  # noqa: ANN401 - any JSON value
    match told:
        case {"pattern": str(pattern)} if pattern in (DURATION, SIZE) and isinstance(default, str):
            return default
        case {"type": "array", "examples": [first, *_]}:
            return first
        case {"enum": list(words)}:
            return next((word for word in words if word != default), words[0])
        case {"const": value}:
            return value
        case {"type": "boolean"}:
            return default is False
        case {"type": "array", "items": dict(of)}:
            one = _example(_resolved(dict(of), SCHEMA["$defs"]), None)
            return None if one is None else [one]
        case {"type": "object", "propertyNames": {"examples": [name, *_]}, "patternProperties": dict(values)}:
            ((_, of),) = values.items()
            return {name: _example(of, None)}
        case {"examples": [first, *others]}:
            return next((each for each in (first, *others) if each != default), first)
        case {"type": "integer", "minimum": least}:
            return least if default in (None, PydanticUndefined) else default
        case _:
            return None


def _default(setting: Setting) -> str:
    value = setting.default
    if value is PydanticUndefined:
        return "required"
    if value is None or setting.shapes:
        return ""
    return f"`{_written(value)}`"


def _written(value: object) -> str:
    match value:
        case str():
            return value or '""'
        case list():
            return "[" + ", ".join(map(_written, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{name}: {_written(part)}" for name, part in value.items()) + "}"
        case Enum():
            return str(value.value)
        case _:
            return json.dumps(value)


def _row(setting: Setting) -> str:
    example = "" if setting.shapes or setting.example is None else f"`{setting.place[-1]}: {_written(setting.example)}`"
    if setting.place[:1] == ("routes",) and setting.place[-1] == "policy":
        example = "[as at the top](#policy)"
    cells = (
        f"`{setting.shown}`<br><sub>`{setting.variable}`</sub>",
        _kind(setting),
        _default(setting),
        example,
        setting.field.description or "",
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def page() -> str:
    """The whole page: a section for each setting at the top that has parts, and one for those that have none."""
    found = list(settings())
    top = [each for each in found if len(each.place) == 1]
    parts = [PREFACE, _section("At the top", [each for each in top if not each.shapes])]
    parts += [
        _section(each.shown, [each, *(inner for inner in found if inner.place[:1] == each.place and inner is not each)])
        for each in top
        if each.shapes
    ]
    return "\n".join(parts)


def _section(title: str, rows: list[Setting]) -> str:
    head = "| setting, variable | type, unit | default | example | what it is |\n|---|---|---|---|---|"
    return "\n".join([f"## {title}", "", head, *map(_row, rows), ""])


if __name__ == "__main__":
    PLACE.write_text(page())
