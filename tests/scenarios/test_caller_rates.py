"""Callers who call too often, or try one key after the other: they are told to wait before anything is looked up."""

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.protocol.fingerprint import key_digest
from tests.raw import connect
from tests.redis_servers import BINARIES, IN_MEMORY, RedisServer, start
from tests.stage import Heard, Stage, playing
from tests.upstream import Upstream

SHOP, BAR = "igk_the-key-of-the-shop-01", "igk_the-key-of-the-bar-002"
HEADER = "X-Gateway-Key"
DIGESTS = {key: f"sha256:{key_digest(key.encode()).hex()}" for key in (SHOP, BAR)}
CALLERS = f"""
callers:
  - {{name: shop, key: {DIGESTS[SHOP]}, quotas: {{rate: 5/h}}}}
  - {{name: bar, key: {DIGESTS[BAR]}}}
"""


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = start(BINARIES["valkey"], *IN_MEMORY, folder=tmp_path)
    yield server
    server.kill()


def post(stage: Stage, key: str, caller: str) -> Heard:
    return stage.post(key, b"{}", (HEADER, caller))


def test_a_caller_who_calls_too_often_is_told_when_to_come_back_and_others_are_not(
    upstream: Upstream, tmp_path: Path
) -> None:
    with playing(upstream, "memory:", tmp_path, CALLERS) as stage:
        assert [post(stage, f"k-{number}", SHOP).told for number in range(5)] == ["201 executed"] * 5
        for heard in (
            post(stage, "k-0", SHOP),
            post(stage, "new", SHOP),
            stage.send("GET", "/", (HEADER, SHOP), body=None),
        ):
            assert heard.told == "429 rejected rate-limited", "a known key gets no replay either"
            assert heard.get("retry-after") == "720"
            assert heard.problem["retryable"] is True
        assert post(stage, "k", BAR).told == "201 executed"
        labels = 'caller="shop",reason="rate",route="api"'
        assert stage.metric(f"idempotency_gateway_caller_refusals_total{{{labels}}}") == 3
        assert len(stage.upstream.log) == 6


def own(folder: Path, name: str) -> Path:
    """A folder of its own for one gateway."""
    (folder / name).mkdir()
    return folder / name


def test_gateways_with_one_redis_share_a_callers_rate(upstream: Upstream, redis: RedisServer, tmp_path: Path) -> None:
    with ExitStack() as stack:
        text = f"{CALLERS}digest: {{key: one secret of all gateways}}\nlimits: {{redis: '{redis.url}'}}"
        one, other = (stack.enter_context(playing(upstream, "memory:", own(tmp_path, name), text)) for name in "ab")
        told = Counter(post((one, other)[number % 2], f"k-{number}", SHOP).told for number in range(20))
        alone = sum(stage.metric("idempotency_gateway_rates_counted_alone_total") for stage in (one, other))
        assert 5 <= told["201 executed"] <= 5 + alone, (
            "a call that the Redis did not answer in time is counted elsewhere"
        )
        redis.kill()
        assert post(other, "k", BAR).told == "201 executed"
        assert post(other, "n", SHOP).told in ("201 executed", "429 rejected rate-limited"), "and never a fault"


def pipelined(connection: socket.socket, requests: list[bytes]) -> Counter[bytes]:
    """One after the other on one connection, some at a time; how often each status came."""
    statuses: Counter[bytes] = Counter()
    with connection.makefile("rb") as answers:
        for number, _ in enumerate(requests):
            if number % 50 == 0:
                connection.sendall(b"".join(requests[number : number + 50]))
            statuses[answers.readline()[9:12]] += 1
            length = 0
            while (line := answers.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            answers.read(length)
    return statuses


@pytest.mark.parametrize("known", [True, False], ids=["known-callers", "by-scope"])
def test_ten_thousand_sequential_keys_tell_no_more_than_the_rate_allows(
    upstream: Upstream, tmp_path: Path, known: bool
) -> None:
    """The attacker asks for keys of somebody else, who goes on meanwhile."""
    text = f"{CALLERS.replace('5/h', '9000/h') if known else ''}limits: {{refusals: 100/h}}"
    mine, theirs = ((HEADER, SHOP), (HEADER, BAR)) if known else (("Authorization", "A"), ("Authorization", "B"))
    with playing(upstream, "memory:", tmp_path, text) as stage:
        for number in range(200):
            assert stage.post(f"order-{number}", b"{}", mine).told == "201 executed"
        fields = f"Host: a\r\n{theirs[0]}: {theirs[1]}\r\nContent-Length: 2\r\n\r\n{{}}"
        guesses = [f"POST /charges HTTP/1.1\r\nIdempotency-Key: order-{n % 200}\r\n{fields}" for n in range(10_000)]
        with connect(stage.port) as connection:
            statuses = pipelined(connection, [guess.encode() for guess in guesses])
        # The one that was too many was still told; then nothing is, until the pause is over.
        assert 100 <= statuses[b"409"] <= 110, statuses
        assert statuses == {b"409": statuses[b"409"], b"429": 10_000 - statuses[b"409"]}
        assert stage.post("order-0", b"{}", mine).told == "201 replayed"
        heard = stage.post("order-0", b"{}", theirs)
        assert (heard.told, heard.get("retry-after")) == ("429 rejected rate-limited", "36")
        assert len(stage.upstream.log) == 200
