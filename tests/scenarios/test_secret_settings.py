"""Every setting that holds a secret, with a canary in it: none is shown, whatever is asked, and whatever goes wrong."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from ruamel.yaml import YAML

from gateway.cli.main import main
from gateway.config.load import load, schema
from gateway.config.settings import Settings
from gateway.config.shapes import Shape
from tests.process import serving
from tests.stage import call

CANARY = "canary-9c41e7"
PROXY = f"http://gateway:{CANARY}-of-the-proxy@127.0.0.1:1"

# As it stands, and as it goes out to a proxy.
SHOWN = (CANARY, base64.b64encode(f"gateway:{CANARY}-of-the-proxy".encode()).decode())

RECONCILE = {
    "request": {"path": "/charges/{key}", "headers": {"Authorization": f"Bearer {CANARY}-of-a-question"}},
    "rules": [{"found": {"where": [{"pointer": "/key", "equals": "{key}"}]}}, {"not_found": {}}],
}
TREE: dict[str, Any] = {
    "listen": "127.0.0.1:0",
    "admin": {
        "listen": "127.0.0.1:0",
        "tokens": [
            {"name": "on-call", "role": "settle", "token": f"{CANARY}-of-on-call"},
            {"name": "dashboard", "role": "read", "token": f"{CANARY}-of-the-dashboard"},
        ],
    },
    "store": {
        "postgres": f"postgresql://gateway:{CANARY}@127.0.0.1:1/gateway",
        "redis": f"redis://gateway:{CANARY}@127.0.0.1:1/0",
    },
    "limits": {"redis": f"redis://limits:{CANARY}@127.0.0.1:1/0", "refusals": "600/m"},
    "digest": {"keys": [f"{CANARY}-of-digests", f"{CANARY}-of-digests-2"]},
    "encryption": {"keys": [f"{CANARY}-of-records", f"{CANARY}-of-records-2"]},
    "log": {"level": "debug", "calls": {"sample": 1}},
    "policy": {"on_unknown": "reconcile", "reconcile": RECONCILE},
    "routes": [
        {
            "name": "api",
            "upstream": {
                "url": "http://upstream.invalid",
                "headers": {"set": {"X-Api-Key": f"{CANARY}-of-the-api"}},
                "proxy": PROXY,
            },
            "policy": {"reconcile": RECONCILE},
        }
    ],
}

OF_QUESTIONS = ("policy", "reconcile", "request", "headers", "Authorization")

# Each setting that holds one: where it stands, and one that it holds in the tree. A field's name is none.
SECRETS: dict[str, tuple[str | int, ...]] = {
    "admin.tokens.token": ("admin", "tokens", 0, "token"),
    "digest.key": ("digest", "key"),
    "digest.keys": ("digest", "keys"),
    "encryption.keys": ("encryption", "keys"),
    "limits.redis": ("limits", "redis"),
    "policy.reconcile.request.headers": OF_QUESTIONS,
    "routes.policy.reconcile.request.headers": ("routes", 0, *OF_QUESTIONS),
    "routes.upstream.headers.set": ("routes", 0, "upstream", "headers", "set", "X-Api-Key"),
    "routes.upstream.proxy": ("routes", 0, "upstream", "proxy"),
    "store.postgres": ("store", "postgres"),
    "store.redis": ("store", "redis"),
}

# Wrong in each of these places, whatever is wanted there.
WRONG: list[Any] = [
    {"x": {"y": CANARY}},
    [[CANARY]],
    {CANARY: [CANARY]},
    [{"x": CANARY}],
    f"\n{CANARY}\n",
    f"ftp://u:{CANARY}@h\x01",
    f"file://{CANARY}",
]


def written(folder: Path, tree: dict[str, Any]) -> Path:
    file = folder / "gateway.yaml"
    with file.open("w") as out:
        YAML().dump(tree, out)
    return file


def copied(tree: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(tree))
    return found


def hidden(shape: type[Shape], place: tuple[str, ...] = ()) -> Iterator[str]:
    """Where a setting stands that is not shown in a repr."""
    for name, field in shape.model_fields.items():
        if not field.repr:
            yield ".".join((*place, name))
        for inner in shapes_in(field.annotation):
            yield from hidden(inner, (*place, name))


def shapes_in(annotation: object) -> Iterator[type[Shape]]:
    if isinstance(annotation, type) and issubclass(annotation, Shape):
        yield annotation
    for part in get_args(annotation):
        yield from shapes_in(part)


def clean(text: str) -> bool:
    return not any(canary in text for canary in SHOWN)


def test_the_settings_with_a_canary_are_all_that_hold_a_secret() -> None:
    assert set(hidden(Settings)) == set(SECRETS)


def test_neither_a_configuration_nor_a_part_of_it_shows_a_secret(tmp_path: Path) -> None:
    chosen = load(written(tmp_path, TREE), {}, {})
    (route,) = chosen.routes.routes
    parts = (chosen, route, route.target, route.policy, chosen.store, chosen.limits, *chosen.admin_tokens)
    assert all(clean(shown) for part in parts for shown in (repr(part), str(part)))
    assert clean(repr(Settings.model_validate(TREE)))
    assert clean(json.dumps(schema()))


@pytest.mark.parametrize("place", SECRETS)
def test_no_complaint_about_a_secret_shows_it(place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, wrong in enumerate(WRONG):
        tree = copied(TREE)
        node: Any = tree
        for step in SECRETS[place][:-1]:
            node = node[step]
        node[SECRETS[place][-1]] = wrong
        for verb in ("check", "serve")[: 1 if number else 2]:
            with pytest.raises(SystemExit) as ended:
                main([verb, "--config", str(written(tmp_path, tree))])
            told = capsys.readouterr()
            assert (ended.value.code, clean(told.out + told.err)) == (2, True), (wrong, told)


@pytest.mark.parametrize("command", [["serve"], ["migrate"], ["migrate", "--check"], ["sweep"]])
def test_a_command_that_does_not_reach_its_store_shows_no_secret(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--config", str(written(tmp_path, TREE))])
    told = capsys.readouterr()
    assert ended.value.code != 0
    assert "127.0.0.1:1" in told.out + told.err
    assert clean(told.out + told.err)


def test_a_gateway_that_runs_shows_no_secret_to_whoever_asks_and_in_no_line(tmp_path: Path) -> None:
    tree: dict[str, Any] = {
        **copied(TREE),
        "store": {"sqlite": str(tmp_path / "gateway.db")},
        "digest": {"key": f"{CANARY}-digests"},
    }
    tokens = [None, "of somebody", *(each["token"] for each in tree["admin"]["tokens"])]
    told = ""
    with serving("--config", str(written(tmp_path, tree)), folder=tmp_path) as served:
        for number in range(2):
            heard = call(served.port, "POST", "/charges", [("Idempotency-Key", f"key-{number}")], b"{}")
            assert heard.told == "503 not-executed upstream-unreachable"
            told += repr(heard)
        told += repr(call(served.port, "GET", "/.well-known/idempotency", [], None))
        for token in tokens:
            shown = [] if token is None else [("Authorization", f"Bearer {token}")]
            for path in (
                "/",
                "/api/keys",
                "/api/stats",
                "/openapi.json",
                "/docs",
                "/metrics",
                "/readyz",
                "/api/keys/x",
            ):
                told += repr(call(served.admin_port, "GET", path, shown, None))
            told += repr(call(served.admin_port, "POST", "/api/reseal", shown, b"{}"))
        assert served.stop() == 0
        told += json.dumps(served.logged())
    assert "not-sent" in told
    assert clean(told)
    written_down = b"".join(file.read_bytes() for file in tmp_path.glob("gateway.db*"))
    assert not any(canary.encode() in written_down for canary in SHOWN)
