"""Who asks on the operator's listener, and whether they may.

With tokens configured: ``Authorization: Bearer``, or the page's session. Without: this machine alone, and only by a
name of its own, because a page elsewhere may have its name resolve to 127.0.0.1. A verb that a browser sends has to
come from the gateway's own page. Refuses to know what is asked for.
"""

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from gateway.admin import problems
from gateway.admin.problems import Problem
from gateway.admin.sessions import COOKIE, Sessions
from gateway.config.configuration import AdminToken, Role
from gateway.policies.routing import host_without_port
from gateway.protocol.dossier import LOOPBACK
from gateway.protocol.fingerprint import Digester

_BEARER = re.compile(r"bearer +([!-~]+)", re.IGNORECASE)

# Whoever relays a request for somebody else says so in one of these.
_RELAYED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks: an operator's name for histories and log lines, and what they may do."""

    name: str
    role: Role


class Door:
    """Lets in whoever may come in. Its secrets are ``digester``'s, so that all gateways on one store agree."""

    def __init__(self, tokens: Sequence[AdminToken], digester: Digester) -> None:
        self._secret = digester.subkey("admin-token/1")
        self._of_sessions = [each.subkey("admin-session/1") for each in digester.all]
        self.exchange(tokens)

    def exchange(self, tokens: Sequence[AdminToken]) -> None:
        """Who may come in from now on. A session ends with the secret that it was exchanged for."""
        self._tokens = [(self._digest(token.secret), token) for token in tokens]
        self._sessions = [Sessions(each, tokens) for each in self._of_sessions]

    @property
    def open_to_this_machine(self) -> bool:
        """Whether no tokens are configured, so that nobody has to show one."""
        return not self._tokens

    def admit(self, connection: HTTPConnection, need: Role) -> Who | Problem:
        """Who asks, or why not. A request with an unsafe method must not come from somebody else's page."""
        who = self._who(connection)
        if isinstance(who, Problem):
            return who
        if connection.scope["method"] not in _SAFE and not _own_page(connection):
            return problems.foreign_origin()
        return problems.role_too_small(who.name) if need is Role.SETTLE and who.role is Role.READ else who

    def sign_in(self, connection: HTTPConnection, secret: str) -> tuple[str, str] | Problem:
        """A name, and the value of a cookie, in exchange for a token's secret."""
        if not _own_page(connection):
            return problems.foreign_origin()
        token = self._token(secret.encode())
        return problems.token_wrong() if token is None else (token.name, self._sessions[0].ticket(token))

    def _who(self, connection: HTTPConnection) -> Who | Problem:
        if self.open_to_this_machine:
            return Who(LOOPBACK, Role.SETTLE) if _local(connection) else problems.not_local()
        shown = connection.headers.getlist("authorization")
        if shown:
            found = _BEARER.fullmatch(shown[0]) if len(shown) == 1 else None
            token = self._token(found[1].encode()) if found else None
            return problems.token_wrong() if token is None else Who(token.name, token.role)
        ticket = connection.cookies.get(COOKIE)
        if ticket is None:
            return problems.token_missing()
        # A cookie comes with every request of the browser, whoever made it do so.
        if connection.scope["method"] not in _SAFE and "origin" not in connection.headers:
            return problems.foreign_origin()
        token = next((token for each in self._sessions if (token := each.holder(ticket))), None)
        return problems.session_over() if token is None else Who(token.name, token.role)

    def _token(self, secret: bytes) -> AdminToken | None:
        """Compared with every token in the time of all, so that time tells nothing."""
        shown, found = self._digest(secret), None
        for digest, token in self._tokens:
            found = token if hmac.compare_digest(digest, shown) else found
        return found

    def _digest(self, secret: bytes) -> bytes:
        return hmac.digest(self._secret, secret, "sha256")


def _own_page(connection: HTTPConnection) -> bool:
    """Whether it comes from no page at all, or from one that this very host served (RFC 6454, section 7)."""
    origins, hosts = connection.headers.getlist("origin"), connection.headers.getlist("host")
    if connection.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    return not origins or (len(origins) == len(hosts) == 1 and urlsplit(origins[0]).netloc == hosts[0].lower())


def _local(connection: HTTPConnection) -> bool:
    """Whether the peer is this machine, and was told to ask here by a name that is this machine's alone."""
    peer, hosts = connection.client, connection.headers.getlist("host")
    if peer is None or len(hosts) != 1 or any(name in connection.headers for name in _RELAYED):
        return False
    host = host_without_port(hosts[0].lower())
    return is_loopback(peer.host) and is_loopback(host.removeprefix("[").removesuffix("]"))


def is_loopback(text: str) -> bool:
    """Whether an address, or ``localhost``, is this machine's alone."""
    if text == "localhost":
        return True
    try:
        address: IPv4Address | IPv6Address = ip_address(text)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
