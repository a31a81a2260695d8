"""Retries of one key in a row: the store is asked once, and what is forgotten is repeated no more."""

from pathlib import Path

from tests.redis_servers import eventually
from tests.stage import playing
from tests.upstream import Upstream

ANSWERS = "idempotency_gateway_replay_cache_answers_total"


def test_a_third_call_is_answered_without_the_store_until_the_key_is_forgotten(
    upstream: Upstream, tmp_path: Path
) -> None:
    with playing(upstream, f"sqlite:///{tmp_path}/records.db", tmp_path) as stage:
        first, second = stage.post("k"), stage.post("k")
        assert stage.metric(ANSWERS) == 0

        def repeated() -> bool:
            third = stage.post("k")
            assert first.body == second.body == third.body
            assert second.told == third.told == "201 replayed"
            return stage.metric(ANSWERS) == 1

        # Of a file that others write too, what was replayed is kept for a second: a busy machine may take longer.
        eventually(repeated)
        assert stage.post("k", b"{other}").told == "422 mismatch key-reused"
        found = stage.admin("/api/keys?key=k").json["keys"][0]
        forgotten = stage.admin(f"/api/keys/{found['id']}", method="DELETE", body={"fence": found["fence"]})
        assert forgotten.status == 200
        assert stage.post("k").told == "410 expired key-expired"
        kept, dropped = (
            stage.metric(f"idempotency_gateway_replay_cache_{what}")
            for what in ("kept_bytes_total", 'dropped_bytes_total{reason="forgotten"}')
        )
        assert kept == dropped > 0


def test_a_gateway_that_keeps_nothing_asks_the_store_each_time(upstream: Upstream, tmp_path: Path) -> None:
    with playing(upstream, f"sqlite:///{tmp_path}/records.db", tmp_path, "replay_cache: {max_bytes: 0B}") as stage:
        assert [stage.post("k").told for _ in range(3)] == ["201 executed", "201 replayed", "201 replayed"]
        assert stage.metric(ANSWERS) == 0
