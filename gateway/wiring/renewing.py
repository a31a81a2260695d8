"""Which settings are made of files, and what is exchanged when such a file changes (``rereading``).

Knows where each of them counts in this process. Refuses to know when a file is looked at, and what a call is.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from gateway.admin.auth import Door
from gateway.config.configuration import AdminToken
from gateway.config.files import parse_bearer_token, parse_header_value
from gateway.policies.added import Added
from gateway.policies.routing import Route, Target, Tls
from gateway.rereading import Exchange, Source, digest_of

Renew = Callable[[], Exchange]


def of_fields(routes: Sequence[Route]) -> Iterator[Source]:
    """Fields that routes set upstream."""
    for index, route in enumerate(routes):
        yield from _of_added(route.target.added, f"routes.{index}.upstream.headers.set")


def of_questions(routes: Sequence[Route]) -> Iterator[Source]:
    """Fields of what upstreams are asked about unknown calls."""
    for index, route in enumerate(routes):
        if (reconcile := route.policy.reconcile) is not None:
            yield from _of_added(reconcile.asking.added, f"routes.{index}.policy.reconcile.request.headers")


def of_tls(place: str, files: Iterable[str | None], renew: Renew) -> Iterator[Source]:
    """A TLS identity, and who is trusted. Call it before the files are read for the first time."""
    named = tuple(file for file in files if file is not None)
    if named:
        yield Source(place, named, renew, digest_of(named))


def files_of(tls: Tls) -> tuple[str | None, ...]:
    """What an identity, and those that are trusted, are read from."""
    return tls.ca, tls.certificate, tls.key


def tls_of(target: Target, url: str) -> Iterator[str | None]:
    """Which files connections to ``url`` on the way of a route begin with."""
    if url.startswith("https:"):
        yield from files_of(target.tls)
    if target.proxy is not None and target.proxy.scheme == "https":
        yield target.proxy.ca


def of_tokens(tokens: Sequence[AdminToken], door: Door) -> Iterator[Source]:
    """The secrets of operators."""
    held = list(tokens)

    def put(index: int, secret: bytes) -> None:
        held[index] = replace(held[index], secret=secret)
        door.exchange(held)

    def read(index: int, file: str) -> Exchange | None:
        secret = parse_bearer_token(f"file://{file}").value
        if secret == held[index].secret:
            return None
        for other, token in enumerate(held):
            if other != index and token.secret == secret:
                raise ValueError(f"names {file}, which holds the secret of token {other} too; make another one")
        return partial(put, index, secret)

    for index, token in enumerate(tokens):
        if token.file is not None:
            yield Source(f"admin.tokens.{index}.token", (token.file,), partial(read, index, token.file))


def _of_added(added: Added, place: str) -> Iterator[Source]:
    def read(name: bytes, file: str) -> Exchange | None:
        value = parse_header_value(f"file://{file}").value
        return None if value == added.value(name) else partial(added.exchange, name, value)

    for name, file in added.files.items():
        yield Source(f"{place}.{name.decode()}", (file,), partial(read, name, file))
