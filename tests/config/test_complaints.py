"""All complaints at once, in the order of the file, each once; and never of a default that some route can use."""

from pathlib import Path

import pytest

from tests.config.reading import ROUTE, of_policy, said

DURATION = "must be a duration: a whole number and ms, s, m, h or d, such as 250ms, 30s, 24h or 30d"
ADDRESS = "must be HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080"
NO_ROUTE = "there is no route; give --upstream URL, or routes with at least one name and upstream.url"
NO_GUARD = "guards nothing on any route; name methods, such as [POST, PATCH]"
NEVER = "has no effect: keep.body: never keeps no answer; remove one of them"

ALL = """workers: 0
listen: x
admin: {listen: "127.0.0.1:8080", zzz: 1}
policy: {key: {min_length: 300}, keep: {body: never, drop_headers: [X]}, scope: 5}
routes:
  - upstream: {url: "ftp://u", timeout: {total: 5s, connect: 6s}}
    match: {path: /a, strip_prefix: /b}
  - name: b
    upstream: {url: "http://u", tls: {ca: 5}, keep_alive: 1}
    policy: {on_unknown: fail, unknown_statuses: [500], key: {derive: x}}
  - name: b
  - text
  - {name: c, match: {host: h}, upstream: {url: "http://u"}}
  - {name: c, match: {host: h}, upstream: {url: "http://u"}}
5: x
"""

FIRST = "is never reached: route 1 (b) matches all of it first; put it before that one, or remove it"

TOLD = f"""1:1: workers: must be a whole number from 1 to 256
2:1: listen: {ADDRESS}
3:35: admin.zzz: there is no such setting; known here: listen, tokens
4:16: policy.key.min_length: leaves no key good: min_length is larger than max_length; mend one of them
4:74: policy.scope: must hold settings of its own, as a mapping
6:5: routes.0.name: is required; add it
6:16: routes.0.upstream.url: must begin with http:// or https://
6:53: routes.0.upstream.timeout.connect: is longer than timeout.total (5s), which ends the call; \
shorten it, or lengthen timeout.total
7:23: routes.0.match.strip_prefix: is not where match.path (/a) begins, up to a slash, \
so that it would not always apply; make match.path begin with it
9:39: routes.1.upstream.tls.ca: must be file:///path, with the absolute path of a file
9:47: routes.1.upstream.keep_alive: {DURATION}
10:32: routes.1.policy.unknown_statuses: has no effect: on_unknown: fail keeps every answer; remove one of them
10:63: routes.1.policy.key.derive: must be fingerprint
11:5: routes.2.upstream: is required; add it
11:5: routes.2.name: is the name of route 1 too; give it one of its own
11:5: routes.2: {FIRST}
12:5: routes.3: must hold settings of its own, as a mapping
13:5: routes.4: {FIRST}
14:5: routes.5: {FIRST}
14:6: routes.5.name: is the name of route 4 too; give it one of its own
15:1: 5: is not a name; put it in quotes, or remove it"""


def test_everything_is_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    assert said(tmp_path, ALL) == TOLD.splitlines()


def test_what_stands_around_routes_that_cannot_be_read_is_told_too(tmp_path: Path) -> None:
    around = "listen: 127.0.0.1:8081\npolicy: {key: {min_length: 300}}\n"
    for routes, told in (
        ("routes:", NO_ROUTE),
        ("routes: []", NO_ROUTE),
        ("routes: 5", "must be a list: write each route with a dash before its name"),
    ):
        assert said(tmp_path, f"{around}{routes}\n") == [
            "1:1: listen: is the address of both listeners; choose another port for one",
            "2:16: policy.key.min_length: leaves no key good: min_length is larger than max_length; mend one of them",
            f"3:1: routes: {told}",
        ]


