"""Starts everything that a stage measures, has it checked and measured, and ends it all, whatever happened."""

import re
import tempfile
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from loadtests.bench import upstream
from loadtests.bench.bodies import body, shown
from loadtests.bench.checking import Wrong, observe
from loadtests.bench.measuring import Bodies, Measuring
from loadtests.bench.plan import Stage
from loadtests.bench.result import Kind, Run
from loadtests.bench.subjects import Place, Running, Subject
from loadtests.cores import elsewhere

Tell = Callable[[str], None]


def narrowed(stage: Stage, only: str) -> tuple[Subject, ...]:
    """The subjects of the stage of which something matches, as ``SUBJECT: KIND``. Replays bring their first calls."""
    found: list[Subject] = []
    for subject in stage.subjects():
        wanted = [kind for kind in subject.kinds if re.search(only, f"{subject.name}: {kind}")]
        if wanted:
            last = subject.kinds.index(wanted[-1])
            # What is retried was called first.
            needed = subject.kinds[: last + 1] if wanted[-1] is not Kind.PASS else (Kind.PASS,)
            found.append(replace(subject, kinds=needed))
    return tuple(found)


@contextmanager
def set_up(size: int, folder: Path) -> Generator[tuple[Place, Bodies]]:
    """An upstream and a place for everything in front of it."""
    request, answer = body(size, "request"), body(size, "answer")
    file, answers = folder / "request.json", folder / "answers.json"
    file.write_bytes(request)
    answers.write_bytes(answer)
    with ExitStack() as stack:
        with elsewhere():
            api = stack.enter_context(upstream.serving(folder, answer))
        yield Place(folder, api, answers, stack), Bodies(request, file, answer)


def measure(stage: Stage, run: Run, only: str, tell: Tell) -> None:
    """Measures the stage, and adds what was found to ``run``."""
    subjects = narrowed(stage, only)
    if not subjects:
        return
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        place, bodies = stack.enter_context(set_up(stage.body, Path(name)))
        running: dict[Subject, Running] = {}
        for subject in subjects:
            if why := subject.missing():
                run.left_out[subject.name] = why
                continue
            tell(f"bodies of {shown(stage.body)}: starting {subject.name}")
            started = stack.enter_context(subject.start(place))
            try:
                observed = observe(subject, started, bodies.request, bodies.answer)
            except Wrong as wrong:
                run.faults.append(f"{subject.name}: {wrong}")
                continue
            running[subject] = started
            if observed is not None and all(each.subject != subject.name for each in run.observed):
                run.observed.append(observed)
        measuring = Measuring(stage, bodies, running, tell)
        with elsewhere():
            measuring.all_steps()
        run.rows += measuring.rows
        run.faults += [f"{subject.name}: {fault}" for subject, fault in measuring.faults.items()]
