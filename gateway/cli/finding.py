"""Which record an operator means: by its id, by the beginning of one that was shown, or by a key's text."""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

from gateway.cli.asking import Admin
from gateway.errors import ConfigInvalid, NotDone

_ID = re.compile("[0-9a-f]{4,64}")
_WHOLE = 64

# As much of an id as lists and log lines show: no two records begin with the same 48 bits.
SHOWN = 12

# How far a beginning is looked for, among the newest of all records and of the unknown ones.
PAGE, PAGES = 500, 20


def find(admin: Admin, given: str | None, key: str | None) -> dict[str, Any]:
    """The one record that is meant, with its history."""
    if (given is None) == (key is None):
        raise ConfigInvalid("Give the record's ID, or --key TEXT.")
    if key is not None:
        return _only(admin.get("/api/keys", key=key)["keys"], "have this key")
    text = (given or "").lower()
    if not _ID.fullmatch(text):
        raise ConfigInvalid("The ID must be 4 to 64 hex digits, as keys list shows them; or give --key TEXT.")
    return admin.get(f"/api/keys/{text if len(text) == _WHOLE else _beginning(admin, text)}")


def _only(found: list[dict[str, Any]], why: str) -> dict[str, Any]:
    if not found:
        raise NotDone("No record has this key, in any namespace of the gateway's configuration.")
    if len(found) > 1:
        which = ", ".join(f"{each['id'][:SHOWN]} ({each['route']}, {each['state']})" for each in found)
        raise ConfigInvalid(f"{len(found)} records {why}: {which}; give the ID of one.")
    return found[0]


def _beginning(admin: Admin, text: str) -> str:
    found: dict[str, dict[str, Any]] = {}
    for record in chain(newest(admin, PAGES, state="unknown"), newest(admin, PAGES)):
        if record["id"].startswith(text):
            found[record["id"]] = record
            if len(text) >= SHOWN:
                break
    if not found:
        told = f"No record begins with {text}, among the {PAGE * PAGES} newest and as many unknown ones"
        raise NotDone(f"{told}; give the whole ID, or --key TEXT.")
    whole: str = _only(list(found.values()), f"begin with {text}")["id"]
    return whole


def newest(admin: Admin, pages: int, **wanted: str | None) -> Iterator[dict[str, Any]]:
    """Records, newest first, of at most so many pages."""
    cursor: str | None = None
    for _ in range(pages):
        page = admin.get("/api/keys", limit=PAGE, cursor=cursor, **wanted)
        yield from page["keys"]
        cursor = page["next"]
        if cursor is None:
            return
