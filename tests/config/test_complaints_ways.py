"""What is said of the way to an upstream, and where; what a good one becomes; and that no proxy's password is told."""

from base64 import b64encode
from pathlib import Path

import pytest

from gateway.policies.routing import Proxy, Target
from tests.config.reading import cases, loaded, of_policy, of_upstream, said

PLACE = "5:7: routes.0.upstream.proxy"
WAYS = {
    "must be an HTTP proxy: SOCKS is not spoken here; write http://proxy.example.com:3128": [
        ("proxy: socks5://proxy:1080", PLACE),
        ("proxy: SOCKS5h://proxy:1080", PLACE),
    ],
    "must begin with http:// or https://, such as http://proxy.example.com:3128": [
        ("proxy: proxy:3128", PLACE),
        ("proxy: ftp://proxy:3128", PLACE),
    ],
    "is not a URL; write it as http://proxy.example.com:3128": [
        ("proxy: http://proxy:x", PLACE),
        ("proxy: 'http://[::1'", PLACE),
    ],
    "must have nothing behind its port: no path, query or fragment": [
        ("proxy: http://proxy:3128/x", PLACE),
        ("proxy: http://proxy:3128?x", PLACE),
    ],
    "needs the proxy's port, such as http://proxy.example.com:3128": [("proxy: http://proxy", PLACE)],
    "has port 0; give the port that the upstream listens on": [("proxy: http://proxy:0", PLACE)],
    "has a host that is neither a name in ASCII nor an address, such as api.example.com": [
        ("proxy: http://pröxy:3128", PLACE),
    ],
    "has a password without a user; write user:password@ before the host": [("proxy: 'http://:p@proxy:3128'", PLACE)],
    "has a colon in its user, which cannot be told (RFC 7617)": [("proxy: http://a%3Ab:c@proxy:3128", PLACE)],
    "must be a secret in quotes, or file:///path of a file that holds it": [("proxy: 3128", PLACE)],
    "names '/none/proxy', which cannot be read: No such file or directory": [("proxy: file:///none/proxy", PLACE)],
    "has no effect: there is no proxy whose URL begins with https://; remove it, or add one": [
        ("proxy_ca: file:///etc/hosts", "5:7: routes.0.upstream.proxy_ca"),
        ("proxy_ca: file:///etc/hosts\nproxy: http://proxy:3128", "5:7: routes.0.upstream.proxy_ca"),
    ],
    'has no effect: HTTP/1.1 has no refusals; remove it, or write http: "2"': [
        ("believe_refusals: true", "5:7: routes.0.upstream.believe_refusals"),
        ("believe_refusals: false\nhttp: 1.1", "5:7: routes.0.upstream.believe_refusals"),
    ],
    'must be "1.1" or "2"': [
        ("http: 3", "5:7: routes.0.upstream.http"),
        ("http: true", "5:7: routes.0.upstream.http"),
        ("http: h2", "5:7: routes.0.upstream.http"),
    ],
    (
        "cannot be kept with a proxy, which looks up the upstream's name and connects to it; have the proxy refuse "
        "them, and remove the setting here"
    ): [
        (
            "refuse_private_addresses: true\nproxy: http://proxy:3128",
            "5:7: routes.0.upstream.refuse_private_addresses",
        ),
    ],
}


@pytest.mark.parametrize(("text", "told"), cases(WAYS))
def test_a_way_is_told_with_its_place_and_what_to_do(tmp_path: Path, text: str, told: list[str]) -> None:
    assert said(tmp_path, of_upstream(text)) == told


def target(folder: Path, text: str, url: str = "https://u") -> Target:
    return loaded(folder, of_upstream(text, url)).routes.routes[0].target


def test_a_proxy_is_where_it_listens_and_what_it_is_told(tmp_path: Path) -> None:
    known = b"Basic " + b64encode(b"gate way:p@ss:word")
    (tmp_path / "proxy").write_text("https://gate%20way:p%40ss%3Aword@proxy.example:8443/\n")
    assert target(tmp_path, "proxy: http://[::1]:3128").proxy == Proxy("http", "::1", 3128)
    told = target(tmp_path, f"proxy: file://{tmp_path}/proxy\nproxy_ca: file:///etc/hosts").proxy
    assert told == Proxy("https", "proxy.example", 8443, known, "/etc/hosts")
    assert target(tmp_path, "").proxy is None


def test_a_protocol_is_text_or_a_number(tmp_path: Path) -> None:
    for text, http2 in (("", False), ("http: 1.1", False), ("http: 2", True), ("http: '2'", True)):
        assert target(tmp_path, text).http2 is http2


def test_refusals_are_believed_where_an_operator_says_so_alone(tmp_path: Path) -> None:
    for text, believed in (("", False), ("\nbelieve_refusals: true", True), ("\nbelieve_refusals: false", False)):
        assert target(tmp_path, f"http: 2{text}").believe_refusals is believed


def test_a_proxy_forwards_no_http2(tmp_path: Path) -> None:
    by = "http: 2\nproxy: http://proxy:3128"
    told = "cannot be spoken through a proxy to a URL that begins with http://, which is forwarded as HTTP/1.1"
    place = "5:7: routes.0.upstream.http"
    assert said(tmp_path, of_upstream(by, "http://u")) == [f'{place}: {told}; write https://, or http: "1.1"']
    assert said(tmp_path, of_upstream(by)) == []


def test_no_password_of_a_proxy_is_shown_or_told(tmp_path: Path) -> None:
    secret = "hunter2canary"
    shown = repr(loaded(tmp_path, of_upstream(f"proxy: http://u:{secret}@proxy:3128")))
    told = said(tmp_path, of_upstream(f"proxy: 'http://u:{secret}@proxy:x'\nproxy_ca: '{secret}'"))
    encoded = b64encode(f"u:{secret}".encode()).decode()
    assert told
    assert not [text for text in (shown, *told) if secret in text or encoded in text]


def test_a_proxy_that_forwards_proves_by_407_that_it_did_not(tmp_path: Path) -> None:
    """Unless somebody has said what proves; and in a tunnel a 407 can only be the upstream's own."""

    def proofs(text: str) -> frozenset[int]:
        return loaded(tmp_path, text).routes.routes[0].policy.terms.not_executed

    default = proofs(of_upstream(""))
    by = "proxy: http://proxy:3128"
    assert 407 not in default
    assert proofs(of_upstream(by)) == default
    assert proofs(of_upstream(by, "http://u")) == default | {407}
    set_ = of_upstream(by, "http://u") + "    policy: {not_executed_statuses: [429]}\n"
    doubted = of_upstream(by, "http://u") + "    policy: {unknown_statuses: [407]}\n"
    assert proofs(set_) == {429}
    assert proofs(doubted) == default
    assert proofs(of_policy("key: {required: true}")) == default
