"""What a good configuration becomes: exactly the frozen values of the core."""

import json
import re
from dataclasses import FrozenInstanceError
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gateway.config.configuration import AdminToken, Configuration, ReplayCache, Role, StoreChoice
from gateway.config.load import check, schema
from gateway.config.units import Address
from gateway.policies.added import Added
from gateway.policies.callers import Limits
from gateway.policies.downstream import CallLimits, Downstream, Patience
from gateway.policies.policy import KeyRule, KeySource, OnChange, Policy, UpstreamKey, UpstreamKeyMode
from gateway.policies.routing import Match, Route, RouteTable, Target, Timeouts, Tls
from gateway.protocol.key import KeyForm
from gateway.protocol.model import BodyForm, Recipe, Retention
from gateway.protocol.terms import OnStoreDown, OnUnknown, Terms
from tests.config.reading import ROUTE, file, loaded, policy_of

EXAMPLE = """
listen: {{address: 0.0.0.0:8080, tls: {{certificate: file://{folder}/certificate, key: file://{folder}/key}}}}
admin:
  listen: 127.0.0.1:8081
  tokens:
    - {{name: on-call, role: settle, token: file://{folder}/admin-token}}
    - {{name: dashboard, role: read, token: a-token-of-the-dashboard}}
downstream:
  timeout: {{head: 5s, body: 30s, total: 10m, answer: 1m, idle: 65s}}
  least_rate: 512B
  max_connections: 500
  max_calls: 200
store:
  sqlite: ./idempotency-gateway.db
replay_cache: {{max_bytes: 8MiB, max_age: 5s}}
digest:
  key: file://{folder}/digest-key
encryption:
  keys: [file://{folder}/record-key-2, file://{folder}/record-key-1]
shutdown_grace: 95s
problem_base_url: https://pay.example.com/problems/
public_url: https://pay.example.com
workers: 3
log: {{format: json, level: warning}}
policy:
  retention: {{response: 12h}}
  key: {{min_length: 8}}
  on_store_down: pass
routes:
  - name: stripe
    match: {{host: Stripe.pay.internal, path: /v1/, methods: [POST], strip_prefix: ""}}
    upstream:
      url: https://api.stripe.com
      timeout: {{connect: 5s, response: 80s, total: 90s}}
      keep_alive: 1s
      tls: {{ca: file://{folder}/ca, certificate: file://{folder}/certificate, key: file://{folder}/key}}
      headers: {{set: {{Stripe-Version: "2026-09-30"}}, remove: [X-Internal]}}
      forwarded: false
      refuse_private_addresses: true
    policy:
      key: {{header: Stripe-Key, required: true}}
      retention: {{key: 60d}}
    calls: {{max: 100, per_caller: 10}}
  - name: messages
    match: {{path: /sms/, strip_prefix: /sms, ambiguous_paths: pass}}
    upstream: {{url: "http://[::1]:8000/api/", timeout: {{total: 20s}}, max_connections: 4, forwarded: true}}
    policy:
      methods: [POST]
      namespace: sms
      key: {{body: /message_id}}
      scope: {{headers: [X-Tenant], on_change: separate}}
      fingerprint: {{body: json, exclude: [/sent_at], headers: []}}
      on_unknown: fail
      not_executed_statuses: [429]
      keep: {{body: never}}
      request: {{max_body: 64KiB}}
      upstream_key: {{mode: derive, header: X-Message-Key, form: quoted}}
"""


@pytest.fixture
def example(tmp_path: Path) -> str:
    (tmp_path / "admin-token").write_text("a-token-of-whoever-is-on-call\n")
    for name in ("digest-key", "record-key-1", "record-key-2", "ca", "certificate", "key"):
        (tmp_path / name).write_text(f"{name} text\n")
    (tmp_path / "digest-key").write_text("digest-key as text\n")
    return EXAMPLE.format(folder=tmp_path)


