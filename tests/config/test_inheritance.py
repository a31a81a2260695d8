"""A route's policy lies over the one for all, field by field, and both over the defaults."""

from datetime import timedelta
from pathlib import Path

from gateway.policies.policy import Policy, UpstreamKeyMode
from gateway.protocol.key import KeyForm
from gateway.protocol.model import BodyForm
from gateway.protocol.terms import OnStoreDown
from tests.config.reading import ROUTE, loaded, policy_of


def _policy(folder: Path, general: str, special: str) -> Policy:
    return loaded(folder, f"policy: {general}\n{ROUTE}    policy: {special}\n").routes.routes[0].policy


def test_what_the_route_does_not_set_comes_from_the_policy_for_all(tmp_path: Path) -> None:
    policy = _policy(tmp_path, "{on_store_down: pass, methods: [PUT]}", "{methods: [DELETE]}")
    assert policy.terms.on_store_down is OnStoreDown.PASS
    assert policy.methods == frozenset({"DELETE"})


def test_nested_parts_are_laid_over_each_other_setting_by_setting(tmp_path: Path) -> None:
    policy = _policy(
        tmp_path,
        "{retention: {response: 1h, key: 2h}, key: {header: X-Key, min_length: 3}, fingerprint: {body: json}}",
        "{retention: {key: 3h}, key: {max_length: 9}, fingerprint: {exclude: [/a]}}",
    )
    kept = policy.retention
    assert (kept.response, kept.key, kept.unknown) == (timedelta(hours=1), timedelta(hours=3), timedelta(days=90))
    assert (policy.key.header, policy.key.shortest, policy.key.longest) == ("x-key", 3, 9)
    assert (policy.recipe.body, policy.recipe.exclude) == (BodyForm.JSON, ("/a",))


def test_a_list_replaces_the_list_for_all(tmp_path: Path) -> None:
    policy = _policy(tmp_path, "{scope: {headers: [X-A]}, not_executed_statuses: [429]}", "{scope: {headers: [X-B]}}")
    assert policy.recipe.scope == ("x-b",)
    assert policy.terms.not_executed == frozenset({429})


def test_a_value_equal_to_the_default_is_still_set_by_the_route(tmp_path: Path) -> None:
    policy = _policy(tmp_path, "{key: {required: true, min_length: 9}}", "{key: {required: false, min_length: 1}}")
    assert (policy.key.required, policy.key.shortest) == (False, 1)


def test_nothing_behind_a_colon_leaves_the_setting_as_it_is_for_all(tmp_path: Path) -> None:
    policy = _policy(tmp_path, "{methods: [PUT], retention: {key: 2h}}", "{methods: , retention: {key: }, keep: }")
    assert (policy.methods, policy.retention.key) == (frozenset({"PUT"}), timedelta(hours=2))


def test_the_mode_in_one_word_leaves_the_rest_of_the_upstream_key_as_it_is_for_all(tmp_path: Path) -> None:
    policy = _policy(tmp_path, "{upstream_key: {header: X-Up, form: quoted}}", "{upstream_key: derive}")
    told = policy.upstream_key
    assert (told.mode, told.header, told.form) == (UpstreamKeyMode.DERIVE, "X-Up", KeyForm.QUOTED)


def test_retention_for_all_counts_for_a_derived_key_too(tmp_path: Path) -> None:
    policy = _policy(tmp_path, "{retention: {key: 1h}}", "{key: {derive: fingerprint}}")
    assert (policy.retention.response, policy.retention.key) == (timedelta(minutes=5), timedelta(hours=1))


def test_an_empty_policy_is_that_of_no_policy(tmp_path: Path) -> None:
    assert policy_of(tmp_path, "{}") == loaded(tmp_path, ROUTE).routes.routes[0].policy
