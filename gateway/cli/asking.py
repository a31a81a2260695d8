"""The admin API as the command asks it: where it is, who asks, and what an answer that is none means to a person.

A token comes from a file or the environment, never from the command line, which others can read. Refuses to know what
is asked for.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx2

from gateway.cli import reaching
from gateway.config.files import parse_bearer_token
from gateway.config.load import admin_listen
from gateway.errors import ConfigInvalid, NotDone
from gateway.protocol.headers import STATUS

TOKEN = "IDEMPOTENCY_GATEWAY_TOKEN"  # noqa: S105 - the name of a variable

# In seconds: longer than a store takes to say that it does not answer.
PATIENCE = 30.0

# What of a request was wrong, so that asking again would change nothing.
_BAD_USE = frozenset({400, 401, 403, 413, 422})

# Of these, every answer of the API has one.
_OURS = frozenset({"keys", "fence", "looked_at"})


class Admin:
    """One gateway's admin API; a ``with`` block ends its connections."""

    def __init__(self, url: str, token: bytes | None) -> None:
        self.url = url
        self._token = token
        shown = {} if token is None else {"Authorization": f"Bearer {token.decode()}"}
        # No proxy of the environment's gets to see the token.
        self._client = httpx2.Client(base_url=url, headers=shown, timeout=PATIENCE, trust_env=False)

    @classmethod
    def at(cls, url: str | None, config: Path | None, token_file: Path | None, environ: Mapping[str, str]) -> "Admin":
        """Where ``--admin`` says, else where the configuration has the gateway listen."""
        where = reaching.given(url) if url is not None else reaching.listening(admin_listen(config, environ))
        return cls(where, _token(token_file, environ))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, **wanted: str | int | None) -> dict[str, Any]:
        """What is read there."""
        given = {name: value for name, value in wanted.items() if value is not None}
        return self._asked("GET", path, params=given)

    def decide(self, method: str, path: str, word: Mapping[str, object]) -> dict[str, Any]:
        """What a verb comes to."""
        return self._asked(method, path, json=word)

    def _asked(self, method: str, path: str, **what: Any) -> dict[str, Any]:  # noqa: ANN401 - the client's own types
        try:
            answer = self._client.request(method, path, **what)
        except httpx2.TransportError as fault:
            unsure = "" if method == "GET" else " What was asked may have been done: look at the record."
            told = f"{self.url} does not answer: {reaching.why(fault)}. Is a gateway's admin listener there?{unsure}"
            raise NotDone(told) from fault
        if STATUS.decode() in answer.headers:
            raise self._wrong_listener()
        members = _members(answer)
        if members is None or not members.keys() & ({"detail"} if answer.is_error else _OURS):
            raise NotDone(
                f"{self.url} answers {answer.status_code}, and not as an admin API does; give --admin its URL."
            )
        if answer.is_error:
            raise self._refusal(answer.status_code, str(members.get("type")), str(members["detail"]))
        return members

    def _wrong_listener(self) -> NotDone:
        return NotDone(f"{self.url} is a gateway's data listener; give --admin the URL of its admin listener.")

    def _refusal(self, status: int, kind: str, detail: str) -> ConfigInvalid | NotDone:
        if kind.endswith("no-route"):
            return self._wrong_listener()
        if status == 401 and self._token is None:
            return ConfigInvalid(
                f"{self.url} wants a token, and none was given: give --token-file FILE, or set {TOKEN}."
            )
        if status == 401:
            told = (
                "does not know the token that was given: it is none of admin.tokens, or the gateway was started without"
            )
            return ConfigInvalid(f"{self.url} {told} it.")
        return ConfigInvalid(detail) if status in _BAD_USE else NotDone(detail)


def _members(answer: httpx2.Response) -> dict[str, Any] | None:
    try:
        found = answer.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None
    return found if isinstance(found, dict) else None


def _token(file: Path | None, environ: Mapping[str, str]) -> bytes | None:
    given, source = environ.get(TOKEN), f"environment {TOKEN}"
    if file is not None:
        given, source = f"file://{file.absolute()}", "option --token-file"
    try:
        return parse_bearer_token(given).value if given else None
    except ValueError as fault:
        raise ConfigInvalid(f"{source}: {fault}.") from None
