"""Files as people, editors and templates leave them: each is read, or refused in one sentence at its place."""

import time
from pathlib import Path

import pytest

from gateway.config.load import check, load
from tests.config.reading import ROUTE, said

SETTINGS = "the file must hold settings, such as routes: [...]"
DEEP = "the file is nested too deeply to be a configuration"
NO_YAML = "the file is not YAML: "
LOOKS = "the file is not YAML: a value is not what it looks like; quote it"
ONE = "the file is not one YAML document: an alias without its anchor, or a second document"
TAG = "the file has a tag or a merge that is not known here; write the value out"
ITSELF = "1:1: the file has an alias that holds itself; write it out"
NO_NAME = "is not a name; put it in quotes, or remove it"
NO_ROUTE = "there is no route; give --upstream URL, or routes with at least one name and upstream.url"


def _told(folder: Path, content: bytes) -> list[str]:
    path = folder / "c.yaml"
    path.write_bytes(content)
    return [complaint.removeprefix(f"{path}:") for complaint in check(path, {})]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a: \xff", "1:1: the file is not UTF-8; save it as UTF-8"),
        (ROUTE.encode("utf-16"), "1:1: the file is not UTF-8; save it as UTF-8"),
        (b"a: b\nc: \x07", "2:4: the file has a control character; remove it"),
        (b"", f"1:1: routes: {NO_ROUTE}"),
        (b"# only a comment\n", f"1:1: routes: {NO_ROUTE}"),
        (b"#" * (1024 * 1024 + 1), "1:1: the file is larger than 1MiB; name the configuration alone"),
        (b"- a\n", f"1:1: {SETTINGS}"),
        (b"text", f"1:1: {SETTINGS}"),
        (b"a:\n\tb: c\n", f"2:1: {NO_YAML}found character '\\t' that cannot start any token"),
        (b"a: {b: c\n", f"2:1: {NO_YAML}expected ',' or '}}', but got '<stream end>'"),
        (b"a: b\n---\nc: d\n", f"2:1: {ONE}"),
        (b"a: *gone\n", f"1:4: {ONE}"),
        (b"a: !secret hunter2\n", f"1:4: {TAG}"),
        (b"a: !x!secret hunter2\n", f"1:4: {NO_YAML}found undefined tag handle something else"),
        (b"a: {<<: hunter2}\n", f"1:9: {TAG}"),
        (b"a: 2026-99-99\n", f"1:1: {LOOKS}"),
        (b'a: "\\U00110000"\n', f"1:1: {LOOKS}"),
        (b"a: " + b"9" * 5000 + b"\n", f"1:1: {LOOKS}"),
        (b"digest:\n  key: hunter2\n  key: hunter3\n", "3:3: key occurs twice in one mapping; keep one"),
        (b"digest:\n  hunter 2: a\n  hunter 2: b\n", "3:3: a name occurs twice in one mapping; keep one"),
        (b"routes: &a [*a]\n", ITSELF),
        (b"policy: &a {key: *a}\n", ITSELF),
        (b"[" * 100_000, f"1:1: {DEEP}"),
        (b"{a: " * 100_000, f"1:1: {DEEP}"),
        (b"a: " + b"[" * 500 + b"]" * 500, f"1:1: {DEEP}"),
        (b"".join(b" " * depth + b"a:\n" for depth in range(500)), f"1:1: {DEEP}"),
        (b"routes: !!set {a, b}\n", "1:1: routes: must be a list: write each route with a dash before its name"),
        (b"routes:\n", f"1:1: routes: {NO_ROUTE}"),
        (b"routes: []\n", f"1:1: routes: {NO_ROUTE}"),
        (b"routes:\n  - name: a\n    upstream:\n", "3:5: routes.0.upstream: is required; add it"),
        (b"routes:\n  - name: a\n    upstream:\n      url:\n", "4:7: routes.0.upstream.url: is required; add it"),
        (b"routes:\n  -\n", "2:4: routes.0: must hold settings of its own, as a mapping"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused_in_one_sentence(tmp_path: Path, content: bytes, told: str) -> None:
    assert _told(tmp_path, content) == [told]


def test_a_file_that_cannot_be_read_is_told_with_the_reason(tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"
    assert check(missing, {}) == (f"{missing}:1:1: the file cannot be read: No such file or directory",)
    assert check(tmp_path, {}) == (f"{tmp_path}:1:1: the file cannot be read: Is a directory",)


@pytest.mark.parametrize(
    "content",
    [
        ROUTE.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + ROUTE.encode(),
        b"---\n" + ROUTE.encode() + b"...\n",
        b"%YAML 1.2\n---\n" + ROUTE.encode(),
        b"policy:\nadmin:\nstore:\nlisten:\nlog: {level: , format: }\n" + ROUTE.encode() + b"    policy: {key: }\n",
    ],
    ids=["crlf", "byte order mark", "document marks", "directive", "nothing behind a colon"],
)
def test_what_editors_and_templates_leave_is_read_as_it_is_meant(tmp_path: Path, content: bytes) -> None:
    assert _told(tmp_path, content) == []


def test_an_unknown_setting_is_told_even_with_nothing_behind_its_colon(tmp_path: Path) -> None:
    assert said(tmp_path, f"polcy:\n{ROUTE}") == ["1:1: polcy: there is no such setting; did you mean policy?"]


def test_names_that_yaml_reads_as_something_else_are_told(tmp_path: Path) -> None:
    text = f"5: x\n1.5: x\n2026-01-01: x\nnull: x\ntrue: x\n{ROUTE}"
    names = ["5", "1.5", "2026-01-01", "null", "true"]
    assert said(tmp_path, text) == [f"{line}:1: {name}: {NO_NAME}" for line, name in enumerate(names, 1)]


def test_a_list_in_place_of_a_name_is_told_without_what_it_holds(tmp_path: Path) -> None:
    told = "has a list or a mapping where a name belongs; remove it, and quote a template's braces"
    assert said(tmp_path, f"digest: {{[hunter2]: x}}\n{ROUTE}") == [f"1:1: digest: {told}"]


def test_half_a_character_is_told_once(tmp_path: Path) -> None:
    told = "is not text in UTF-8: it has half a character; write it anew"
    text = f'digest: {{key: "\\ud800"}}\n"\\udfff\\n": 1\npolicy: {{methods: ["\\ud800"]}}\n{ROUTE}'
    assert said(tmp_path, text) == [
        f"1:10: digest.key: {told}",
        f"2:1: \\udfff\\n: {told}",
        f"3:20: policy.methods.0: {told}",
    ]


def test_a_name_is_told_on_one_line(tmp_path: Path) -> None:
    (told,) = said(tmp_path, f'"a\\nb": 1\n{ROUTE}')
    assert told.startswith("1:1: a\\nb: there is no such setting; ")


def test_aliases_and_merges_stand_for_what_they_name_and_complaints_go_to_their_place(tmp_path: Path) -> None:
    text = """routes:
  - &a {name: a, match: {path: /a/}, upstream: &up {url: "http://u", timeout: {total: 5s}}}
  - {<<: *a, name: b, match: {path: /b/}, bogus: 1}
  - {name: c, match: {path: /c/}, upstream: {<<: *up, keep_alive: 5}}
"""
    duration = "must be a duration: a whole number and ms, s, m, h or d, such as 250ms, 30s, 24h or 30d"
    assert said(tmp_path, text) == [
        "3:43: routes.1.bogus: there is no such setting; known here: callers, calls, match, name, policy, upstream",
        f"4:55: routes.2.upstream.keep_alive: {duration}",
    ]


def test_an_anchor_may_be_used_again_and_a_number_needs_no_dot(tmp_path: Path) -> None:
    anchors = f"policy: &x {{key: {{min_length: &n 2}}}}\nlog: &x {{level: info}}\n{ROUTE}"
    assert said(tmp_path, anchors) == []
    number = "must be text; put a number, a date or a word with a meaning of its own in quotes"
    assert said(tmp_path, f"%YAML 1.1\n---\nproblem_base_url: 1e3\n{ROUTE}") == [f"3:1: problem_base_url: {number}"]


def test_aliases_of_aliases_do_not_fill_the_memory(tmp_path: Path) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{one}: &{one} [{', '.join([f'*{before}'] * 10)}]"
        for before, one in zip("abcdefghi", "bcdefghij", strict=True)
    ]
    told = "the file has aliases of aliases, too many to be a configuration; write them out"
    assert said(tmp_path, "\n".join(lines)) == [f"1:1: {told}"]


@pytest.mark.parametrize("text", ["", "# nothing is set yet\n", "---\n...\n"])
def test_a_file_in_which_nothing_is_set_leaves_everything_to_the_options(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    (route,) = load(path, {"upstream": "http://127.0.0.1:9"}, {}).routes.routes
    assert route.target.port == 9


def test_a_files_nesting_is_bounded_before_the_library_reads_it(tmp_path: Path) -> None:
    before = time.process_time()
    assert said(tmp_path, "[" * 500_000) == [f"1:1: {DEEP}"]
    assert time.process_time() - before < 1
