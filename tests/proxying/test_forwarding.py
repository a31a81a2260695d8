"""What of a request goes on, and where an answer's ``Location`` points when it comes back through the gateway."""

import pytest

from gateway.policies.policy import Policy
from gateway.policies.routing import Match, Route, Target
from gateway.proxying.forwarding import Caller, Forwarding, rewrite_location

ROUTE = Route(
    "pay",
    Match(path="/pay/", strip_prefix="/pay"),
    Target("http", "api.internal", 8000, base_path="/base"),
    Policy(namespace="pay"),
)


@pytest.mark.parametrize(
    ("there", "here"),
    [
        (b"http://api.internal:8000/base/x?y#z", b"https://gw/pay/x?y#z"),
        (b"HTTP://API.internal:8000/base/x", b"https://gw/pay/x"),
        (b"//api.internal:8000/base/x", b"https://gw/pay/x"),
        (b"http://api.internal:8000/base", b"https://gw/pay/"),
        (b"http://api.internal:8000/base?x", b"https://gw/pay/?x"),
        (b"http://api.internal:8000/base#x", b"https://gw/pay/#x"),
    ],
)
def test_a_url_at_the_upstream_leads_back_to_the_gateway(there: bytes, here: bytes) -> None:
    assert rewrite_location(there, ROUTE, b"https://gw") == here


@pytest.mark.parametrize(
    "there",
    [
        b"/base/x",
        b"x",
        b"https://api.internal:8000/base/x",
        b"http://api.internal/base/x",
        b"//elsewhere.example/base/x",
        b"http://api.internal:8000/basement",
        b"http://api.internal:8000/other",
        b"http://api.internal:port/base/x",
        b"http://api.internal:8000/base/\xe9",
    ],
)
def test_any_other_location_stays_as_it_is(there: bytes) -> None:
    assert rewrite_location(there, ROUTE, b"https://gw") == there


@pytest.mark.parametrize(
    ("cookies", "passed"),
    [
        ([b"a=1; idempotency_gateway_session=x~1~y; b=2"], [b"a=1; b=2"]),
        ([b"idempotency_gateway_session=x"], []),
        ([b"idempotency_gateway_session=x; a=1", b"b=2"], [b"a=1", b"b=2"]),
        ([b"a=idempotency_gateway_session; my_idempotency_gateway_session=1"],) * 2,
    ],
)
def test_no_upstream_sees_the_session_of_an_operator(cookies: list[bytes], passed: list[bytes]) -> None:
    """A browser shows it to every port of its host; everything else in the field stays as it was."""
    caller = Caller("127.0.0.1", b"gw", "http")
    headers = tuple((b"cookie", value) for value in cookies)
    for told in (
        Forwarding(ROUTE).unguarded(headers, caller, b"00-x"),
        Forwarding(ROUTE).guarded(headers, b"k", caller, b"00-x"),
    ):
        assert [value for name, value in told if name.lower() == b"cookie"] == passed
