"""Which store a configuration names, how it may be written, and that a password in it shows nowhere."""

from pathlib import Path

import pytest

from gateway.config.configuration import StoreChoice
from gateway.config.load import schema, store_choice
from gateway.errors import ConfigInvalid
from gateway.wiring.stores import store_name
from tests.config.reading import ROUTE, loaded, said

URL = "redis://shop:canary@redis:6379/2"


def test_a_redis_is_written_as_its_url_or_as_the_file_that_holds_it(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"{URL}\n")
    for written in (
        f"store: {{redis: '{URL}'}}\n",
        f"store: {{redis: 'file://{tmp_path}/url'}}\n",
        f"store: '{URL}'\n",
        f"store: ['{URL}']\n",
    ):
        assert loaded(tmp_path, written + ROUTE).store == StoreChoice("redis", "", URL)
    environ = {"IDEMPOTENCY_GATEWAY_STORE__REDIS": URL}
    assert loaded(tmp_path, ROUTE, environ=environ).store == StoreChoice("redis", "", URL)
    assert store_choice([URL]) == StoreChoice("redis", "", URL)


@pytest.mark.parametrize(
    "url",
    ["redis://r", "rediss://r?ca=/ca.pem", "redis+sentinel://a,b/shop", "rediss+sentinel://a/s", "redis+unix:///s"],
)
def test_every_form_of_a_redis_is_a_store(url: str) -> None:
    assert store_choice([url]) == StoreChoice("redis", "", url)


def test_a_password_is_in_no_repr_no_name_and_no_schema(tmp_path: Path) -> None:
    configuration = loaded(tmp_path, f"store: {{redis: '{URL}'}}\n{ROUTE}")
    assert "canary" not in repr(configuration)
    assert store_name(configuration.store) == "redis redis:6379 db 2"
    assert "redis" in schema()["$defs"]["StoreSettings"]["properties"]


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("store: {redis: 'http://canary'}\n", "1:9: store.redis: must begin with redis://"),
        ("store: {redis: 'file:///nowhere/canary-not'}\n", "1:9: store.redis: names '/nowhere/canary-not'"),
        (f"store: {{redis: '{URL}', sqlite: a.db}}\n", "1:1: store: names 2 stores: sqlite and redis; keep one"),
        (f"store: {{redis: '{URL}', memory: true}}\n", "1:1: store: names 2 stores: memory and redis; keep one"),
        (f"store: ['{URL}', '{URL}']\n", "names two redis stores; keep one"),
    ],
)
def test_what_names_no_redis_or_more_than_one_store_is_a_complaint_without_the_url(
    tmp_path: Path, written: str, sentence: str
) -> None:
    (complaint,) = said(tmp_path, written + ROUTE)
    assert sentence in complaint
    assert "shop:canary" not in complaint
    assert "http://canary" not in complaint


@pytest.mark.parametrize(
    ("url", "name"), [("postgresql://me:canary@db/x", "postgres"), ("rediss://:canary@r/0", "redis")]
)
def test_the_url_of_a_store_may_stand_in_a_file_wherever_a_url_is_given(tmp_path: Path, url: str, name: str) -> None:
    held = tmp_path / "store-url"
    held.write_text(f"{url}\n")
    choice = store_choice([f"file://{held}"])
    assert (choice.kind, choice.url) == (name, url)


@pytest.mark.parametrize("content", ["canary", "mysql://canary@db/x", "sqlite:///canary.db"])
def test_a_file_that_holds_no_url_is_named_and_not_what_it_holds(tmp_path: Path, content: str) -> None:
    held = tmp_path / "store-url"
    held.write_text(content)
    with pytest.raises(ConfigInvalid) as refused:
        store_choice([f"file://{held}"])
    assert str(refused.value) == f"option --store: store: the file {held} holds no postgresql:// or redis:// URL"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:canary@db:notaport/x",
        "postgresql://me:canary@one:5432,two:70000/x",
        "redis://:canary@redis:x/0",
        "redis+sentinel://one:26379,two:0/main/0",
        "postgresql://me:ca/nary@db/x",
    ],
)
def test_a_port_that_is_none_is_a_complaint_that_repeats_no_url(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        store_choice([url])
    assert "has a port that is no number from 1 to 65535" in str(refused.value)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["postgresql://me@[::1]:5432/x", "postgresql://me@[::1]/x", "postgresql://one,two:5433/x", "postgresql:///x"]
)
def test_hosts_may_be_several_or_none_and_have_brackets(url: str) -> None:
    assert store_choice([url]).url == url
