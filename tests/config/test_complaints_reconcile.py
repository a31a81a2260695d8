"""What is said of ``reconcile``: what it lacks, what would take another call's answer, what has no effect."""

from pathlib import Path

import pytest

from tests.config.reading import ROUTE, cases, of_policy, of_upstream, said

KEYS = "encryption: {keys: [record-key-of-the-tests]}\n"
ASKED = "on_unknown: reconcile\nreconcile:\n  request: {path: '/c/{key}'}\n"
ABSENT = "  rules: [{not_found: {}}]"


def request(text: str, rules: str = ABSENT) -> str:
    """A policy whose request is on line 8, from column 9 on."""
    return f"on_unknown: reconcile\nreconcile:\n  request: {text}\n{rules}"


def rules(text: str, more: str = "", *, path: str = "/c/{key}") -> str:
    """A policy whose rules are on line 9, from column 9 on."""
    return request(f"{{path: '{path}'}}", f"  rules: {text}{more}")


AT = "routes.0.policy.reconcile"
SEARCH = "/c?k={key}"
POINTER = "must be a JSON Pointer, such as /id: '/' before each name, '~0' for '~', '~1' for '/'"
NO_PLACE = "write {key}, {header:Name}, {body:/pointer} or {form:name}"

COMPLAINTS = {
    "needs reconcile: {request: {path: ...}, rules: [...]}, what to ask and what the answers mean; add it": [
        ("on_unknown: reconcile", "6:7: routes.0.policy.on_unknown"),
    ],
    "has no effect: only on_unknown: reconcile asks the upstream; write that, or remove it": [
        ("reconcile: {request: {path: '/c/{key}'}}", f"6:7: {AT}"),
    ],
    "needs request.path, what the upstream is asked; add it": [
        ("on_unknown: reconcile\nreconcile:\n" + ABSENT, f"7:7: {AT}"),
    ],
    "needs rules, what the answers mean, such as - not_found: {status: [404]}; add them": [
        (request("{path: '/c/{key}'}", ""), f"7:7: {AT}"),
    ],
    "asks about no call in particular; put {key}, {header:Name}, {body:/pointer} or {form:name} in it": [
        (request("{path: /c/1}"), f"8:19: {AT}.request.path"),
        (
            rules("[{found: {first: /d, where: [{pointer: /k, equals: '{key}'}]}}, {not_found: {}}]", path="/c"),
            f"8:19: {AT}.request.path",
        ),
    ],
    "may be executed: write GET or HEAD, or safe: true where POST only looks something up": [
        (request("{path: '/c/{key}', method: POST}"), f"8:37: {AT}.request.method"),
    ],
    "has no effect: GET is safe; remove it": [
        (request("{path: '/c/{key}', safe: true}"), f"8:37: {AT}.request.safe"),
    ],
    "must be longer than 0s": [
        (request("{path: '/c/{key}', timeout: 0s}"), f"8:37: {AT}.request.timeout"),
        (ASKED + ABSENT + "\n  pause: {first: 0s}", f"10:17: {AT}.pause.first"),
    ],
    "holds Host, which the gateway writes itself; remove it": [
        (request("{path: '/c/{key}', headers: {Host: x}}"), f"8:37: {AT}.request.headers"),
    ],
    "holds a twice, in other letters; keep one": [
        (request("{path: '/c/{key}', headers: {A: x, a: y}}"), f"8:37: {AT}.request.headers"),
    ],
    "keeps the caller's authorization with the call; name a credential of the gateway's own instead": [
        (request("{path: '/c/{key}', headers: {Authorization: '{header:Authorization}'}}"), f"7:7: {AT}"),
    ],
    "keeps the caller's x-api-key with the call; name a credential of the gateway's own instead": [
        (request("{path: '/c/{header:X-Api-Key}'}"), f"7:7: {AT}"),
    ],
    "asks by {key}, and with key.derive no call has one; ask by another value": [
        ("key: {derive: fingerprint}\n" + ASKED + ABSENT, f"8:7: {AT}"),
    ],
    "asks by {key}, which the upstream never got with upstream_key: derive; ask by another value": [
        ("upstream_key: derive\n" + ASKED + ABSENT, f"8:7: {AT}"),
    ],
    "asks by {key} alone, which two callers may both use (scope.on_change: separate); ask by another value": [
        ("scope: {on_change: separate}\n" + ASKED + ABSENT, f"8:7: {AT}"),
    ],
    "takes any element of a list for the call; add where, which tells the call's own": [
        (rules("[{found: {first: /d}}]"), f"9:18: {AT}.rules.0.found"),
    ],
    "takes any answer for the call, because the call's value is not in the path; add where": [
        (rules("[{found: {}}]", path=SEARCH), f"9:18: {AT}.rules.0.found"),
    ],
    "takes another call's for the call: nothing in where is the call's own; compare with {key} or the like": [
        (
            rules("[{found: {where: [{pointer: /s, equals: done}]}}]", path=SEARCH),
            f"9:26: {AT}.rules.0.found.where",
        ),
    ],
    "holds 302, 500, which says nothing of the call; take it out": [
        (rules("[{found: {status: [200, 500, 302]}}]"), f"9:26: {AT}.rules.0.found.status"),
        (rules("[{not_found: {status: [404, 500, 302]}}]"), f"9:30: {AT}.rules.0.not_found.status"),
    ],
    "names no status, so that no answer is meant; name one": [
        (rules("[{found: {status: []}}]"), f"9:26: {AT}.rules.0.found.status"),
    ],
    "holds Set-Cookie, which no replay says so; remove it": [
        (rules("[{found: {answer: {headers: {Set-Cookie: x}}}}]"), f"9:35: {AT}.rules.0.found.answer.headers"),
    ],
    "has no effect: keep.body: never keeps no answer; remove one of them": [
        (
            "keep: {body: never}\n" + rules("[{found: {answer: {body: /a}}}]"),
            f"10:35: {AT}.rules.0.found.answer.body",
        ),
    ],
    "has no effect: an answer with status 204 has no body; remove one of them": [
        (rules("[{found: {answer: {status: 204, body: whole}}}]"), f"9:48: {AT}.rules.0.found.answer.body"),
    ],
    "is never reached: the rules before it take all answers with its status; put it before them": [
        (rules("[{found: {}}, {found: {where: [{pointer: /a, equals: b}]}}]"), f"9:30: {AT}.rules.1"),
        (rules("[{not_found: {status: [200, 404]}}, {found: {}}]"), f"9:52: {AT}.rules.1"),
    ],
    "has no effect: no rule says not_found; add one, or remove it": [
        (rules("[{found: {}}]", "\n  quiet_period: 1h"), f"10:9: {AT}.quiet_period"),
    ],
    "is longer than pause.longest, which bounds it; shorten it, or lengthen pause.longest": [
        (ASKED + ABSENT + "\n  pause: {first: 1h}", f"10:17: {AT}.pause.first"),
        (ASKED + ABSENT + "\n  pause: {longest: 1ms}", f"10:17: {AT}.pause.longest"),
    ],
    "is as long as retention.unknown, so that no call is ever released; shorten it": [
        (ASKED + ABSENT + "\n  quiet_period: 90d", f"10:9: {AT}.quiet_period"),
    ],
    "must begin with a slash, such as /v1/charges/{key}": [
        (request("{path: c}"), f"8:19: {AT}.request.path"),
    ],
    f"has braces around something else than a place; {NO_PLACE}": [
        (request("{path: '/c/{keys}'}"), f"8:19: {AT}.request.path"),
        (request("{path: '/c/{body:x}'}"), f"8:19: {AT}.request.path"),
        (request("{path: '/c/{key}', headers: {A: 'Bearer {hunter2}'}}"), f"8:47: {AT}.request.headers.A"),
    ],
    f"has a brace that belongs to no place; {NO_PLACE}": [
        (request("{path: '/c/}'}"), f"8:19: {AT}.request.path"),
    ],
    (
        "must be a plain path: no query, space, dot segment, double slash or encoded slash, and '%' before two hex "
        "digits only"
    ): [
        (request("{path: '/c/../{key}'}"), f"8:19: {AT}.request.path"),
        (request("{path: '/c/%2F{key}'}"), f"8:19: {AT}.request.path"),
    ],
    "has a percent sign that encodes nothing; write %25": [
        (request("{path: '/c/%zz{key}'}"), f"8:19: {AT}.request.path"),
    ],
    "must be printable ASCII without '#' and '\\'; write other characters as %20": [
        (request("{path: '/c/{key}#x'}"), f"8:19: {AT}.request.path"),
    ],
    "names '/none', which cannot be read: No such file or directory": [
        (request("{path: '/c/{key}', headers: {A: 'file:///none'}}"), f"8:47: {AT}.request.headers.A"),
    ],
    "must say either found: {...} or not_found: {...}": [
        (rules("[{}]"), f"9:17: {AT}.rules.0"),
        (rules("[{found: {}, not_found: {}}]"), f"9:17: {AT}.rules.0"),
    ],
    POINTER: [
        (rules("[{found: {first: x}}]"), f"9:26: {AT}.rules.0.found.first"),
        (rules("[{found: {answer: {body: part}}}]"), f"9:35: {AT}.rules.0.found.answer.body"),
    ],
    "must be text, a number below 10^15, true or false": [
        (rules("[{found: {where: [{pointer: /x, equals: [1]}]}}]"), f"9:48: {AT}.rules.0.found.where.0.equals"),
        (rules("[{found: {where: [{pointer: /x, equals: .inf}]}}]"), f"9:48: {AT}.rules.0.found.where.0.equals"),
    ],
    "must begin with http:// or https://": [
        (request("{path: '/c/{key}', url: 'ftp://x'}"), f"8:37: {AT}.request.url"),
    ],
    "there is no such setting; did you mean answer?": [
        (rules("[{found: {anwser: {}}}]"), f"9:26: {AT}.rules.0.found.anwser"),
    ],
}


