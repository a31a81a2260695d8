"""How people write upstreams, hosts, paths and stores, and what is said when they write them otherwise.

A path that the guard at the edge refuses, or a host that no request can name, would be a route that nothing ever
takes; so both are refused here. No sentence repeats a URL: it may hold a password.
"""

import re
from base64 import b64encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from gateway.config.files import parse_secret
from gateway.config.units import bare_host, parse_text
from gateway.policies.routing import Proxy

_HOST = re.compile(r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\.?")
_PATH = re.compile(r"(?:/(?!/)(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*")
_CONFUSING = re.compile(r"/(?:\.|%2e){1,2}(?=/|$)|%2f|%5c|%00", re.IGNORECASE)
_PATTERN = re.compile(r"/\*{1,2}(?=/|$)")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_PORTS = {"http": 80, "https": 443}

# How a server is written; what stands behind it is for the store to read.
POSTGRES = "postgres(ql)?://"
REDIS = r"rediss?(\+sentinel)?://|redis\+unix://"
STORE_URL = f"^(memory:|sqlite:///.+|file:///.+|{POSTGRES}|{REDIS})"


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """An upstream's base URL, in parts. ``path`` has no slash at its end."""

    scheme: str
    host: str
    port: int
    path: str


def parse_base_url(value: object) -> BaseUrl:
    """``http`` or ``https``, a host, perhaps a port and a base path; nothing that a request would have to add to."""
    text = parse_text(value)
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError("is not a URL; write it as https://api.example.com") from None
    if url.scheme not in _PORTS:
        raise ValueError("must begin with http:// or https://")
    if url.username is not None or url.password is not None:
        raise ValueError("must not hold a user or password; set them as a header in upstream.headers.set")
    if "?" in text or "#" in text:
        raise ValueError("must not have a query or a fragment; they come from each request")
    path = url.path.rstrip("/")
    if path:
        parse_path(path)
    return BaseUrl(url.scheme, _host(url), _PORTS[url.scheme] if port is None else _port(port), path)


def parse_proxy(value: object) -> Proxy:
    """An outbound proxy as its URL, or the file that holds it: it may have a user and a password in it."""
    text = parse_secret(value).decode("utf-8", "replace")
    if text.lower().startswith("socks"):
        raise ValueError("must be an HTTP proxy: SOCKS is not spoken here; write http://proxy.example.com:3128")
    if not text.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://, such as http://proxy.example.com:3128")
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError("is not a URL; write it as http://proxy.example.com:3128") from None
    if url.path not in ("", "/") or "?" in text or "#" in text:
        raise ValueError("must have nothing behind its port: no path, query or fragment")
    if port is None:
        raise ValueError("needs the proxy's port, such as http://proxy.example.com:3128")
    return Proxy(url.scheme, _host(url), _port(port), _basic(url))


def _basic(url: SplitResult) -> bytes:
    """The user and password of a URL as ``Proxy-Authorization`` has them (RFC 7617)."""
    if not url.username:
        if url.password:
            raise ValueError("has a password without a user; write user:password@ before the host")
        return b""
    user, password = unquote_to_bytes(url.username), unquote_to_bytes(url.password or "")
    if b":" in user:
        raise ValueError("has a colon in its user, which cannot be told (RFC 7617)")
    return b"Basic " + b64encode(user + b":" + password)


def _host(url: SplitResult) -> str:
    if not url.hostname:
        raise ValueError("has no host; write it as https://api.example.com")
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    if not _HOST.fullmatch(host) or ".." in host:
        raise ValueError("has a host that is neither a name in ASCII nor an address, such as api.example.com")
    return bare_host(host)


def _port(port: int) -> int:
    if port == 0:
        raise ValueError("has port 0; give the port that the upstream listens on")
    return port


def parse_origin(value: object) -> BaseUrl:
    """Scheme, host and port alone."""
    url = parse_base_url(value)
    if url.path:
        raise ValueError("must be an origin without a path, such as https://pay.example.com")
    return url


def parse_path(value: object) -> str:
    """A path as requests may have it: nothing that the edge refuses, or that two parsers would read differently."""
    text = parse_text(value)
    if not text.startswith("/"):
        raise ValueError("must begin with a slash, such as /v1/")
    if _PATTERN.search(text):
        raise ValueError(
            "must be a plain prefix, such as /v1/, which covers all that is below it; patterns are not known"
        )
    if not _PATH.fullmatch(text) or _CONFUSING.search(text):
        raise ValueError(
            "must be a plain path: no query, space, dot segment, double slash or encoded slash, and '%' before two"
            " hex digits only"
        )
    return text


def parse_strip_prefix(value: object) -> str:
    """A path, or nothing."""
    return "" if value == "" else parse_path(value)


def parse_match_host(value: object) -> str:
    """``HOST`` or ``HOST:PORT``, as callers send it in ``Host``; in lower case. Empty matches all."""
    if value == "":
        return ""
    text = parse_text(value)
    host, _, port = text.rpartition(":") if re.search(r":[0-9]{1,5}$", text) else (text, "", "")
    if not _HOST.fullmatch(host):
        raise ValueError("must be HOST or HOST:PORT as callers send it, such as pay.internal; patterns are not known")
    return f"{host}:{port}".lower() if port else host.lower()


def parse_problem_base(value: object) -> str:
    """What is put before a problem's name."""
    text = parse_text(value)
    if not re.match(r"https?://|urn:", text) or not text.isascii() or " " in text:
        raise ValueError("must begin with https://, http:// or urn:, in ASCII without spaces")
    if "@" in text.partition("://")[2].partition("/")[0]:
        raise ValueError("must not hold a user or password: callers see it")
    if text[-1] not in "/#:=":
        raise ValueError("must end with '/', '#', ':' or '=', because a problem's name is put right behind it")
    return text


def parse_sqlite_file(value: object) -> str:
    """The path of a file, as the system takes it."""
    text = parse_text(value)
    if text.startswith(("sqlite:", "file:")):
        raise ValueError("must be the path of a file, not a URL, such as ./idempotency-gateway.db")
    if text == ":memory:":
        raise ValueError("must be the path of a file; a store in memory is written memory: true, or --store memory:")
    if "?" in text:
        raise ValueError("must be the path of a file, without '?' and parameters: the gateway sets its own")
    if text.startswith("~"):
        raise ValueError("must be a path as the system has it: '~' is not expanded here")
    return text


def parse_postgres_url(value: object) -> str:
    """A Postgres as its URL, or the file that holds it, which is often a secret."""
    text = parse_secret(value).decode("utf-8", "replace")
    if not re.match(POSTGRES, text):
        raise ValueError("must begin with postgresql://")
    if not text.isascii() or re.search(r"\s", text):
        raise ValueError("must be ASCII without spaces; write other characters as %20")
    return _with_ports(text)


def parse_redis_url(value: object) -> str:
    """A Redis as its URL, or the file that holds it, which is often a secret."""
    text = parse_secret(value).decode("utf-8", "replace")
    if not re.match(REDIS, text):
        raise ValueError("must begin with redis://, rediss://, redis+sentinel://, rediss+sentinel:// or redis+unix://")
    return text if text.startswith("redis+unix:") else _with_ports(text)


def _with_ports(url: str) -> str:
    """A server's URL whose ports, of several hosts too, are numbers that a port can be."""
    hosts = url.partition("://")[2].partition("/")[0].partition("?")[0].rpartition("@")[2].split(",")
    for host in hosts:
        name, colon, port = host.rpartition(":")
        bare = not colon or (name.startswith("[") and not name.endswith("]"))
        if not bare and port and not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
            raise ValueError("has a port that is no number from 1 to 65535, or a password with '/', '?' or '#' in it")
    return url


def store_setting(urls: list[str]) -> dict[str, Any]:
    """The ``store:`` setting that URLs stand for."""
    setting: dict[str, Any] = {}
    for url in urls:
        name, value = _store(url)
        if name in setting:
            raise ValueError(f"names two {name} stores; keep one")
        setting[name] = value
    return setting


def _store(url: str) -> tuple[str, object]:
    found = _SCHEME.match(url)
    scheme = found[1].lower() if found else ""
    if url == "memory:":
        return "memory", True
    if scheme == "sqlite":
        if not url.startswith("sqlite:///") or url == "sqlite:///":
            raise ValueError("a SQLite store is written sqlite:///FILE, or sqlite:////absolute/FILE")
        return "sqlite", url.removeprefix("sqlite:///")
    # A file that holds the URL stays a file to whoever reads the setting: what it holds may be a password's.
    held = parse_secret(url).decode(errors="replace") if scheme == "file" else url
    if re.match(REDIS, held):
        return "redis", url
    if re.match(POSTGRES, held):
        return "postgres", url
    if scheme == "file":
        raise ValueError(f"the file {url.removeprefix('file://')} holds no postgresql:// or redis:// URL")
    # Without slashes it may be a password as well as a scheme.
    what = f"unknown scheme '{scheme}'" if "://" in url and scheme else "is not a store's URL"
    raise ValueError(f"{what}; give memory:, sqlite:///FILE, postgresql://USER@HOST/DATABASE or redis://HOST:PORT/DB")
