"""The examples of ``reconcile``, each against an API that behaves as it says: from a lost answer to the truth."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gateway.config.load import check
from tests.docs.pages import with_secrets
from tests.docs.sample_apis import ListByKey, LookUpByReference, SampleApi, SearchByMetadata
from tests.stage import Heard, Stage, playing_file
from tests.upstream import Upstream

FOLDER = Path(__file__).parents[2] / "examples" / "reconcile"
APIS: dict[str, type[SampleApi]] = {
    "search-by-metadata": SearchByMetadata,
    "look-up-by-reference": LookUpByReference,
    "list-by-key": ListByKey,
}
DEADLINE = 30.0


def test_every_example_has_its_api() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == set(APIS)


@pytest.mark.parametrize("name", APIS)
def test_an_example_is_a_good_configuration(tmp_path: Path, name: str) -> None:
    file = tmp_path / "example.yaml"
    file.write_text(with_secrets((FOLDER / f"{name}.yaml").read_text(), tmp_path))
    assert check(file, {}) == ()


def shortened(name: str, upstream: Upstream, folder: Path) -> Path:
    """The example as it is, but for where its upstream is and how long everything takes."""
    tree: dict[str, Any] = YAML(typ="safe").load(with_secrets((FOLDER / f"{name}.yaml").read_text(), folder))
    (route,) = tree["routes"]
    route["match"].pop("host")
    route["upstream"] = {
        "url": f"http://127.0.0.1:{upstream.port}",
        "timeout": {"connect": "1500ms", "response": "1500ms", "total": "1500ms"},
    }
    route["policy"]["reconcile"] |= {"quiet_period": "1500ms", "pause": {"first": "20ms", "longest": "50ms"}}
    tree |= {"listen": "127.0.0.1:0", "admin": {"listen": "127.0.0.1:0"}, "store": {"sqlite": str(folder / "g.db")}}
    file = folder / "example.yaml"
    with file.open("w") as out:
        YAML().dump(tree, out)
    return file


def charge(stage: Stage, api: SampleApi, order: str) -> Heard:
    body, fields = api.request(order)
    return stage.post(order, body, *fields, target=api.target)


def until(stage: Stage, api: SampleApi, told: str) -> Heard:
    end = time.monotonic() + DEADLINE
    while (heard := charge(stage, api, "order-4711")).told != told:
        assert heard.told == "409 unknown outcome-unknown", heard
        assert heard.get("retry-after") is not None
        assert time.monotonic() < end, heard
    return heard


@pytest.mark.parametrize("name", APIS)
def test_with_an_example_a_lost_answer_is_found_and_a_lost_call_is_freed(
    upstream: Upstream, tmp_path: Path, name: str
) -> None:
    api = APIS[name](upstream)
    with playing_file(upstream, shortened(name, upstream, tmp_path), {}) as stage:
        # Another call, of which there is something to be found that is not this one's.
        other = charge(stage, api, "order-4712")
        assert other.told == "200 executed"
        api.loses = True
        assert charge(stage, api, "order-4711").told == "502 unknown outcome-unknown"
        found = until(stage, api, "200 replayed")
        assert api.executed == 2
        assert json.loads(found.body).keys() == json.loads(other.body).keys(), "what the API answers such a call with"
        assert b"4711" in found.body
        assert found.get("content-type") == "application/json"
    assert upstream.count("order-4711") == 1


@pytest.mark.parametrize("name", APIS)
def test_with_an_example_a_call_that_never_arrived_is_freed_and_the_next_one_executed(
    upstream: Upstream, tmp_path: Path, name: str
) -> None:
    api = APIS[name](upstream)
    with playing_file(upstream, shortened(name, upstream, tmp_path), {}) as stage:
        assert charge(stage, api, "order-4712").told == "200 executed"
        api.loses = False
        assert charge(stage, api, "order-4711").told == "502 unknown outcome-unknown"
        executed = until(stage, api, "200 executed")
        assert b"4711" in executed.body
        assert charge(stage, api, "order-4711").told == "200 replayed"
        assert api.executed == 2
