"""No secret is ever in a complaint, in what is shown of a configuration, or in the schema."""

import json
from pathlib import Path

import pytest

from gateway.config.load import schema
from gateway.policies.reconciling import Question
from gateway.wiring.renewing import of_fields, of_questions
from tests.config.reading import ROUTE, loaded, of_upstream, said

CANARY = "hunter2canary-and-more"

VALUES = [
    CANARY,
    f"'{CANARY}: x'",
    f"[{CANARY}]",
    f"[[{CANARY}]]",
    f"'https://u:{CANARY}@h/'",
    f"'redis://u:{CANARY}@h:6379/0'",
    f"'ftp://u:{CANARY}@h'",
    f"'{CANARY}:x'",
    f"'//{CANARY}'",
    f'"{CANARY}\\ud800"',
    f'"{CANARY}\\n"',
    f"{{? [{CANARY}] : x}}",
    f"{{{{ {CANARY} }}}}",
    f"!{CANARY} x",
    f"!x!{CANARY} x",
    f"*{CANARY}",
    f'"{CANARY}',
    f"@{CANARY}",
    f"'{CANARY}' {CANARY}",
    f"{CANARY}: {CANARY}",
    f"!!int {CANARY}",
    f"!!binary {CANARY}",
    f"{{x: 1, x: {CANARY}}}",
]

PLACES = [
    "digest: {key: %s}",
    "digest: %s",
    "listen: %s",
    "store: %s",
    "store: {sqlite: {a: %s}}",
    "store: {redis: %s, postgres: %s}",
    "workers: %s",
    "log: {level: %s}",
    "public_url: %s",
    "problem_base_url: %s",
    "shutdown_grace: %s",
    "encryption: {keys: [%s]}",
    "admin: {tokens: [{token: %s}]}",
    "policy: {on_unknown: %s, key: %s, methods: [%s], upstream_key: %s}",
    "policy: {key: {body: [%s], required: %s}, request: {max_body: %s}, unknown_statuses: [%s]}",
    "unknown: {deep: [%s]}",
]


@pytest.mark.parametrize("place", PLACES)
def test_no_complaint_repeats_a_value(tmp_path: Path, place: str) -> None:
    told = [said(tmp_path, f"{place.replace('%s', value)}\n{ROUTE}") for value in VALUES]
    assert CANARY not in repr(told)
    assert any(told)


@pytest.mark.parametrize(
    "place",
    ["headers: {set: {X: %s}}", "headers: {set: %s}", "headers: %s", "tls: {key: %s}", "timeout: %s", "bogus: %s"],
)
def test_no_complaint_about_an_upstream_repeats_a_value(tmp_path: Path, place: str) -> None:
    told = [said(tmp_path, of_upstream(place.replace("%s", value))) for value in VALUES]
    told += [said(tmp_path, of_upstream("", value)) for value in VALUES]
    assert CANARY not in repr(told)
    assert any(told)


@pytest.mark.parametrize("value", [f"redis://u:{CANARY}@h", f"https://u:{CANARY}@h", f"{CANARY}:x", f'["{CANARY}"]'])
def test_no_complaint_repeats_an_option_or_a_variable(tmp_path: Path, value: str) -> None:
    for name in ("STORE", "LISTEN", "LOG", "LOG__LEVEL", "ROUTES", "ROUTES__0", "POLICY__KEY", "PUBLIC_URL", "WORKERS"):
        told = said(tmp_path, ROUTE, {}, {f"IDEMPOTENCY_GATEWAY_{name}": value})
        assert told or name == "STORE", "a good store may hold a password"
        assert CANARY not in repr(told)
    for option in ("upstream", "listen", "log_level", "workers"):
        assert CANARY not in repr(said(tmp_path, ROUTE, {option: value}))
    assert CANARY not in repr(said(tmp_path, ROUTE, {"store": [value, value]}))


def test_a_configuration_shows_no_secret_and_the_schema_holds_none(tmp_path: Path) -> None:
    text = f"digest: {{key: {CANARY}}}\n" + of_upstream(f"headers: {{set: {{Authorization: {CANARY}}}}}")
    chosen = loaded(tmp_path, text)
    assert chosen.digest_keys == (CANARY.encode(),)
    assert chosen.routes.routes[0].target.set_headers == ((b"Authorization", CANARY.encode()),)
    assert CANARY not in repr(chosen)
    assert CANARY not in str(chosen)
    assert CANARY not in json.dumps(schema())


