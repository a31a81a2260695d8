"""What is said of settings of a policy that contradict each other, or have no effect."""

from pathlib import Path

import pytest

from tests.config.reading import cases, of_policy, said

RULES = {
    "holds 201, by which an upstream says that it did execute the call; remove it": [
        ("not_executed_statuses: [429, 201]", "5:7: routes.0.policy.not_executed_statuses"),
    ],
    "is a second source of the key; keep key.derive or key.body": [
        ("key: {body: /id, derive: fingerprint}", "5:24: routes.0.policy.key.derive"),
    ],
    "has no effect: with key.body the key is in the body; keep one of them": [
        ("key: {body: /id, header: X}", "5:24: routes.0.policy.key.header"),
    ],
    "has no effect: with key.derive every request has a key; remove one of them": [
        ("key: {derive: fingerprint, header: X}", "5:34: routes.0.policy.key.header"),
        ("key: {derive: fingerprint, required: true}", "5:34: routes.0.policy.key.required"),
        ("key: {derive: fingerprint, min_length: 1}", "5:34: routes.0.policy.key.min_length"),
        ("key: {derive: fingerprint, max_length: 9}", "5:34: routes.0.policy.key.max_length"),
    ],
    "cannot be Host, which ends at the gateway; name another header": [
        ("key: {header: Host}", "5:13: routes.0.policy.key.header"),
    ],
    "cannot be Idempotency-Status, which ends at the gateway; name another header": [
        ("key: {header: Idempotency-Status}", "5:13: routes.0.policy.key.header"),
    ],
    (
        "Idempotency-Key is the key's own header, and with it two forms of one key would not be the same; "
        "take it out of scope.headers"
    ): [
        ("scope: {headers: [idempotency-key]}", "5:15: routes.0.policy.scope.headers"),
    ],
    (
        "Idempotency-Key is the key's own header, and with it two forms of one key would not be the same; "
        "take it out of fingerprint.headers"
    ): [
        ("fingerprint: {headers: [Idempotency-Key]}", "5:21: routes.0.policy.fingerprint.headers"),
    ],
    (
        "X-Api-Key is the key's own header, and with it two forms of one key would not be the same; take it "
        "out of scope.headers"
    ): [
        ("key: {header: X-Api-Key}", "5:13: routes.0.policy.key.header"),
    ],
    "leaves no key good: min_length is larger than max_length; mend one of them": [
        ("key: {min_length: 9, max_length: 8}", "5:13: routes.0.policy.key.min_length"),
        ("key: {max_length: 1, min_length: 8}", "5:28: routes.0.policy.key.min_length"),
    ],
    "cannot be none with key.derive: every body sent to one target would count as the same call": [
        ("key: {derive: fingerprint}\nfingerprint: {body: none}", "6:21: routes.0.policy.fingerprint.body"),
    ],
    "has no effect: it needs fingerprint.body: json; write that, or remove it": [
        ("fingerprint: {exclude: [/a]}", "5:21: routes.0.policy.fingerprint.exclude"),
    ],
    "leaves out the whole body; write fingerprint.body: none instead": [
        ("fingerprint: {body: json, exclude: ['']}", "5:33: routes.0.policy.fingerprint.exclude"),
    ],
    "cannot be separate without scope.headers, which tell callers apart; name some": [
        ("scope: {headers: [], on_change: separate}", "5:28: routes.0.policy.scope.on_change"),
    ],
    "has no effect: on_conflict: reject never waits; write wait, or remove it": [
        ("wait_timeout: 10s", "5:7: routes.0.policy.wait_timeout"),
        ("on_conflict: reject\nwait_timeout: 10s", "6:7: routes.0.policy.wait_timeout"),
    ],
    "waits no time at all; write on_conflict: reject, or a longer wait_timeout": [
        ("on_conflict: wait\nwait_timeout: 0s", "6:7: routes.0.policy.wait_timeout"),
    ],
    "has no effect: only on_unknown: retry sends again; write that, or remove it": [
        ("upstream_retention: 24h", "5:7: routes.0.policy.upstream_retention"),
        ("on_unknown: fail\nupstream_retention: 24h", "6:7: routes.0.policy.upstream_retention"),
    ],
    "needs upstream_retention, how long the upstream itself remembers a key; add it": [
        ("on_unknown: retry", "5:7: routes.0.policy.on_unknown"),
    ],
    (
        "needs an upstream that recognises the key, and with upstream_key.mode it gets none; write on_unknown: hold, "
        "or send the key"
    ): [
        (
            "on_unknown: retry\nupstream_retention: 24h\nupstream_key: drop",
            "5:7: routes.0.policy.on_unknown",
        ),
    ],
    (
        "needs an upstream that recognises the key, and with key.derive it gets none; write on_unknown: hold, "
        "or send the key"
    ): [
        (
            "on_unknown: retry\nupstream_retention: 24h\nkey: {derive: fingerprint}",
            "5:7: routes.0.policy.on_unknown",
        ),
    ],
    "has no effect: on_unknown: fail keeps every answer; remove one of them": [
        ("unknown_statuses: [500]\non_unknown: fail", "5:7: routes.0.policy.unknown_statuses"),
    ],
    (
        "holds 401, 429, and so does the other of unknown_statuses and not_executed_statuses; a status "
        "proves one thing, so take it out of one"
    ): [
        ("unknown_statuses: [429, 401]", "5:7: routes.0.policy.unknown_statuses"),
    ],
    "has no effect: keep.body: never keeps no answer; remove one of them": [
        ("keep: {body: never, drop_headers: [X]}", "5:27: routes.0.policy.keep.drop_headers"),
        ("keep: {body: never}\nresponse: {max_body: 1B}", "6:18: routes.0.policy.response.max_body"),
    ],
    (
        "has no effect: keep.body: never keeps no answer; remove one of them, and set retention.key for how "
        "long the key is known"
    ): [
        ("keep: {body: never}\nretention: {response: 1h}", "6:19: routes.0.policy.retention.response"),
    ],
    "holds Set-Cookie, Connection, which is never replayed anyway; remove it": [
        ("keep: {drop_headers: [Set-Cookie, Connection]}", "5:14: routes.0.policy.keep.drop_headers"),
    ],
    (
        "must be longer than 0s: an outcome that is unknown would be given up at once, before a late answer or an "
        "operator can settle it"
    ): [
        ("retention: {unknown: 0s}", "5:19: routes.0.policy.retention.unknown"),
        ("key: {derive: fingerprint}\nretention: {unknown: 0m}", "6:19: routes.0.policy.retention.unknown"),
    ],
    "has no effect: with upstream_key: drop no key is sent; remove it": [
        ("upstream_key: {mode: drop, header: X}", "5:34: routes.0.policy.upstream_key.header"),
        ("upstream_key: {mode: drop, form: bare}", "5:34: routes.0.policy.upstream_key.form"),
    ],
    "has no effect: with key.derive there is no key to send; remove it": [
        ("key: {derive: fingerprint}\nupstream_key: derive", "6:7: routes.0.policy.upstream_key.mode"),
        ("key: {derive: fingerprint}\nupstream_key: {header: X}", "6:22: routes.0.policy.upstream_key.header"),
    ],
    ("has no effect: with key.body the key goes upstream in the body; remove it, or write upstream_key: derive"): [
        ("key: {body: /id}\nupstream_key: {header: X}", "6:22: routes.0.policy.upstream_key.header"),
        ("key: {body: /id}\nupstream_key: {form: quoted}", "6:22: routes.0.policy.upstream_key.form"),
    ],
    "cannot be Via, which the gateway writes itself; name another header": [
        ("upstream_key: {header: Via}", "5:22: routes.0.policy.upstream_key.header"),
    ],
    "cannot be Idempotency-Status, which the gateway writes itself; name another header": [
        ("upstream_key: {header: Idempotency-Status}", "5:22: routes.0.policy.upstream_key.header"),
    ],
}


@pytest.mark.parametrize(("text", "told"), cases(RULES))
def test_a_contradiction_in_a_policy_is_told_at_the_setting_that_was_written(
    tmp_path: Path, text: str, told: list[str]
) -> None:
    assert said(tmp_path, of_policy(text)) == told
