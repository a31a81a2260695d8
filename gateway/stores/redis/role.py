"""What a Redis is to the gateways that use it, written in it where they all see it: ``ig:role``.

Knows the marker and who may begin under it. Refuses to know records. An authority's marker has an id of its own, made
when the first gateway came: a Redis that was emptied has none, or another one, and what it does not hold proves
nothing.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import StoreUnfit
from gateway.stores.redis.trips import Ask

KEY = "ig:role"
_AUTHORITY = "authority "
_FRONT = "front of "


@dataclass(frozen=True, slots=True)
class Role:
    """A marker, as it is written."""

    text: str

    @property
    def marker(self) -> bytes:
        """Its bytes."""
        return self.text.encode()


async def as_authority(ask: Ask) -> Role:
    """The marker of the authority that this Redis is, or becomes now; ``StoreUnfit`` where it is something else."""
    found = await _first(ask, f"{_AUTHORITY}{secrets.token_hex(8)}")
    if not found.text.startswith(_AUTHORITY):
        raise StoreUnfit(
            f"this Redis is marked as {found.text[:80]!r}, and must not grant claims too: "
            "choose another database, or empty this one once no gateway uses it"
        )
    return found


async def as_front(ask: Ask, authority: str, others: Sequence[str] = (), *, accept_change: bool = False) -> Role:
    """The marker of a front of that authority; ``StoreUnfit`` where this Redis is something else.

    ``others``: how the same authority is called by its other digest keys; the marker follows the first of them.
    ``accept_change``: a front of another authority changes sides. An authority never does: it has granted.
    """
    wanted = f"{_FRONT}{authority}"
    found = await _first(ask, wanted)
    is_own = found.text in [f"{_FRONT}{other}" for other in others]
    if is_own or (accept_change and found.text.startswith(_FRONT)):
        await ask("SET", KEY, wanted)
        return Role(wanted)
    if found.text != wanted:
        raise StoreUnfit(
            f"this Redis is marked as {found.text[:80]!r}, and cannot be {wanted!r} too: "
            "choose another database, or empty this one once no gateway uses it"
        )
    return found


async def _first(ask: Ask, wanted: str) -> Role:
    """The marker that was there, else ``wanted``."""
    kept: bytes | None = await ask("SET", KEY, wanted, "NX", "GET")
    return Role(wanted if kept is None else kept.decode("utf-8", "replace"))
