"""No caller gets another one's answer: all pairs of scopes, callers and routes, the second with the first one's key."""

from collections.abc import Mapping
from itertools import permutations, product
from pathlib import Path

import pytest

from gateway.protocol.fingerprint import key_digest
from tests.conftest import Begin
from tests.stage import Heard, Stage, playing
from tests.upstream import Logged, Play, Upstream, answer

# Callers, by what tells them apart; the last two differ in a field that no route looks at.
CALLERS = {
    "nobody": (),
    "A": (("Authorization", "Bearer a"),),
    "B": (("Authorization", "Bearer b"),),
    "A by key": (("X-Api-Key", "Bearer a"),),
    "A and a key": (("Authorization", "Bearer a"), ("X-Api-Key", "k")),
    "A twice": (("Authorization", "Bearer a"), ("Authorization", "Bearer a")),
    "A, then B": (("Authorization", "Bearer a"), ("Authorization", "Bearer b")),
    "A, B in one": (("Authorization", "Bearer a, Bearer b"),),
    "a in small letters": (("Authorization", "bearer a"),),
}
# The same whoever the gateway knows to call: two callers with keys, each with and without fields of their own.
KNOWN = ("igk_the-key-of-the-shop-01", "igk_the-key-of-the-bar-002")
KNOWN_CALLERS = {
    f"{fields} as {key}": (("X-Gateway-Key", key), *CALLERS[fields])
    for key, fields in product(KNOWN, ("nobody", "A", "A by key"))
}
ROUTES = ("/one", "/two", "/apart")


def configuration(url: str, on_change: str) -> str:
    """Three routes to one upstream: two share a space of keys, the third has its own."""
    lines = ["match: {path: /rest}", "routes:"]
    for path in ROUTES:
        policy = f"namespace: {'apart' if path == '/apart' else 'shared'}, scope: {{on_change: {on_change}}}"
        lines += [f"  - name: {path[1:]}", f"    match: {{path: {path}, strip_prefix: {path}}}"]
        lines += [f"    upstream: {{url: '{url}'}}", f"    policy: {{{policy}}}"]
    return "\n".join(lines)


def plays(logged: Logged, number: int) -> Play:
    """Each answer names its own execution, so that whose it is can be seen."""
    return Play(answer(201, b"execution %d" % number, ("X-Execution", str(number))), then="keep")


def ask(stage: Stage, key: str, caller: tuple[tuple[str, str], ...], route: str) -> Heard:
    return stage.post(key, b'{"amount": 1}', *caller, target=f"{route}/charges")


@pytest.mark.parametrize("on_change", ["refuse", "separate"])
def test_no_pair_of_callers_shares_an_answer_on_any_pair_of_routes(
    upstream: Upstream, tmp_path: Path, on_change: str
) -> None:
    upstream.by_key = plays
    text = configuration(f"http://127.0.0.1:{upstream.port}", on_change)
    with playing(upstream, "memory:", tmp_path, text) as stage:
        judge(stage, on_change, CALLERS)


@pytest.mark.parametrize("on_change", ["refuse", "separate"])
def test_no_pair_of_known_callers_shares_an_answer_on_any_pair_of_routes(
    upstream: Upstream, tmp_path: Path, on_change: str
) -> None:
    upstream.by_key = plays
    with playing(upstream, "memory:", tmp_path, with_callers(upstream, on_change)) as stage:
        judge(stage, on_change, KNOWN_CALLERS)


# Whatever the edge tells apart, a store, what stands in front of it and what is kept in the process tell apart too.
FEW = ("nobody as {}", "A as {}")


@pytest.mark.parametrize(
    ("begin", "on_change"),
    [
        ("sqlite", "refuse"),
        ("postgres", "separate"),
        ("redis", "separate"),
        ("tiered", "refuse"),
        ("tiered", "separate"),
    ],
    indirect=["begin"],
)
def test_no_store_tells_a_caller_the_answer_of_another(begin: Begin, upstream: Upstream, on_change: str) -> None:
    upstream.by_key = plays
    names = [name.format(key) for key, name in product(KNOWN, FEW)]
    judge(begin(with_callers(upstream, on_change)), on_change, {name: KNOWN_CALLERS[name] for name in names})


def with_callers(upstream: Upstream, on_change: str) -> str:
    digests = (key_digest(key.encode()).hex() for key in KNOWN)
    known = [f"  - {{name: caller-{number}, key: 'sha256:{digest}'}}" for number, digest in enumerate(digests)]
    return "\n".join([configuration(f"http://127.0.0.1:{upstream.port}", on_change), "callers:", *known])


def judge(stage: Stage, on_change: str, callers: Mapping[str, tuple[tuple[str, str], ...]]) -> None:
    for number, ((first, second), (here, there)) in enumerate(
        product(permutations(callers, 2), product(ROUTES, ROUTES))
    ):
        key = f"key-{number}"
        mine = ask(stage, key, callers[first], here)
        other = ask(stage, key, callers[second], there)
        assert mine.told == "201 executed"
        assert other.body != mine.body, f"{second} on {there} got the answer of {first} on {here}"
        assert other.get("x-execution") != mine.get("x-execution")
        shared = on_change == "refuse" and (here == "/apart") == (there == "/apart")
        assert other.told == ("409 mismatch caller-changed" if shared else "201 executed")
        assert ask(stage, key, callers[first], here).body == mine.body, "whose retry is still answered"
        again = ask(stage, key, callers[second], there)
        assert again.body != mine.body, f"{second} on {there} got the replay of {first} on {here}"
        assert again.told == ("409 mismatch caller-changed" if shared else "201 replayed")
