"""The scenarios of the contract once more, over each other way to an upstream: the same tests, the same promises.

What they count on is what a way could break: how often a request arrives, what is sent again, what an answer is, when
its outcome is unknown. One store will do: a way knows nothing of it.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
import trustme

from tests.conftest import Begin
from tests.forwardproxy import forwarding
from tests.http2upstream import Http2Upstream
from tests.proxying.test_tls import Authority
from tests.scenarios import test_contract as contract
from tests.scenarios import test_fidelity as fidelity
from tests.stage import Stage, playing
from tests.upstream import Upstream, running_upstream

WAYS = ("by a proxy", "through a tunnel", "over HTTP/2", "over HTTP/2 with TLS, through a tunnel")


@pytest.fixture(params=WAYS)
def upstream(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Upstream]:
    """An upstream at the end of a way: behind a proxy that forwards, or behind TLS and a tunnel through one."""
    authority = Authority(trustme.CA(), tmp_path)
    with ExitStack() as stack:
        secure, http2, direct = "tunnel" in request.param, "HTTP/2" in request.param, request.param == "over HTTP/2"
        proxy = stack.enter_context(forwarding())
        context = authority.server() if secure else None
        if context is not None and http2:
            context.set_alpn_protocols(["h2"])
        kind = Http2Upstream if http2 else Upstream
        running = stack.enter_context(running_upstream(kind=kind, context=context))
        if not direct:
            running.settings["proxy"] = f"http://127.0.0.1:{proxy.port}"
        if http2:
            running.settings["http"] = "2"
        if secure:
            url = f"https://127.0.0.1:{running.port}"
            running.settings |= {"url": url, "tls": {"ca": f"file://{authority.trust}"}}
        yield running
        assert direct or bool(running.log) <= bool(proxy.asked), "nothing came by another way"


@pytest.fixture
def begin(upstream: Upstream, tmp_path: Path) -> Iterator[Begin]:
    """Starts a gateway with the given YAML."""
    with ExitStack() as stack:

        def start(text: str = "") -> Stage:
            stage: AbstractContextManager[Stage] = playing(upstream, "memory:", tmp_path, text)
            return stack.enter_context(stage)

        yield start


# Collected here too, with this module's way to the upstream.
test_a_caller_that_hangs_up_does_not_end_the_call = contract.test_a_caller_that_hangs_up_does_not_end_the_call
test_a_connection_that_breaks_after_sending_leaves_the_outcome_unknown = (
    contract.test_a_connection_that_breaks_after_sending_leaves_the_outcome_unknown
)
test_a_first_call_is_executed_and_every_retry_hears_its_answer = (
    contract.test_a_first_call_is_executed_and_every_retry_hears_its_answer
)
test_a_guarded_call_without_a_body_goes_out_without_one = (
    contract.test_a_guarded_call_without_a_body_goes_out_without_one
)
test_a_half_received_body_is_never_forwarded = contract.test_a_half_received_body_is_never_forwarded
test_a_silent_upstream_is_a_504_and_its_late_answer_settles_the_key = (
    contract.test_a_silent_upstream_is_a_504_and_its_late_answer_settles_the_key
)
test_a_status_that_proves_that_nothing_was_executed_releases_the_key = (
    contract.test_a_status_that_proves_that_nothing_was_executed_releases_the_key
)
test_a_stream_of_events_is_passed_on_as_it_comes_and_not_kept = (
    contract.test_a_stream_of_events_is_passed_on_as_it_comes_and_not_kept
)
test_a_truncated_answer_leaves_the_outcome_unknown_wherever_it_is_cut = (
    contract.test_a_truncated_answer_leaves_the_outcome_unknown_wherever_it_is_cut
)
test_an_answer_too_large_to_keep_is_streamed_and_not_sent_again = (
    contract.test_an_answer_too_large_to_keep_is_streamed_and_not_sent_again
)
test_an_upstream_silent_to_the_end_is_given_up_and_stays_unknown = (
    contract.test_an_upstream_silent_to_the_end_is_given_up_and_stays_unknown
)
test_marks_that_an_upstream_forges_are_removed_and_cookies_are_not_replayed = (
    contract.test_marks_that_an_upstream_forges_are_removed_and_cookies_are_not_replayed
)
test_other_methods_pass_through_unguarded = contract.test_other_methods_pass_through_unguarded
test_a_guarded_head_replays_its_fields_without_a_body = fidelity.test_a_guarded_head_replays_its_fields_without_a_body
test_a_large_answer_within_the_limit_is_kept_whole = fidelity.test_a_large_answer_within_the_limit_is_kept_whole
test_a_request_body_arrives_whole_and_is_fingerprinted_whole = (
    fidelity.test_a_request_body_arrives_whole_and_is_fingerprinted_whole
)
test_every_replay_equals_the_first_answer = fidelity.test_every_replay_equals_the_first_answer
test_unguarded_bodies_stream_both_ways = fidelity.test_unguarded_bodies_stream_both_ways
