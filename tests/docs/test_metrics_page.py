"""The page of metrics and the metrics that there are: neither has one that the other has not."""

import re
from pathlib import Path

from tests.docs.metrics_page import PLACE, page
from tests.stage import playing
from tests.upstream import Upstream


def test_the_page_is_made_from_the_tables_that_count() -> None:
    assert PLACE.read_text() == page(), "run: python -m tests.docs.metrics_page"


def test_a_scrape_has_every_metric_of_the_page_and_no_other(upstream: Upstream, tmp_path: Path) -> None:
    with playing(upstream, f"sqlite:///{tmp_path / 'gateway.db'}", tmp_path) as stage:
        assert stage.post("k").told == "201 executed"
        scraped = stage.admin("/metrics").body.decode()
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", scraped, re.MULTILINE))
    told = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", PLACE.read_text(), re.MULTILINE))
    assert kinds == told
    for name in ("added_seconds_bucket", "upstream_seconds_count", "store_seconds_sum", "calls_in_flight"):
        assert f"idempotency_gateway_{name}{{" in scraped
