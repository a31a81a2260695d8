"""A Dockerfile as its instructions: stages, each with its steps, variables put in.

Knows the instructions and flags that ours uses, and refuses every other one, so that none is passed over in silence.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

# Of each instruction, the flags that are understood.
FLAGS: Mapping[str, frozenset[str]] = {
    "ARG": frozenset(),
    "FROM": frozenset(),
    "ENV": frozenset(),
    "LABEL": frozenset(),
    "WORKDIR": frozenset(),
    "COPY": frozenset({"from", "chown"}),
    "RUN": frozenset(),
    "VOLUME": frozenset(),
    "USER": frozenset(),
    "EXPOSE": frozenset(),
    "STOPSIGNAL": frozenset(),
    "HEALTHCHECK": frozenset({"interval", "timeout", "start-period"}),
    "ENTRYPOINT": frozenset(),
    "CMD": frozenset(),
}
_FLAG = re.compile(r"--([a-z-]+)=(\S+)\s+")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction. ``words``: an exec form's, or whatever stands there, put apart as a shell does it."""

    name: str
    flags: Mapping[str, str]
    text: str
    environ: Mapping[str, str]

    @property
    def exec_form(self) -> bool:
        return self.text.startswith("[")

    @property
    def words(self) -> list[str]:
        words: list[str] = json.loads(self.text) if self.exec_form else shlex.split(self.text)
        return words


@dataclass
class Stage:
    """From one FROM to the next."""

    name: str
    base: str
    steps: list[Step] = field(default_factory=list)

    def all(self, name: str) -> list[Step]:
        return [step for step in self.steps if step.name == name]

    def one(self, name: str) -> Step:
        (found,) = self.all(name)
        return found


def stages(text: str, given: Mapping[str, str] | None = None) -> list[Stage]:
    """The stages in order; ``given`` are build arguments."""
    found: list[Stage] = []
    before: dict[str, str] = {}
    variables: dict[str, str] = {}
    environ: dict[str, str] = {}
    for name, flags, raw in _instructions(text):
        known = {**before, **variables, **environ}
        filled = raw if name == "RUN" else _VARIABLE.sub(partial(_value, known), raw)
        match name:
            case "ARG":
                argument, _, default = filled.partition("=")
                (variables if found else before)[argument] = (given or {}).get(argument, default)
            case "FROM":
                base, _, alias = filled.partition(" AS ")
                found.append(Stage(alias or str(len(found)), base))
                variables, environ = {}, {}
            case "ENV":
                environ |= pairs(filled)
            case _:
                pass
        if found and name not in {"FROM", "ARG"}:
            found[-1].steps.append(Step(name, flags, filled, {**variables, **environ}))
    return found


def _value(known: Mapping[str, str], found: re.Match[str]) -> str:
    return known[found[1]]


def pairs(text: str) -> dict[str, str]:
    """``NAME=value NAME="value"``."""
    return dict(word.split("=", 1) for word in shlex.split(text))


def _instructions(text: str) -> Iterator[tuple[str, dict[str, str], str]]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        name, _, rest = line.strip().partition(" ")
        flags: dict[str, str] = {}
        while found := _FLAG.match(rest):
            flags[found[1]], rest = found[2], rest[found.end() :]
        if name not in FLAGS or not flags.keys() <= FLAGS[name] or rest.startswith("--"):
            raise ValueError(f"what does this do? {line.strip()}")
        yield name, flags, re.sub(r"\s+", " ", rest).strip()
