"""Many calls of one key at once: one executes, whoever else comes."""

import threading
from collections import Counter

import pytest

from tests.conftest import Begin
from tests.upstream import Play, answer


@pytest.mark.parametrize("crowd", [20, 200])
def test_of_a_crowd_with_one_key_exactly_one_is_executed(begin: Begin, crowd: int) -> None:
    stage = begin()
    gate = threading.Event()
    stage.upstream.then(Play(answer(201, b"the one"), gate=gate))
    barrier = threading.Barrier(crowd)

    def charge() -> str:
        barrier.wait(20)
        return stage.post("k").told

    calls = [stage.pool.submit(charge) for _ in range(crowd)]
    stage.upstream.wait_for(1)
    done = 0
    while done < crowd - 1:
        done = sum(call.done() for call in calls)
    gate.set()
    told = Counter(call.result() for call in calls)
    assert told == {"201 executed": 1, "409 in-flight in-flight": crowd - 1}
    assert stage.post("k").body == b"the one"
    assert stage.upstream.count("k") == 1


def test_keys_do_not_wait_for_each_other(begin: Begin) -> None:
    stage = begin()
    gate = threading.Event()
    stage.upstream.then(Play(answer(), gate=gate))
    slow = stage.meanwhile("slow")
    stage.upstream.wait_for(1)
    assert stage.post("quick").told == "201 executed"
    gate.set()
    assert slow.result().told == "201 executed"
