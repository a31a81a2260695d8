"""What a store remembers of the secret of every digest, and who may join it.

Knows the one fact that is kept: a secret made here, or the check value of a configured one. Refuses to know where the
fact is kept, and never keeps a configured secret: a stolen store must not open the digests in it.
"""

import hmac
import secrets

from gateway.errors import StoreUnfit
from gateway.protocol.fingerprint import Digester

_MADE = b"\x01"
_CHECK = b"\x02"


def first_fact(configured: bytes | None) -> bytes:
    """The fact that a store without one keeps, if nobody else was first: 33 bytes."""
    return _MADE + secrets.token_bytes(32) if configured is None else _CHECK + _check_value(configured)


def agreed(fact: bytes, configured: bytes | None) -> bytes:
    """The secret in use by the kept ``fact``; ``StoreUnfit`` where the configured one is another."""
    kind, value = fact[:1], fact[1:]
    if kind == _MADE:
        if configured is None or hmac.compare_digest(configured, value):
            return value
        raise StoreUnfit(
            "the configured digest.key is not the one that this store made and keeps: "
            "its keys would be forgotten; remove digest.key, or use another store"
        )
    if kind != _CHECK:
        raise StoreUnfit("the store's fact about its digest key cannot be read: it is damaged, or of a newer version")
    if configured is None:
        raise StoreUnfit("this store was set up with a configured digest.key: configure the same one again")
    if not hmac.compare_digest(_check_value(configured), value):
        raise StoreUnfit("the configured digest.key is not the one that this store was set up with: configure that one")
    return configured


def replaces(fact: bytes, configured: bytes | None, *, accept_change: bool) -> bool:
    """Whether the kept ``fact`` has to give way, because the operator accepts that its keys are forgotten."""
    try:
        agreed(fact, configured)
    except StoreUnfit:
        return accept_change
    return False


def _check_value(secret: bytes) -> bytes:
    return Digester(secret).subkey("digest-key-check")
