"""What the page for developers says is what they meet: every refusal in its table, and the program that retries."""

import inspect
import itertools
import json
import re
import types
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, get_type_hints

from gateway.protocol import problems
from gateway.protocol.problems import Problem
from tests.docs.pages import ROOT, block
from tests.process import anywhere, serving
from tests.upstream import Play, Upstream

PAGE = ROOT / "docs" / "developer.md"

# What stands for an argument of each type; a flag is tried both ways.
SAMPLES: dict[Any, tuple[object, ...]] = {
    bool: (False, True),
    int: (501,),
    str: ("said",),
    timedelta: (timedelta(seconds=1),),
    timedelta | None: (None, timedelta(seconds=1)),
}


def refusals() -> Iterator[Problem]:
    """Every problem that the gateway can make."""
    makers: dict[str, Callable[..., Problem]] = {
        name: made
        for name, made in vars(problems).items()
        if isinstance(made, types.FunctionType) and made.__module__ == problems.__name__ and not name.startswith("_")
    }
    for made in makers.values():
        hints = get_type_hints(made)
        assert hints.pop("return") is Problem
        assert list(hints) == list(inspect.signature(made).parameters)
        for values in itertools.product(*(SAMPLES[kind] for kind in hints.values())):
            given = zip(inspect.signature(made).parameters.values(), values, strict=True)
            words = [(each.name, value, each.kind is each.KEYWORD_ONLY) for each, value in given]
            yield made(
                *(value for _, value, named in words if not named),
                **{name: value for name, value, named in words if named},
            )


def rows() -> list[str]:
    """The lines of the table, by status and name; one line where only circumstances tell whether to retry."""
    found: dict[tuple[int, str, str, str], set[str]] = {}
    for problem in refusals():
        outcome = f"`{problem.outcome}`" if problem.outcome is not None else ""
        key = (problem.status, f"`{problem.name}`", outcome, f"`{problem.key_state}`")
        found.setdefault(key, set()).add("yes" if problem.retryable else "no")
    return [
        f"| {name} | {status} | {outcome} | {state} | {' or '.join(sorted(retryable, reverse=True))} |"
        for (status, name, outcome, state), retryable in sorted(found.items())
    ]


def test_the_table_has_every_refusal_with_its_state_and_whether_to_retry_and_no_other() -> None:
    shown = re.findall(r"^\| `[\w-]+` \| \d{3} \|.*$", PAGE.read_text(), re.MULTILINE)
    assert shown == rows(), "\n".join(["the table should be:", *rows()])


def test_the_page_names_every_state_of_a_key() -> None:
    section = PAGE.read_text().partition("## Every refusal")[2].partition("\n| ")[0]
    assert {problem.key_state for problem in refusals()} <= set(re.findall(r"`([\w-]+)`", section))


def test_the_program_that_is_shown_retries_until_it_has_the_one_answer(upstream: Upstream, tmp_path: Path) -> None:
    program: dict[str, Any] = {}
    exec(compile(block("python", "retrying"), "shown", "exec"), program)  # noqa: S102 - what the page shows is run
    upstream.then(Play(b"HTTP/1.1 429 Later\r\nContent-Length: 2\r\n\r\n{}", then="keep"), Play(then="reset"))
    with serving(*anywhere(upstream.port), "--store", "memory:", folder=tmp_path) as served:
        url = f"http://127.0.0.1:{served.port}/charges"
        assert program["send"](url, "order-1", b"{}")[0] == 429
        status, told = program["send"](url, "order-2", b"{}")
        assert (status, json.loads(told)["key_state"]) == (409, "unknown")
        assert program["send"](url, "order-3", b"{}") == (201, b'{"id":3}')
