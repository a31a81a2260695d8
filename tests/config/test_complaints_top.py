"""What is said of a setting outside of routes, and where."""

from pathlib import Path

import pytest

from tests.config.reading import ROUTE, cases, of_upstream, said

TWO_TOKENS = """admin: {{tokens: [
  {{name: a, role: read, token: long-enough-token}},
   {{name: {}, role: settle, token: {}}}]}}"""

SETTINGS = {
    "must be HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080": [
        ("listen: localhost", "1:1: listen"),
        ("listen: 8080", "1:1: listen"),
        ("listen: {address: localhost}", "1:10: listen.address"),
        ("listen: '[::g]:1'", "1:1: listen"),
    ],
    "has a port above 65535; choose one from 1 to 65535, or 0 for any": [
        ("listen: 'h:70000'", "1:1: listen"),
    ],
    "has brackets around something that is not an IPv6 address; write it as [::1]:8080": [
        ("listen: '[1.2.3.4]:1'", "1:1: listen"),
    ],
    "is required; add it": [
        ("listen: {tls: {certificate: file:///dev/null}}", "1:10: listen.tls.key"),
    ],
    "there is no such setting; did you mean listen?": [
        ("listn: x", "1:1: listn"),
    ],
    (
        "there is no such setting; known here: admin, caller_header, callers, digest, downstream, encryption, jwt, "
        "limits, listen, log, policy, problem_base_url, public_url, replay_cache, routes, shutdown_delay, "
        "shutdown_grace, store, workers"
    ): [
        ("zzz: 1", "1:1: zzz"),
    ],
    "must hold settings of its own, as a mapping": [
        ("admin: text", "1:1: admin"),
        ("store: [5]", "1:1: store"),
    ],
    "must be json or console": [
        ("log: {format: xml}", "1:7: log.format"),
    ],
    "must be debug, info, warning, error or critical": [
        ("log: {level: INFO}", "1:7: log.level"),
    ],
    "there is no such setting; did you mean level?": [
        ("log: {levl: info}", "1:7: log.levl"),
    ],
    "must be a duration: a whole number and ms, s, m, h or d, such as 250ms, 30s, 24h or 30d": [
        ("shutdown_grace: 5", "1:1: shutdown_grace"),
    ],
    "is longer than 3650d, the longest duration that can be kept": [
        ("shutdown_grace: 4000d", "1:1: shutdown_grace"),
        ("shutdown_grace: 9999999999999999s", "1:1: shutdown_grace"),
    ],
    (
        "is shorter than the longest timeout.total (90s), so that a shutdown would leave outcomes unknown; "
        "lengthen it, or leave it out"
    ): [
        ("shutdown_grace: 80s", "1:1: shutdown_grace"),
    ],
    "is shorter than 16 bytes; make one with: openssl rand -base64 32": [
        ("digest: {keys: [store, only 15 bytes .]}", "1:24: digest.keys.1"),
        ("encryption: {keys: [a good key of 16 bytes, short]}", "1:45: encryption.keys.1"),
        ("digest: {key: only 15 bytes .}", "1:10: digest.key"),
    ],
    "is shorter than 16 characters; make one with: openssl rand -hex 32": [
        ("admin: {tokens: [{name: a, role: read, token: only-15-letters}]}", "1:40: admin.tokens.0.token"),
    ],
    "must be printable ASCII without spaces, because it is sent in a header": [
        ("admin: {tokens: [{name: a, role: read, token: a token with spaces}]}", "1:40: admin.tokens.0.token"),
    ],
    "must be read or settle": [
        ("admin: {tokens: [{name: a, role: write, token: long-enough-token}]}", "1:28: admin.tokens.0.role"),
    ],
    "cannot be gateway, which stands in histories for the gateway itself; choose another": [
        ("admin: {tokens: [{name: gateway, role: read, token: long-enough-token}]}", "1:19: admin.tokens.0.name"),
    ],
    "is the name of token 0 too; give it one of its own": [
        (TWO_TOKENS.format("a", "another-long-token"), "3:5: admin.tokens.1.name"),
    ],
    "is the secret of token 0 too; make another one": [
        (TWO_TOKENS.format("b", "long-enough-token"), "3:28: admin.tokens.1.token"),
    ],
    "holds one key twice; remove one": [
        ("digest: {keys: [store, store]}", "1:10: digest.keys"),
        ("encryption: {keys: [a good key of 16 bytes, a good key of 16 bytes]}", "1:14: encryption.keys"),
    ],
    "has no effect: a store in memory writes nothing down; remove one of them": [
        ("store: {memory: true}\nencryption: {keys: [a good key of 16 bytes]}", "2:1: encryption"),
    ],
    "has no effect: a store in memory is as near as that; remove one of them": [
        ("store: {memory: true}\nreplay_cache: {max_bytes: 1MiB}", "2:1: replay_cache"),
    ],
    "is longer than 60s, for which a process may keep an answer at most; shorten it": [
        ("replay_cache: {max_age: 61s}", "1:16: replay_cache.max_age"),
    ],
    "must be a whole number from 1 to 256": [
        ("workers: 0", "1:1: workers"),
        ("workers: 257", "1:1: workers"),
        ("workers: many", "1:1: workers"),
    ],
    "must be 1 with a store in memory, which no other process sees; choose another store": [
        ("store: {memory: true}\nworkers: 2", "2:1: workers"),
    ],
    "must begin with https://, http:// or urn:, in ASCII without spaces": [
        ("problem_base_url: ftp://x/", "1:1: problem_base_url"),
    ],
    "must end with '/', '#', ':' or '=', because a problem's name is put right behind it": [
        ("problem_base_url: https://x", "1:1: problem_base_url"),
    ],
    "must not hold a user or password: callers see it": [
        ("problem_base_url: https://u:p@x/", "1:1: problem_base_url"),
    ],
    "must be text; put a number, a date or a word with a meaning of its own in quotes": [
        ("problem_base_url: 2026-01-01", "1:1: problem_base_url"),
        ("store: {sqlite: 5}", "1:9: store.sqlite"),
    ],
    "must not be empty; leave it out for the default": [
        ("problem_base_url: ''", "1:1: problem_base_url"),
        ("store: {sqlite: ''}", "1:9: store.sqlite"),
    ],
    "must be one line of printable text, without space around it": [
        ("problem_base_url: ' https://x/'", "1:1: problem_base_url"),
    ],
    "must be an origin without a path, such as https://pay.example.com": [
        ("public_url: https://x/path", "1:1: public_url"),
    ],
    "must begin with http:// or https://": [
        ("public_url: x", "1:1: public_url"),
    ],
    "names 2 stores: sqlite and memory; keep one, or postgres with redis in front of it": [
        ("store: {sqlite: a, memory: true}", "1:1: store"),
    ],
    "must be true": [
        ("store: {memory: false}", "1:9: store.memory"),
    ],
    "must be true or false": [
        ("store: {memory: 1}", "1:9: store.memory"),
    ],
    "must be the path of a file, not a URL, such as ./idempotency-gateway.db": [
        ("store: {sqlite: 'sqlite:///x'}", "1:9: store.sqlite"),
    ],
    "must be a path as the system has it: '~' is not expanded here": [
        ("store: {sqlite: '~/x'}", "1:9: store.sqlite"),
    ],
    "a SQLite store is written sqlite:///FILE, or sqlite:////absolute/FILE": [
        ("store: sqlite:x", "1:1: store"),
    ],
    "names two memory stores; keep one": [
        ("store: [memory:, memory:]", "1:1: store"),
    ],
    "has no effect: it is empty, and without a key nothing is sealed; add one, or remove it": [
        ("encryption: {keys: []}", "1:14: encryption.keys"),
    ],
    "has no effect: it is empty, and without a key the store makes one and keeps it; add one, or remove it": [
        ("digest: {keys: []}", "1:10: digest.keys"),
    ],
    "has no effect: it is empty, and without a token the admin API answers this machine alone; add one, or remove it": [
        ("admin: {tokens: []}", "1:9: admin.tokens"),
    ],
    "there is no such setting here; it belongs below routes": [
        ("upstream: 'http://u'", "1:1: upstream"),
    ],
    "there is no such setting here; it belongs below policy": [
        ("on_unknown: retry", "1:1: on_unknown"),
    ],
    "has key and keys; key is short for keys with one in it: write them all there": [
        ("digest: {key: a key of 16 bytes, keys: [store]}", "1:1: digest"),
    ],
    "must be a secret in quotes, or file:///path of a file that holds it": [
        ("digest: {key: 5}", "1:10: digest.key"),
        ("digest: {key: ''}", "1:10: digest.key"),
    ],
    "must be file:///path, with the absolute path of a file": [
        ("digest: {key: file:x}", "1:10: digest.key"),
    ],
    "there is no such setting; did you mean key?": [
        ("digest: {kee: x}", "1:10: digest.kee"),
    ],
    "must be longer than 0s": [
        ("downstream: {timeout: {head: 0s}}", "1:24: downstream.timeout.head"),
    ],
    "is longer than timeout.total (30s), which ends a body; shorten it, or lengthen timeout.total": [
        ("downstream: {timeout: {body: 1m, total: 30s}}", "1:24: downstream.timeout.body"),
    ],
    "must be more than 0B: every caller would be fast enough": [
        ("downstream: {least_rate: 0B}", "1:14: downstream.least_rate"),
    ],
    "must be a whole number from 1 to 1000000": [
        ("downstream: {max_calls: 0}", "1:14: downstream.max_calls"),
        ("downstream: {max_connections: many}", "1:14: downstream.max_connections"),
    ],
    "is the address of both listeners; choose another port for one": [
        ("listen: 127.0.0.1:8081", "1:1: listen"),
        ("admin: {listen: '127.0.0.1:8080'}", "1:9: admin.listen"),
        ("listen: 0.0.0.0:8081", "1:1: listen"),
    ],
    "guards nothing on any route; name methods, such as [POST, PATCH]": [
        ("policy: {methods: []}", "1:10: policy.methods"),
    ],
    "is not a name; put it in quotes, or remove it": [
        ("5: x", "1:1: 5"),
    ],
}