def test_several_rules_about_one_policy_are_all_told(tmp_path: Path) -> None:
    idle = "has no effect: with methods: [] nothing is guarded; remove it, or name methods"
    assert said(tmp_path, of_policy("methods: []\nkey: {header: X}\nkeep: {body: never}")) == [
        f"5:7: routes.0.policy.methods: {NO_GUARD}",
        f"6:7: routes.0.policy.key: {idle}",
        f"7:7: routes.0.policy.keep: {idle}",
    ]
    exclude = "routes.0.policy.fingerprint.exclude"
    assert said(tmp_path, of_policy("fingerprint: {exclude: ['']}")) == [
        f"5:21: {exclude}: has no effect: it needs fingerprint.body: json; write that, or remove it",
        f"5:21: {exclude}: leaves out the whole body; write fingerprint.body: none instead",
    ]


def test_a_default_for_all_is_told_only_where_no_route_has_a_use_for_it(tmp_path: Path) -> None:
    general = "policy: {keep: {drop_headers: [X]}}\n"
    never = "  - name: b\n    upstream: {url: 'http://v'}\n    policy: {keep: {body: never}}\n"
    first = "routes:\n  - {name: a, match: {host: h}, upstream: {url: 'http://u'}, policy: {keep: {body: never}}}\n"
    assert said(tmp_path, general + first.replace(", policy: {keep: {body: never}}", "") + never) == []
    assert said(tmp_path, general + first + never) == [f"1:17: policy.keep.drop_headers: {NEVER}"]


def test_a_harmful_default_is_told_once_however_many_routes_have_it(tmp_path: Path) -> None:
    second = "  - {name: b, match: {host: h}, upstream: {url: 'http://v'}}\n"
    text = "policy: {key: {header: Host}}\nroutes:\n" + second + ROUTE.removeprefix("routes:\n")
    told = "cannot be Host, which ends at the gateway; name another header"
    assert said(tmp_path, text) == [f"1:16: policy.key.header: {told}"]
    assert said(tmp_path, text + "    policy: {key: {header: X-Key}}\n") == [f"1:16: policy.key.header: {told}"]


def test_a_default_that_contradicts_a_route_is_told_at_the_route(tmp_path: Path) -> None:
    text = f"policy: {{key: {{min_length: 9}}}}\n{ROUTE}    policy: {{key: {{max_length: 8}}}}\n"
    told = "leaves no key good: min_length is larger than max_length; mend one of them"
    assert said(tmp_path, text) == [f"5:20: routes.0.policy.key.max_length: {told}"]


def test_a_route_that_matches_nothing_guarded_and_a_guard_of_what_never_comes_are_told(tmp_path: Path) -> None:
    route = "routes:\n  - name: a\n    upstream: {url: 'http://u'}\n    match: {methods: [POST]}\n"
    assert said(tmp_path, route) == []
    assert said(tmp_path, route + "    policy: {methods: [POST, PUT]}\n") == [
        "5:14: routes.0.policy.methods: guards PUT, which match.methods keeps out; remove one of them"
    ]


def test_two_routes_of_one_namespace_form_their_keys_alike(tmp_path: Path) -> None:
    second = "  - {name: b, match: {host: h}, upstream: {url: 'http://u'}, policy: {key: {body: /id}}}\n"
    (told,) = said(tmp_path, "routes:\n" + second + ROUTE.removeprefix("routes:\n"))
    assert told.startswith("3:5: routes.1.policy: shares the namespace http://u with route b, whose keys are formed ")
    assert told.endswith("; set policy.namespace, or form them alike")
    apart = second.replace("{key:", "{namespace: other, key:")
    assert said(tmp_path, "routes:\n" + apart + ROUTE.removeprefix("routes:\n")) == []


@pytest.mark.parametrize("text", [ROUTE, of_policy("methods: [GET, POST]"), of_policy("retention: {unknown: 1s}")])
def test_nothing_is_said_of_what_is_good(tmp_path: Path, text: str) -> None:
    assert said(tmp_path, text) == []