def test_a_field_that_comes_from_a_file_is_exchanged_by_the_rules_that_it_was_read_by(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("an old secret")
    where = f"file://{secret}"
    asked = f"request: {{path: '/c/{{key}}', headers: {{X: '{where}', Y: 'of {{key}}'}}}}"
    rules = "rules: [{found: {where: [{pointer: /id, equals: '{key}'}]}}, {not_found: {}}]"
    policy = f"    policy: {{on_unknown: reconcile, reconcile: {{{asked}, {rules}}}}}\n"
    text = of_upstream(f"headers: {{set: {{A: '{where}', B: stays}}}}") + policy
    route = loaded(tmp_path, f"encryption: {{keys: [{CANARY}]}}\n{text}").routes.routes[0]
    sources = [*of_fields([route]), *of_questions([route])]
    assert [each.name for each in sources] == [
        "routes.0.upstream.headers.set.A",
        "routes.0.policy.reconcile.request.headers.X",
    ]
    assert [each.read() for each in sources] == [None, None]
    secret.write_text(f"{CANARY} {{key}}\n")
    for each in sources:
        exchange = each.read()
        assert exchange is not None
        exchange()
    told = f"{CANARY} {{key}}".encode()
    assert route.target.set_headers == ((b"A", told), (b"B", b"stays"))
    assert route.policy.reconcile is not None
    question = route.policy.reconcile.question("", {"key": "k"}, ())
    assert isinstance(question, Question)
    assert set(question.headers) == {(b"X", told), (b"Y", b"of k")}
    secret.write_text(f"{CANARY}\n{CANARY}")
    for each in sources:
        with pytest.raises(ValueError, match="must be one line of printable ASCII") as fault:
            each.read()
        assert CANARY not in str(fault.value)


@pytest.mark.parametrize("content", [CANARY, f"{CANARY}\n", f"{CANARY}\r\n"])
def test_a_secret_in_a_file_is_its_content_without_the_end_of_its_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "secret").write_bytes(content.encode())
    where = f"file://{tmp_path}/secret"
    chosen = loaded(tmp_path, f"digest: {{key: '{where}'}}\n" + of_upstream(f"headers: {{set: {{X: '{where}'}}}}"))
    assert chosen.digest_keys == (CANARY.encode(),)
    assert chosen.routes.routes[0].target.set_headers == ((b"X", CANARY.encode()),)


def test_only_one_end_of_line_is_taken_from_a_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b" a good key, spaced \n\n")
    chosen = loaded(tmp_path, f"digest: {{key: 'file://{tmp_path}/secret'}}\n{ROUTE}")
    assert chosen.digest_keys == (b" a good key, spaced \n",)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "names {path!r}, which cannot be read: No such file or directory"),
        (b"", "names {path}, which is empty; write the secret into it"),
        (b"\n", "names {path}, which is empty; write the secret into it"),
        (CANARY.encode() * 10_000, "names {path}, which is larger than 64KiB; name the file of the secret alone"),
    ],
)
def test_a_secret_that_no_file_holds_is_told_by_the_path(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    path = str(tmp_path / "secret")
    if content is not None:
        Path(path).write_bytes(content)
    told = sentence.format(path=path)
    assert said(tmp_path, f"digest: {{key: 'file://{path}'}}\n{ROUTE}") == [f"1:10: digest.key: {told}"]


def test_a_folder_and_a_path_without_its_scheme_are_no_secret(tmp_path: Path) -> None:
    assert said(tmp_path, f"digest: {{key: 'file://{tmp_path}'}}\n{ROUTE}") == [
        f"1:10: digest.key: names {str(tmp_path)!r}, which cannot be read: Is a directory"
    ]
    told = "is the path of a file, and would be the secret itself; write file:// before it"
    assert said(tmp_path, f"digest: {{key: {tmp_path}/c.yaml}}\n{ROUTE}") == [f"1:10: digest.key: {told}"]
