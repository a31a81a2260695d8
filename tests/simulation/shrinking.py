"""A failing history made small: whatever can be left out, while it still breaks the same law, is left out.

Knows that each item of a script can go, and that what is left is played as before. Refuses to know what an item means.
"""

from collections.abc import Iterator
from dataclasses import replace

from tests.simulation.history import Ended, play
from tests.simulation.laws import breaches
from tests.simulation.script import Script

# How often a smaller script is played before it is believed to be good.
NOISES = 4


def law_of(breach: str) -> str:
    """The law that a breach is one of."""
    return breach.partition(":")[0]


def judged(plan: Script, *, telling: bool = False) -> tuple[Ended, list[str]]:
    """A script played and judged."""
    ended = play(plan, telling=telling)
    return ended, breaches(ended)


def shrunk(plan: Script) -> Script:
    """The smallest script that leaving out finds; ``plan`` must fail."""
    law = law_of(judged(plan)[1][0])
    size = len(plan.items) // 2
    while size:
        plan, gone = _without_chunks(plan, law, size)
        size = min(size // 2, len(plan.items)) if not gone or size > 1 else 1
    return plan


def _without_chunks(plan: Script, law: str, size: int) -> tuple[Script, bool]:
    at, gone = 0, False
    while at < len(plan.items):
        smaller = plan.without(frozenset(range(at, at + size)))
        failing = next((each for each in noises(smaller) if _breaks(each, law)), None)
        if failing is None:
            at += size
        else:
            plan, gone = failing, True
    return plan, gone


def transcript(plan: Script) -> str:
    """The history as people read it: what was planned, what happened, what is wrong with it."""
    ended, found = judged(plan, telling=True)
    routes: list[str] = []
    for route in plan.routes:
        policy, terms = route.policy, route.policy.terms
        choices = f"on_unknown {terms.on_unknown}, on_conflict {terms.on_conflict}, on_change {policy.on_change}"
        down = f"on_store_down {terms.on_store_down}, upstream_retention {policy.upstream_retention}"
        routes.append(f"  {route.name}: {choices}, {down}")
    head = f"seed {plan.seed}: {plan.gateways} gateways, {'both stores' if plan.tiered else 'the authority alone'}"
    parts = [head, *routes, *(f"  {item}" for item in plan.items), "", *ended.chronicle.lines, "", *found]
    return "\n".join(parts)


def noises(plan: Script) -> Iterator[Script]:
    """The script under its own noise and some others: with an item left out, all that was drawn is another."""
    return (replace(plan, noise=plan.noise + more) for more in range(NOISES))


def _breaks(plan: Script, law: str) -> bool:
    return any(law_of(breach) == law for breach in judged(plan)[1])
