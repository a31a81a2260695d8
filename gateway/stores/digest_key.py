"""What a store remembers of the secrets of its digests, and with which list of them a gateway may join it.

Knows the one fact that is kept: of each key that the gateway which started last had listed, in its order, the secret
that was made here or the check value of a configured one. Refuses to know where the fact is kept, and never keeps a
configured secret: a stolen store must not open the digests in it.

A list may differ from the one before it in its order, or in the keys behind the first, not in both: two gateways with
such lists never both grant one key (law 14 of ``protocol.claims``). So a rotation goes from ``[old]`` over
``[old, new]`` and ``[new, old]`` to ``[new]``, the last once no record is left that was made under the old one. Each
step has to be complete, on every gateway, before the next one begins.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from gateway.errors import StoreUnfit
from gateway.protocol.fingerprint import Digester
from gateway.protocol.model import KEY_NAME

_MADE, _CONFIGURED = b"\x01", b"\x02"
_ENTRY = 33


@dataclass(frozen=True, slots=True)
class Agreement:
    """The digests to use, the fact that says so from now on, and the names of the keys that it lists no more."""

    digester: Digester
    fact: bytes
    dropped: tuple[bytes, ...]


def first_fact(configured: Sequence[bytes | None]) -> bytes:
    """The fact that a store without one keeps, if nobody else was first; ``None`` is the key that the store makes."""
    return b"".join(_MADE + secrets.token_bytes(32) if key is None else _told(key) for key in configured)


def agree(fact: bytes, configured: Sequence[bytes | None], *, accept_change: bool = False) -> Agreement:
    """How a gateway with the ``configured`` keys joins the store that keeps ``fact``; ``StoreUnfit`` where it may not.

    ``accept_change``: they take over whatever was there, because the operator accepts that its keys are forgotten.
    """
    kept = _entries(fact)
    own = next((entry[1:] for entry in kept if entry[:1] == _MADE), None)
    keys = [own or secrets.token_bytes(32) if key is None else key for key in configured]
    digester = Digester(keys[0], tuple(map(Digester, keys[1:])))
    if len({each.name for each in digester.all}) != len(keys):
        raise StoreUnfit("two of digest.keys are the same, or share a name by chance: make another one")
    before, now = [_check(entry) for entry in kept], [each.check for each in digester.all]
    if not accept_change and (not kept or before[0] != now[0]) and set(before) != set(now):
        raise StoreUnfit(_complaint(kept, configured, before, now))
    given = zip(keys, configured, strict=True)
    entries = [_MADE + key if asked is None or key == own else _told(key) for key, asked in given]
    dropped = [check[:KEY_NAME] for check in before if check not in now]
    return Agreement(digester, b"".join(entries), () if accept_change else tuple(dropped))


@dataclass(frozen=True, slots=True)
class Facts:
    """Where a store keeps the fact, and how it looks for records.

    ``first`` keeps a fact unless there is one, ``change`` one in the place of another unless somebody was quicker; both
    return the fact as it stands then. ``needed``: whether there are records that were made under a key of this name.
    """

    first: Callable[[bytes], Awaitable[bytes]]
    change: Callable[[bytes, bytes], Awaitable[bytes]]
    needed: Callable[[bytes], Awaitable[bool]]


async def join(facts: Facts, configured: Sequence[bytes | None], *, accept_change: bool) -> Digester:
    """The digests of a store, whose fact says by now that this gateway's keys are listed; else ``StoreUnfit``."""
    fact = await facts.first(first_fact(configured))
    while True:
        agreed = agree(fact, configured, accept_change=accept_change)
        for name in agreed.dropped:
            if await facts.needed(name):
                raise StoreUnfit(
                    "records of this store were made under a digest key that is not in digest.keys any more, and no "
                    "call would meet them: list it behind the first until retention has forgotten the last of them"
                )
        if agreed.fact == fact:
            return agreed.digester
        fact = await facts.change(fact, agreed.fact)
        if agreed.fact == fact:
            return agreed.digester


def _complaint(
    kept: Sequence[bytes], configured: Sequence[bytes | None], before: Sequence[bytes], now: Sequence[bytes]
) -> str:
    """Why the lists are more than one step apart."""
    if not kept:
        return "the store's fact about its digest keys cannot be read: it is damaged, or of a newer version"
    if len(before) == len(now) == 1:
        if kept[0][:1] == _MADE:
            return (
                "the configured digest.key is not the one that this store made and keeps: its keys would be forgotten; "
                "remove digest.key, or rotate: digest.keys with store first and the new key behind it"
            )
        if configured[0] is None:
            return "this store was set up with a configured digest.key: configure the same one again"
        return (
            "the configured digest.key is not the one that this store was set up with: configure that one, "
            "or rotate: digest.keys with that one first and the new key behind it"
        )
    if now[0] not in before:
        return (
            "the first of digest.keys is new to this store: put it behind the one in use, restart every gateway, "
            "and only then put it first"
        )
    if before[0] not in now:
        return (
            "digest.keys lacks the key that gateways of this store make new records with: list it behind the first, "
            "restart every gateway, and drop it when no record needs it any more"
        )
    return "digest.keys differs from the list in use in its order and in its keys: change one of both, then the other"


def _entries(fact: bytes) -> Sequence[bytes]:
    """Kind and value of each key; none where the fact cannot be read."""
    entries = [fact[at : at + _ENTRY] for at in range(0, len(fact), _ENTRY)]
    whole = all(len(entry) == _ENTRY and entry[:1] in (_MADE, _CONFIGURED) for entry in entries)
    return entries if whole else ()


def _check(entry: bytes) -> bytes:
    return Digester(entry[1:]).check if entry[:1] == _MADE else entry[1:]


def _told(secret: bytes) -> bytes:
    """A configured key, as it is kept."""
    return _CONFIGURED + Digester(secret).check
