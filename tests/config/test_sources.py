"""Which source wins, and how each is named in a complaint: option over environment over file over default."""

from datetime import timedelta
from pathlib import Path

from gateway.config.configuration import StoreChoice
from gateway.config.load import load, store_choice, store_of
from gateway.policies.routing import Tls
from tests.config.reading import ROUTE, file, loaded, said

PREFIX = "IDEMPOTENCY_GATEWAY_"
TWO = """routes:
  - {name: a, match: {host: h}, upstream: {url: "http://u"}}
  - {name: b, upstream: {url: "http://v"}, policy: {methods: [POST]}}
"""
ADDRESS = "must be HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080"


def _env(**settings: str) -> dict[str, str]:
    return {PREFIX + name: value for name, value in settings.items()}


def test_an_option_is_stronger_than_the_environment_than_the_file_than_the_default(tmp_path: Path) -> None:
    text, environ = f"listen: 127.0.0.1:2\n{ROUTE}", _env(LISTEN="127.0.0.1:3")
    assert loaded(tmp_path, ROUTE).listen.port == 8080
    assert loaded(tmp_path, text).listen.port == 2
    assert loaded(tmp_path, text, {}, environ).listen.port == 3
    assert loaded(tmp_path, text, {"listen": "127.0.0.1:4"}, environ).listen.port == 4


def test_each_option_of_serve_has_its_setting() -> None:
    chosen = load(
        None,
        {
            "upstream": "https://u",
            "listen": "127.0.0.1:1",
            "admin_listen": "127.0.0.1:2",
            "store": ["memory:"],
            "workers": 1,
            "log_format": "json",
            "log_level": "debug",
        },
        {},
    )
    assert (chosen.listen.port, chosen.admin_listen.port, chosen.store) == (1, 2, StoreChoice("memory", ""))
    assert (chosen.log_format, chosen.log_level) == ("json", "debug")
    assert [(route.name, route.target.origin) for route in chosen.routes.routes] == [("default", "https://u")]


def test_two_underscores_go_one_step_down_and_leave_the_rest_as_it_is(tmp_path: Path) -> None:
    text = f"policy: {{retention: {{response: 1h, key: 2h}}}}\n{ROUTE}"
    environ = _env(POLICY__RETENTION__RESPONSE="3h", ADMIN__LISTEN="127.0.0.1:9", DIGEST__KEY="[text of a good key")
    chosen = loaded(tmp_path, text, {}, environ)
    retention = chosen.routes.routes[0].policy.retention
    assert (retention.response, retention.key) == (timedelta(hours=3), timedelta(hours=2))
    assert (chosen.admin_listen.port, chosen.digest_keys) == (9, (b"[text of a good key",))


def test_a_number_names_an_element_of_a_list(tmp_path: Path) -> None:
    environ = _env(ROUTES__1__UPSTREAM__URL="http://w", ROUTES__1__POLICY__METHODS__0="PUT")
    told = "is not in the list; its elements are named by number, from 0"
    first, second = loaded(tmp_path, TWO, {}, environ).routes.routes
    assert (first.target.host, second.target.host, second.policy.methods) == ("u", "w", frozenset({"PUT"}))
    for number in ("2", "-1", "x"):
        variable = f"{PREFIX}ROUTES__{number.upper()}__NAME"
        assert said(tmp_path, TWO, {}, {variable: "c"}) == [f"environment {variable}: routes.{number}.name: {told}"]


def test_a_step_below_what_is_only_a_value_is_told(tmp_path: Path) -> None:
    variable = f"{PREFIX}ROUTES__1__POLICY__METHODS__0__X"
    told = "routes.1.policy.methods.0: must be a method in capitals, such as POST"
    assert said(tmp_path, TWO, {}, {variable: "PUT"}) == [f"environment {variable}: {told}"]


def test_lists_and_mappings_are_json(tmp_path: Path) -> None:
    environ = _env(
        ROUTES='[{"name": "b", "upstream": {"url": "http://w"}}]',
        POLICY='{"methods": ["PUT"], "key": {"min_length": 9}}',
    )
    chosen = loaded(tmp_path, "policy: {key: {max_length: 10}}\n" + ROUTE, {}, environ).routes.routes
    assert [route.name for route in chosen] == ["b"]
    assert (chosen[0].policy.key.shortest, chosen[0].policy.key.longest) == (9, 10)
    assert chosen[0].policy.methods == frozenset({"PUT"})


def test_json_that_is_none_or_too_deep_is_text_which_its_setting_refuses(tmp_path: Path) -> None:
    for text in ("[", "{", "[" * 100_000, '{"a":' * 900 + "1" + "}" * 900):
        told = said(tmp_path, ROUTE, {}, _env(LOG=text))
        assert len(told) == 1
        assert told[0].startswith(f"environment {PREFIX}LOG: log")