URLS = {
    "must begin with http:// or https://": [
        ("ftp://x", "4:7: routes.0.upstream.url"),
        ("x", "4:7: routes.0.upstream.url"),
    ],
    "has no host; write it as https://api.example.com": [
        ("https://", "4:7: routes.0.upstream.url"),
    ],
    "must not hold a user or password; set them as a header in upstream.headers.set": [
        ("https://u:p@x", "4:7: routes.0.upstream.url"),
    ],
    "must not have a query or a fragment; they come from each request": [
        ("https://x?q", "4:7: routes.0.upstream.url"),
        ("https://x#f", "4:7: routes.0.upstream.url"),
    ],
    "has port 0; give the port that the upstream listens on": [
        ("https://x:0", "4:7: routes.0.upstream.url"),
    ],
    "is not a URL; write it as https://api.example.com": [
        ("https://x:99999", "4:7: routes.0.upstream.url"),
        ("https://[::g]", "4:7: routes.0.upstream.url"),
        ("https://[::1", "4:7: routes.0.upstream.url"),
    ],
    "has a host that is neither a name in ASCII nor an address, such as api.example.com": [
        ("https://exämple.com", "4:7: routes.0.upstream.url"),
        ("https://a..b", "4:7: routes.0.upstream.url"),
    ],
    (
        "must be a plain path: no query, space, dot segment, double slash or encoded slash, and '%' before "
        "two hex digits only"
    ): [
        ("https://x/a//b", "4:7: routes.0.upstream.url"),
        ("https://x/%2f", "4:7: routes.0.upstream.url"),
    ],
    "must be text; put a number, a date or a word with a meaning of its own in quotes": [
        ("5", "4:7: routes.0.upstream.url"),
    ],
    "must not be empty; leave it out for the default": [
        ("''", "4:7: routes.0.upstream.url"),
    ],
}


@pytest.mark.parametrize(("text", "told"), cases(SETTINGS))
def test_a_setting_outside_of_routes_is_told_with_its_place_and_what_to_do(
    tmp_path: Path, text: str, told: list[str]
) -> None:
    assert said(tmp_path, f"{text}\n{ROUTE}") == told


@pytest.mark.parametrize(("text", "told"), cases(URLS))
def test_a_url_that_is_no_upstream_is_told_and_never_repeated(tmp_path: Path, text: str, told: list[str]) -> None:
    assert said(tmp_path, of_upstream("", text)) == told
