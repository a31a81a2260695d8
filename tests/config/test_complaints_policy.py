"""What is said of each setting of a policy by itself, and where."""

from pathlib import Path

import pytest

from tests.config.reading import cases, of_policy, said

SETTINGS = {
    "there is no such setting; did you mean methods?": [
        ("mehtods: [POST]", "5:7: routes.0.policy.mehtods"),
    ],
    "must be a list, such as [a, b]": [
        ("methods: POST", "5:7: routes.0.policy.methods"),
        ("scope: {headers: X}", "5:15: routes.0.policy.scope.headers"),
        ("unknown_statuses: 500", "5:7: routes.0.policy.unknown_statuses"),
    ],
    "must be a method in capitals, such as POST": [
        ("methods: [post]", "5:17: routes.0.policy.methods.0"),
        ("methods: [5]", "5:17: routes.0.policy.methods.0"),
    ],
    "has no effect: the gateway never carries TRACE; remove it": [
        ("methods: [POST, TRACE]", "5:23: routes.0.policy.methods.1"),
    ],
    "must not be empty; leave it out for the default": [
        ("namespace: ''", "5:7: routes.0.policy.namespace"),
    ],
    "must be text; put a number, a date or a word with a meaning of its own in quotes": [
        ("namespace: 5", "5:7: routes.0.policy.namespace"),
    ],
    "must be one line of printable text, without space around it": [
        ('namespace: "a\\tb"', "5:7: routes.0.policy.namespace"),
    ],
    "must hold settings of its own, as a mapping": [
        ("key: text", "5:7: routes.0.policy.key"),
        ("upstream_key: [drop]", "5:7: routes.0.policy.upstream_key"),
    ],
    "must be a header name, such as Idempotency-Key": [
        ("key: {header: 'a b'}", "5:13: routes.0.policy.key.header"),
        ("fingerprint: {headers: ['']}", "5:31: routes.0.policy.fingerprint.headers.0"),
        ("keep: {drop_headers: [a:]}", "5:29: routes.0.policy.keep.drop_headers.0"),
        ("upstream_key: {header: ''}", "5:22: routes.0.policy.upstream_key.header"),
    ],
    "must be a JSON Pointer, such as /id: '/' before each name, '~0' for '~', '~1' for '/'": [
        ("key: {body: id}", "5:13: routes.0.policy.key.body"),
        ("key: {body: /a~2}", "5:13: routes.0.policy.key.body"),
        ("fingerprint: {exclude: [x]}", "5:31: routes.0.policy.fingerprint.exclude.0"),
    ],
    "must be a JSON Pointer, such as /id": [
        ("key: {body: 5}", "5:13: routes.0.policy.key.body"),
    ],
    "must be fingerprint": [
        ("key: {derive: body}", "5:13: routes.0.policy.key.derive"),
    ],
    "must be true or false": [
        ("key: {required: 1}", "5:13: routes.0.policy.key.required"),
    ],
    "must be a whole number from 1 to 1024": [
        ("key: {min_length: 0}", "5:13: routes.0.policy.key.min_length"),
        ("key: {max_length: 1025}", "5:13: routes.0.policy.key.max_length"),
        ("key: {min_length: 1.0}", "5:13: routes.0.policy.key.min_length"),
        ("key: {min_length: true}", "5:13: routes.0.policy.key.min_length"),
    ],
    "must be refuse or separate": [
        ("scope: {on_change: maybe}", "5:15: routes.0.policy.scope.on_change"),
    ],
    "must be raw, json or none": [
        ("fingerprint: {body: xml}", "5:21: routes.0.policy.fingerprint.body"),
    ],
    "must be reject or wait": [
        ("on_conflict: no", "5:7: routes.0.policy.on_conflict"),
    ],
    "must be hold, retry, reconcile or fail": [
        ("on_unknown: x", "5:7: routes.0.policy.on_unknown"),
    ],
    "must be refuse or pass": [
        ("on_store_down: x", "5:7: routes.0.policy.on_store_down"),
    ],
    "must be a whole number from 200 to 599": [
        ("unknown_statuses: [100]", "5:26: routes.0.policy.unknown_statuses.0"),
        ("not_executed_statuses: [600]", "5:31: routes.0.policy.not_executed_statuses.0"),
    ],
    "must be a duration: a whole number and ms, s, m, h or d, such as 250ms, 30s, 24h or 30d": [
        ("retention: {response: 1y}", "5:19: routes.0.policy.retention.response"),
        ("retention: {key: '01h'}", "5:19: routes.0.policy.retention.key"),
    ],
    "must be always or never": [
        ("keep: {body: true}", "5:14: routes.0.policy.keep.body"),
    ],
    "must be a size: a whole number and B, KiB, MiB or GiB, such as 64KiB or 16MiB": [
        ("request: {max_body: 10MB}", "5:17: routes.0.policy.request.max_body"),
        ("request: {max_body: 1000}", "5:17: routes.0.policy.request.max_body"),
    ],
    "is larger than 1GiB, the largest body that one call may hold": [
        ("request: {max_body: 2GiB}", "5:17: routes.0.policy.request.max_body"),
        ("request: {max_body: '9999999999999999B'}", "5:17: routes.0.policy.request.max_body"),
    ],
    "there is no such setting; known here: max_body": [
        ("response: {max: 1}", "5:18: routes.0.policy.response.max"),
    ],
    "must be forward, derive or drop": [
        ("upstream_key: hash", "5:7: routes.0.policy.upstream_key.mode"),
        ("upstream_key: {mode: hash}", "5:22: routes.0.policy.upstream_key.mode"),
    ],
    "must be bare or quoted": [
        ("upstream_key: {form: x}", "5:22: routes.0.policy.upstream_key.form"),
    ],
}


@pytest.mark.parametrize(("text", "told"), cases(SETTINGS))
def test_a_setting_of_a_policy_is_told_with_its_place_and_what_to_do(
    tmp_path: Path, text: str, told: list[str]
) -> None:
    assert said(tmp_path, of_policy(text)) == told