def test_a_complaint_names_the_variable_or_the_option_that_wrote_the_setting(tmp_path: Path) -> None:
    text = f"listen: x\nadmin: {{listen: x}}\n{ROUTE}"
    assert said(tmp_path, text, {"listen": "y"}, _env(ADMIN__LISTEN="y", LOG__LEVEL="x")) == [
        f"option --listen: listen: {ADDRESS}",
        f"environment {PREFIX}ADMIN__LISTEN: admin.listen: {ADDRESS}",
        f"environment {PREFIX}LOG__LEVEL: log.level: must be debug, info, warning, error or critical",
    ]
    assert said(tmp_path, None, {"upstream": "ftp://x"}) == [
        "option --upstream: routes.0.upstream.url: must begin with http:// or https://"
    ]
    assert said(tmp_path, ROUTE, {"admin_listen": "x"}) == [f"option --admin-listen: admin.listen: {ADDRESS}"]


def test_what_kubernetes_sets_for_a_service_of_the_same_name_is_no_setting(tmp_path: Path) -> None:
    links = _env(
        PORT="tcp://10.0.0.1:80",
        SERVICE_HOST="10.0.0.1",
        SERVICE_PORT="80",
        SERVICE_PORT_HTTP_ADMIN="81",
        PORT_80_TCP="tcp://10.0.0.1:80",
        PORT_80_TCP_PROTO="tcp",
        PORT_80_TCP_PORT="80",
        PORT_80_TCP_ADDR="10.0.0.1",
    )
    assert loaded(tmp_path, ROUTE, {}, links) == loaded(tmp_path, ROUTE)


def test_a_misspelt_variable_is_told(tmp_path: Path) -> None:
    assert said(tmp_path, ROUTE, {}, _env(LISTN="x")) == [
        f"environment {PREFIX}LISTN: listn: there is no such setting; did you mean listen?"
    ]
    assert said(tmp_path, ROUTE, {}, {"UNRELATED": "x", "IDEMPOTENCY_GATEWAYS": "x"}) == []


def test_a_variable_that_is_not_text_is_told_on_one_line(tmp_path: Path) -> None:
    told = "is not text in UTF-8: it has half a character; write it anew"
    assert said(tmp_path, ROUTE, {}, _env(DIGEST__KEY="\udcff")) == [
        f"environment {PREFIX}DIGEST__KEY: digest.key: {told}"
    ]
    assert said(tmp_path, ROUTE, {}, {f"{PREFIX}A\udcff\n": "x"}) == [
        f"environment {PREFIX}A\\udcff\\n: a\\udcff\\n: {told}"
    ]


def test_another_store_by_option_replaces_the_one_of_the_file(tmp_path: Path) -> None:
    for text in ("store: {sqlite: a.db}\n", "store: sqlite:///a.db\n", "store: [sqlite:///a.db]\n"):
        assert loaded(tmp_path, text + ROUTE).store == StoreChoice("sqlite", "a.db")
        assert loaded(tmp_path, text + ROUTE, {"store": ["memory:"]}).store == StoreChoice("memory", "")
    assert loaded(tmp_path, f"store: [5]\n{ROUTE}", {"store": ["sqlite:////b.db"]}).store == StoreChoice(
        "sqlite", "/b.db"
    )


def test_a_command_that_needs_only_a_store_reads_only_a_store(tmp_path: Path) -> None:
    assert store_choice(["sqlite:///x.db"]) == StoreChoice("sqlite", "x.db")
    assert store_of(None, {}) == StoreChoice()
    assert store_of(None, _env(STORE="memory:")) == StoreChoice("memory", "")
    assert store_of(file(tmp_path, f"store: 'memory:'\n{ROUTE}"), {}) == StoreChoice("memory", "")


TLS = "listen: {address: 127.0.0.1:1, tls: {certificate: file:///dev/null, key: file:///dev/zero}}\n"


def test_an_address_from_nearer_by_never_takes_the_listeners_tls_away(tmp_path: Path) -> None:
    for options, environ in (
        ({"listen": "127.0.0.1:2"}, {}),
        ({}, {"IDEMPOTENCY_GATEWAY_LISTEN": "127.0.0.1:2"}),
    ):
        found = loaded(tmp_path, TLS + ROUTE, options, environ)
        assert (found.listen.port, found.listen_tls) == (2, Tls(None, "/dev/null", "/dev/zero"))


def test_tls_from_nearer_by_leaves_the_address_as_it_was(tmp_path: Path) -> None:
    files = {"CERTIFICATE": "file:///dev/null", "KEY": "file:///dev/zero"}
    environ = {f"IDEMPOTENCY_GATEWAY_LISTEN__TLS__{name}": value for name, value in files.items()}
    found = loaded(tmp_path, f"listen: 127.0.0.1:3\n{ROUTE}", {}, environ)
    assert (found.listen.port, found.listen_tls) == (3, Tls(None, "/dev/null", "/dev/zero"))