def test_a_full_configuration_becomes_exactly_these_values(tmp_path: Path, example: str) -> None:
    stripe = Route(
        name="stripe",
        match=Match("stripe.pay.internal", "/v1/", frozenset({"POST"})),
        target=Target(
            scheme="https",
            host="api.stripe.com",
            port=443,
            tls=Tls(f"{tmp_path}/ca", f"{tmp_path}/certificate", f"{tmp_path}/key"),
            added=Added(((b"Stripe-Version", b"2026-09-30"),)),
            remove_headers=frozenset({b"x-internal"}),
            refuse_private_addresses=True,
        ),
        policy=Policy(
            namespace="https://api.stripe.com",
            key=KeyRule(header="stripe-key", required=True, shortest=8),
            terms=Terms(on_store_down=OnStoreDown.PASS),
            retention=Retention(timedelta(hours=12), timedelta(days=60), timedelta(days=90)),
            upstream_key=UpstreamKey(header="Stripe-Key"),
        ),
        calls=CallLimits(100, 10),
    )
    messages = Route(
        name="messages",
        match=Match(path="/sms/", strip_prefix="/sms", ambiguous_paths=True),
        target=Target(
            scheme="http",
            host="::1",
            port=8000,
            base_path="/api",
            timeouts=Timeouts(response=timedelta(seconds=20), total=timedelta(seconds=20)),
            max_connections=4,
            forwarded=True,
        ),
        policy=Policy(
            methods=frozenset({"POST"}),
            namespace="sms",
            key=KeyRule(KeySource.BODY, pointer="/message_id", shortest=8),
            on_change=OnChange.SEPARATE,
            recipe=Recipe(BodyForm.JSON, ("/sent_at",), (), ("x-tenant",)),
            terms=Terms(frozenset({429}), frozenset(), on_unknown=OnUnknown.FAIL, on_store_down=OnStoreDown.PASS),
            retention=Retention(timedelta(hours=12), timedelta(days=30), timedelta(days=90)),
            keep_body=False,
            max_request_body=64 * 1024,
            upstream_key=UpstreamKey(UpstreamKeyMode.DERIVE, "X-Message-Key", KeyForm.QUOTED),
        ),
    )
    assert loaded(tmp_path, example) == Configuration(
        listen=Address("0.0.0.0", 8080),
        listen_tls=Tls(None, f"{tmp_path}/certificate", f"{tmp_path}/key"),
        admin_listen=Address("127.0.0.1", 8081),
        admin_tokens=(
            AdminToken("on-call", Role.SETTLE, b"a-token-of-whoever-is-on-call", f"{tmp_path}/admin-token"),
            AdminToken("dashboard", Role.READ, b"a-token-of-the-dashboard"),
        ),
        downstream=Downstream(
            Patience(
                head=timedelta(seconds=5),
                body=timedelta(seconds=30),
                total=timedelta(minutes=10),
                answer=timedelta(minutes=1),
                idle=timedelta(seconds=65),
                least_rate=512,
            ),
            max_connections=500,
            max_calls=200,
        ),
        entry=None,
        limits=Limits(),
        store=StoreChoice("sqlite", "./idempotency-gateway.db"),
        replay_cache=ReplayCache(8 * 1024 * 1024, timedelta(seconds=5)),
        digest_keys=(b"digest-key as text",),
        encryption_keys=(b"record-key-2 text", b"record-key-1 text"),
        shutdown_grace=timedelta(seconds=95),
        shutdown_delay=timedelta(0),
        routes=RouteTable([stripe, messages]),
        problem_base_url="https://pay.example.com/problems/",
        public_url="https://pay.example.com",
        workers=3,
        log_format="json",
        log_level="warning",
    )
    assert check(file(tmp_path, example), {}) == ()


