"""A route may refuse private addresses: by what is connected to at that moment, never by what a name said before."""

import asyncio
import socket
from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import NotSent
from gateway.policies.addresses import private
from gateway.policies.routing import Target
from gateway.proxying.connecting import SocketAddress, allowed
from tests.proxying.conversation import OK, asking, hopping
from tests.proxying.upstream import replies, serving

PRIVATE = [
    "0.0.0.0", "10.0.0.1", "10.255.255.255", "100.64.0.1", "127.0.0.1", "127.255.0.1", "169.254.169.254", "172.16.0.1",
    "172.31.255.255", "192.0.0.8", "192.168.1.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "::ffff:0:10.0.0.1", "::127.0.0.1", "64:ff9b::10.0.0.1",
    "64:ff9b:1::1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001::1", "2001:db8::1", "fc00::1", "fd12::1", "fe80::1",
    "fe80::1%eth0", "fec0::1", "ff02::1",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.0.0.1", "128.0.0.1", "169.253.1.1",
    "172.15.0.1", "172.32.0.1", "192.167.1.1", "198.17.0.1", "198.20.0.1", "223.255.255.255", "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8", "2002:808:808::1", "2606:4700::1111", "2a00:1450::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_of_ones_own_is_private_in_every_spelling(address: str) -> None:
    assert private(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_beside_those_is_not(address: str) -> None:
    assert not private(address)


class Names(asyncio.SelectorEventLoop):
    """A loop that looks names up in a list of its own, an answer a time; the last one stays."""

    def __init__(self, port: int, *answers: tuple[str, ...]) -> None:
        super().__init__()
        self._port = port
        self._answers = list(answers)
        self.asked: list[str] = []

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:  # noqa: ANN401 - the loop's own signature
        """Every name is at the next answer's addresses."""
        self.asked.append(host)
        found = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [(socket.AF_INET6 if ":" in name else socket.AF_INET, 1, 6, "", (name, self._port)) for name in found]


def guarded(port: int) -> Target:
    return Target("http", "api.example.com", port, refuse_private_addresses=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "2130706433", "127.1", "localhost", "0"])
def test_nothing_is_connected_to_at_home_however_it_is_written(host: str) -> None:
    async def conversation() -> None:
        async with serving(replies(OK)) as upstream, hopping() as hop:
            with pytest.raises(NotSent) as fault:
                await hop.send(replace(guarded(upstream.port), host=host), asking())
            assert fault.value.reason in ("private-address", "dns")
            assert upstream.lines == []

    asyncio.run(conversation())


def test_a_name_is_judged_each_time_by_the_address_that_would_be_connected_to() -> None:
    """A name that was nowhere when somebody checked it leads home now, and somewhere else at home after that."""

    async def conversation() -> None:
        async with serving(replies(OK)) as upstream, hopping() as hop:
            reasons = []
            for _ in range(4):
                with pytest.raises(NotSent) as fault:
                    await hop.send(guarded(upstream.port), asking())
                reasons.append(fault.value.reason)
            assert reasons == ["connect", "private-address", "private-address", "private-address"]
            assert upstream.lines == []

    loop = Names(1, (), ("127.0.0.1",), ("::1", "127.0.0.1"), ("::ffff:127.0.0.1",))
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(conversation())
    assert loop.asked == ["api.example.com"] * 4


def test_of_several_addresses_only_the_public_ones_are_connected_to() -> None:
    """Nothing is dialled here: a test has no business at a public address."""
    both: list[SocketAddress] = [(socket.AF_INET, 6, ("127.0.0.1", 80)), (socket.AF_INET, 6, ("1.1.1.1", 80))]
    assert allowed(guarded(80), both) == both[1:]
    assert allowed(replace(guarded(80), refuse_private_addresses=False), both) == both
