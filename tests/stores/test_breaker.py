"""A breaker opens after faults in a row, tries again one at a time, and closes at the first success."""

from gateway.stores.breaker import Breaker


def opened() -> Breaker:
    breaker = Breaker(tolerance=3, pause=1.0)
    assert [breaker.failed(0.0) for _ in range(3)] == [False, False, True]
    return breaker


def test_it_opens_with_the_third_fault_in_a_row_and_says_so_once() -> None:
    breaker = opened()
    assert breaker.is_open
    assert not breaker.failed(0.1)


def test_a_success_in_between_begins_the_count_anew() -> None:
    breaker = Breaker(tolerance=2)
    assert [breaker.failed(0.0), breaker.succeeded(), breaker.failed(0.0)] == [False, False, False]
    assert breaker.permits(0.0)


def test_open_it_lets_nothing_through_until_its_pause_is_over_and_then_one_trial_a_pause() -> None:
    breaker = opened()
    assert [breaker.permits(now) for now in (0.0, 0.99, 1.0, 1.0, 1.99, 2.0)] == [
        *(False, False),
        *(True, False),
        *(False, True),
    ]


def test_a_trial_that_fails_keeps_it_open_for_another_pause() -> None:
    breaker = opened()
    assert breaker.permits(1.0)
    assert not breaker.failed(1.5)
    assert [breaker.permits(2.4), breaker.permits(2.5)] == [False, True]


def test_a_trial_that_succeeds_closes_it_and_says_so() -> None:
    breaker = opened()
    assert breaker.permits(1.0)
    assert breaker.succeeded()
    assert not breaker.succeeded()
    assert breaker.permits(1.0)


def test_tripped_it_is_open_at_once() -> None:
    breaker = Breaker()
    breaker.trip(0.0)
    assert not breaker.permits(0.5)
    assert breaker.permits(1.0)