def test_one_route_is_enough_and_everything_else_has_the_defaults_of_the_core(tmp_path: Path) -> None:
    namespace = "http://u"
    assert loaded(tmp_path, ROUTE) == Configuration(
        listen=Address("127.0.0.1", 8080),
        listen_tls=None,
        admin_listen=Address("127.0.0.1", 8081),
        admin_tokens=(),
        downstream=Downstream(),
        entry=None,
        limits=Limits(),
        store=StoreChoice("sqlite", "idempotency-gateway.db"),
        replay_cache=ReplayCache(32 * 1024 * 1024, timedelta(seconds=10)),
        digest_keys=(None,),
        encryption_keys=(),
        shutdown_grace=timedelta(seconds=95),
        shutdown_delay=timedelta(0),
        routes=RouteTable([Route("a", Match(), Target("http", "u", 80), Policy(namespace=namespace))]),
        problem_base_url=None,
        public_url=None,
        workers=1,
        log_format=None,
        log_level="info",
    )


def test_a_configuration_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(loaded(tmp_path, ROUTE), "log_level", "debug")  # noqa: B010 - what the type checker forbids


def test_the_grace_outlasts_the_longest_call_where_it_is_not_set(tmp_path: Path) -> None:
    slow = "  - {name: b, match: {host: h}, upstream: {url: 'http://u', timeout: {total: 10m}}}\n"
    text = "routes:\n" + slow + ROUTE.removeprefix("routes:\n")
    assert loaded(tmp_path, text).shutdown_grace == timedelta(minutes=10, seconds=5)


def test_a_key_derived_from_content_is_remembered_for_minutes_unless_its_retention_is_set(tmp_path: Path) -> None:
    derived = policy_of(tmp_path, "key: {derive: fingerprint}")
    assert derived.key.source is KeySource.FINGERPRINT
    assert (derived.retention.response, derived.retention.key) == (timedelta(minutes=5), timedelta(0))
    chosen = policy_of(tmp_path, "key: {derive: fingerprint}\nretention: {key: 1h}")
    assert (chosen.retention.response, chosen.retention.key) == (timedelta(minutes=5), timedelta(hours=1))


def test_one_word_is_the_mode_of_the_upstream_key(tmp_path: Path) -> None:
    assert policy_of(tmp_path, "upstream_key: drop").upstream_key.mode is UpstreamKeyMode.DROP


def test_the_schema_has_a_place_for_everything_in_the_example_and_closes_every_mapping(
    tmp_path: Path, example: str
) -> None:
    described = schema()
    assert described["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    json.dumps(described)
    tree = YAML(typ="safe", pure=True).load(example)
    _fits(tree, described, described, "")


def test_every_setting_in_the_schema_has_a_reason_and_a_default_that_is_written_as_people_write_it() -> None:
    described = schema()
    for name, part in [("Settings", described), *described["$defs"].items()]:
        if "properties" not in part:
            continue
        assert part["additionalProperties"] is False, name
        for setting, shape in part["properties"].items():
            # A description that a part has itself is not repeated where the part stands.
            standing = described["$defs"].get(shape.get("$ref", "").rpartition("/")[2], shape)
            assert shape.get("description") or standing.get("description"), f"{name}.{setting}"
            if shape.get("default") is not None:
                _fits(shape["default"], shape, described, f"{name}.{setting}")


def _fits(value: Any, shape: dict[str, Any], whole: dict[str, Any], where: str) -> None:  # noqa: ANN401 - any YAML value
    """The part of JSON Schema that the configuration's schema uses."""
    if "$ref" in shape:
        return _fits(value, whole["$defs"][shape["$ref"].rpartition("/")[2]], whole, where)
    if "anyOf" in shape:
        kinds = {"string": str, "object": dict, "array": list, "integer": int, "boolean": bool, "null": type(None)}
        parts = [whole["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part for part in shape["anyOf"]]
        part = next((part for part in parts if isinstance(value, kinds[part.get("type", "boolean")])), None)
        assert part is not None, where
        return _fits(value, part, whole, where)
    if isinstance(value, dict):
        known = shape.get("properties")
        for name, child in value.items():
            below = known[name] if known is not None else next(iter(shape["patternProperties"].values()))
            _fits(child, below, whole, f"{where}.{name}")
    elif isinstance(value, list):
        for index, child in enumerate(value):
            _fits(child, shape["items"], whole, f"{where}.{index}")
    else:
        assert value in shape.get("enum", [value]), where
        assert not isinstance(value, str) or re.search(shape.get("pattern", ""), value), where
    return None
