"""Calls straight at a store, without HTTP: first calls and replays of a small charge, many at once.

Knows what a call is to a store and what it must hear. Refuses to know which store it is. Ids are as spread as digests
are, and yet nobody remembers them: each is made of a name and a number.
"""

import asyncio
import hashlib
import os
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from gateway.policies.policy import Policy
from gateway.ports import Store
from gateway.protocol.model import (
    Claim,
    Complete,
    Granted,
    Identity,
    Recipe,
    RecordId,
    Replay,
    Retention,
    Settled,
    StoredResponse,
)
from loadtests.load import Tally

# How long a store may take here: what is slow is measured, and not given up.
PATIENCE = timedelta(seconds=30)

# What a payments API says to a charge: 10 fields and 321 bytes.
ANSWER = StoredResponse(
    201,
    (
        (b"Date", b"Tue, 24 Nov 2026 10:00:00 GMT"),
        (b"Content-Type", b"application/json; charset=utf-8"),
        (b"Content-Length", b"321"),
        (b"Cache-Control", b"no-cache, no-store"),
        (b"Request-Id", b"req_8fJq2LmPzX41cV"),
        (b"Api-Version", b"2026-09-30"),
        (b"Location", b"/v1/charges/ch_3PqLkJ2eZvKYlo2C1x9s"),
        (b"Strict-Transport-Security", b"max-age=63072000; includeSubDomains"),
        (b"Vary", b"Origin"),
        (b"X-RateLimit-Remaining", b"4711"),
    ),
    b'{"id":"ch_3PqLkJ2eZvKYlo2C1x9s","object":"charge","amount":1250,"currency":"eur","status":"succeeded",'
    b'"created":1795514400,"captured":true,"customer":"cus_QhT5b7xWm2","description":"Order 100482",'
    b'"payment_method":"pm_1PqLkJ2eZvKYlo2C","receipt_url":"https://pay.example.com/receipts/ch_3PqLkJ2eZvKYlo2C",'
    b'"refunded":false}',
)
RETENTION = Policy().retention
_LEASE = timedelta(seconds=95)
_IDENTITY = Identity(Recipe(), hashlib.sha256(b"caller").digest(), hashlib.sha256(b"request").digest())


def id_of(name: str, number: int) -> RecordId:
    """The id of the call of that name and number."""
    return RecordId(hashlib.sha256(b"%s/%d" % (name.encode(), number)).digest())


def claim_of(record_id: RecordId, retention: Retention = RETENTION) -> Claim:
    """A claim of one small charge, always the same one."""
    return Claim(
        id=record_id,
        owner=os.urandom(16),
        identity=_IDENTITY,
        lease=_LEASE,
        retention=retention,
        identify=lambda recipe: replace(_IDENTITY, recipe=recipe),
        route="payments",
    )


async def first_call(store: Store, claim: Claim) -> float:
    """Claims and completes; how long the claim took, in seconds."""
    begun = time.perf_counter()
    verdict = await store.claim(claim)
    took = time.perf_counter() - begun
    assert isinstance(verdict, Granted), verdict
    settled = await store.settle(verdict.grant, Complete(ANSWER))
    assert isinstance(settled, Settled), settled
    return took


async def replay(store: Store, record_id: RecordId) -> float:
    """Claims what is completed; how long it took to hear the answer, in seconds."""
    begun = time.perf_counter()
    verdict = await store.claim(claim_of(record_id))
    assert isinstance(verdict, Replay), verdict
    assert verdict.response == ANSWER, verdict
    return time.perf_counter() - begun


@dataclass
class Keys:
    """Calls of one name: new ones, and those that were made."""

    name: str
    made: int = 0

    def new(self) -> RecordId:
        """One that nobody has called yet."""
        self.made += 1
        return id_of(self.name, self.made)

    def old(self) -> RecordId:
        """Any that was called."""
        return id_of(self.name, random.randint(1, self.made))


async def crowd(call: Callable[[], Awaitable[float]], callers: int, going: Callable[[], bool]) -> Tally:
    """So many callers, each of whom calls again as soon as it is answered, for as long as it goes on."""
    tally, begun = Tally(), time.perf_counter()

    async def calling() -> None:
        while going():
            tally.times.append(await call())
            tally.calls += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(calling())
    tally.seconds = time.perf_counter() - begun
    return tally


async def timed(work: Awaitable[object]) -> float:
    """How long it takes, in seconds."""
    begun = time.perf_counter()
    await work
    return time.perf_counter() - begun


def lasting(seconds: float) -> Callable[[], bool]:
    """Goes on for so many seconds from now."""
    until = time.perf_counter() + seconds
    return lambda: time.perf_counter() < until


def first_calls(store: Store, keys: Keys) -> Callable[[], Awaitable[float]]:
    """Each the first call of a new key."""
    return lambda: first_call(store, claim_of(keys.new()))


def replays(store: Store, known: Callable[[], RecordId]) -> Callable[[], Awaitable[float]]:
    """Each a repetition of a known one."""
    return lambda: replay(store, known())
