"""The keys of an issuer: read when old or for a new name, one reading at a time, kept while nobody answers."""

import asyncio
import time
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.callers.jwk import LARGEST_SET
from gateway.callers.token_keys import PAUSE, Reading, TokenKeys, reading
from gateway.policies.tokens import KeyPlace, Tokens
from gateway.protocol.observations import InternalFault, TokenKeysRead, TokenKeysUnread
from gateway.proxying.client import HttpInquirer
from tests.callers.issuer import AUDIENCE, NAME, Publishing, Seen, jwk, key, published, whole_set

RULE = Tokens(KeyPlace("file", refresh=timedelta(seconds=60)), NAME, AUDIENCE)


def test_a_new_name_is_asked_for_once_by_however_many_and_then_not_for_a_while() -> None:
    async def play() -> None:
        gate, place = asyncio.Event(), Publishing()

        async def slow() -> bytes:
            await gate.wait()
            return await place()

        seen = Seen()
        keys = TokenKeys(RULE, slow, seen)
        finding = [asyncio.create_task(keys.find(name, "ES256")) for name in ("EC", "EC", "new", "newer")]
        await asyncio.sleep(0)
        gate.set()
        found = await asyncio.gather(*finding)
        assert [each is None for each in found] == [False, False, True, True]
        assert place.read == 1
        place.document = published(jwk(key("EC", 1), "new"))
        assert await keys.find("new", "ES256") is None, "asked a moment ago"
        assert place.read == 1
        keys._tried_at -= PAUSE
        assert await keys.find("new", "ES256") is not None
        assert await keys.find("EC", "ES256") is None, "it was taken back"
        assert place.read == 2
        assert seen.all == [TokenKeysRead(3), TokenKeysRead(1)]

    asyncio.run(play())


def test_keys_count_on_while_nobody_answers_until_they_are_too_old() -> None:
    async def play() -> None:
        place, seen = Publishing(), Seen()
        keys = TokenKeys(RULE, place, seen)
        assert await keys.find("EC", "ES256") is not None
        place.silent = True
        keys._tried_at -= PAUSE
        with pytest.raises(LookupError):
            await keys.find("new", "ES256")
        assert await keys.find("EC", "ES256") is not None
        keys._read_at -= 3600
        with pytest.raises(LookupError):
            await keys.find("EC", "ES256")
        place.silent = False
        keys._tried_at -= PAUSE
        assert await keys.find("EC", "ES256") is not None
        assert seen.all == [TokenKeysRead(3), TokenKeysUnread("no answer: unreachable")], "told once"

    asyncio.run(play())


def test_a_call_waits_a_second_for_keys_that_do_not_come() -> None:
    async def play() -> float:
        async def never() -> bytes:
            await asyncio.Event().wait()
            return b""

        keys = TokenKeys(RULE, never, Seen())
        keeping = asyncio.create_task(keys.keep_reading())
        before = time.monotonic()
        with pytest.raises(LookupError):
            await asyncio.wait_for(keys.find("EC", "ES256"), 20)
        waited = time.monotonic() - before
        keeping.cancel()
        await asyncio.wait([keeping])
        assert keys._under_way is None, "nothing is left behind"
        return waited

    assert asyncio.run(play()) > 0.9


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (b"<html>", "is no set of keys: a JSON object with a list named keys"),
        (b"[" * 100_000, "is no set of keys: a JSON object with a list named keys"),
        (b"[]", "is no set of keys: a JSON object with a list named keys"),
        (b'{"keys": {}}', "is no set of keys: what it names keys is no list"),
    ],
)
def test_what_is_no_set_of_keys_changes_nothing_and_one_without_keys_takes_them_all_back(
    document: bytes, told: str
) -> None:
    async def play() -> None:
        place, seen = Publishing(), Seen()
        keys = TokenKeys(RULE, place, seen)
        assert await keys.find("RSA", "RS256") is not None
        place.document = document
        await asyncio.wait([keys._read()])
        assert await keys.find("RSA", "RS256") is not None
        place.document = b'{"keys": [{"kty": "oct"}, 5]}'
        await asyncio.wait([keys._read()])
        with pytest.raises(LookupError):
            await keys.find("RSA", "RS256")
        none = TokenKeysUnread("the set has no key with a kid that is for RS256 or ES256 or EdDSA")
        assert seen.all == [TokenKeysRead(3), TokenKeysUnread(told), TokenKeysRead(0), none]

    asyncio.run(play())


def test_a_fault_of_the_gateways_own_is_told_and_ends_no_reading() -> None:
    async def play() -> None:
        async def broken() -> bytes:
            raise RuntimeError("broken")

        seen = Seen()
        keys = TokenKeys(RULE, broken, seen)
        with pytest.raises(LookupError):
            await keys.find("RSA", "RS256")
        assert [type(each) for each in seen.all] == [InternalFault, TokenKeysUnread]

    asyncio.run(play())


def test_a_file_is_read_like_a_url_and_what_is_wrong_with_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    read = reading(KeyPlace(str(path)), HttpInquirer())
    path.write_bytes(whole_set())
    assert asyncio.run(_once(read)) == whole_set()
    path.write_bytes(b" " * (LARGEST_SET + 1))
    with pytest.raises(ValueError, match="larger than 256KiB"):
        asyncio.run(_once(read))
    path.unlink()
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        asyncio.run(_once(read))


async def _once(read: Reading) -> bytes:
    return await read()