@pytest.mark.parametrize(("text", "told"), cases(COMPLAINTS))
def test_what_is_wrong_with_reconcile_is_told_where_it_was_written(tmp_path: Path, text: str, told: list[str]) -> None:
    assert said(tmp_path, KEYS + of_policy(text)) == told


def test_values_of_requests_are_never_kept_in_the_clear(tmp_path: Path) -> None:
    told = "needs encryption.keys, because values of the request are kept to ask with; add encryption:"
    sentence = f"{told} {{keys: [file:///run/secrets/record-key]}}"
    assert said(tmp_path, of_policy(ASKED + ABSENT)) == [f"5:7: routes.0.policy.on_unknown: {sentence}"]
    general = "policy:\n" + "".join(f"  {line}\n" for line in (ASKED + ABSENT).splitlines())
    assert said(tmp_path, general + ROUTE) == [f"2:3: policy.on_unknown: {sentence}"]
    assert said(tmp_path, KEYS + general + ROUTE) == []
    assert said(tmp_path, of_policy(ASKED + ABSENT), {"store": ["memory:"]}) == []


def test_a_call_that_may_still_be_under_way_is_not_released(tmp_path: Path) -> None:
    policy = "".join(f"  {line}\n" for line in (ASKED + ABSENT + "\n  quiet_period: 29s").splitlines())
    text = KEYS + "policy:\n" + policy + of_upstream("timeout: {total: 30s}")
    told = "has a call last longer than reconcile.quiet_period (29s), so that one under way could be released"
    assert said(tmp_path, text) == [f"12:17: routes.0.upstream.timeout.total: {told}; lengthen that"]


def test_a_route_may_change_a_part_of_what_holds_for_all(tmp_path: Path) -> None:
    policy = "".join(f"  {line}\n" for line in (ASKED + ABSENT).splitlines())
    text = KEYS + "policy:\n" + policy + ROUTE + "    policy: {reconcile: {quiet_period: 1h}}\n"
    assert said(tmp_path, text) == []
    text = KEYS + "policy:\n" + policy + ROUTE + "    policy: {reconcile: {quiet_period: 1s}}\n"
    assert len(said(tmp_path, text)) == 1
