"""Law U2, the first half: what fails before the first byte says so, and why."""

import asyncio
import socket
from dataclasses import replace

import pytest

from gateway.errors import NotSent
from gateway.policies.routing import Target
from tests.proxying.conftest import Run
from tests.proxying.conversation import OK, asking, hopping
from tests.proxying.upstream import Line, replies, serving


def test_a_refused_connection_was_not_sent(run: Run) -> None:
    async def conversation() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        async with hopping() as hop:
            with pytest.raises(NotSent) as fault:
                await hop.send(Target("http", "127.0.0.1", port), asking())
            assert fault.value.reason == "refused"

    run(conversation())


def test_a_name_that_does_not_exist_was_not_sent(run: Run) -> None:
    async def conversation() -> None:
        async with hopping() as hop:
            with pytest.raises(NotSent) as fault:
                await hop.send(Target("http", "upstream.invalid", 80), asking())
            assert fault.value.reason == "dns"

    run(conversation())


def test_a_name_that_cannot_be_one_was_not_sent(run: Run) -> None:
    async def conversation() -> None:
        async with hopping() as hop:
            with pytest.raises(NotSent) as fault:
                await hop.send(Target("http", "a" * 64 + ".invalid", 80), asking())
            assert fault.value.reason == "dns"

    run(conversation())


def test_a_listener_that_accepts_nobody_was_not_sent_to(run: Run) -> None:
    async def conversation() -> None:
        async with hopping() as hop:
            with (
                socket.create_server(("127.0.0.1", 0), backlog=0) as full,
                socket.create_connection(full.getsockname()),
            ):
                target = Target("http", "127.0.0.1", full.getsockname()[1])
                short = replace(target, timeouts=replace(target.timeouts, connect=target.timeouts.connect / 50))
                with pytest.raises(NotSent) as fault:
                    await hop.send(short, asking())
                assert fault.value.reason == "connect-timeout"

    run(conversation())


def test_a_connection_whose_upstream_speaks_first_is_not_used(run: Run) -> None:
    async def conversation() -> None:
        accepted = asyncio.Event()

        async def greets(line: Line) -> None:
            accepted.set()
            await line.hung_up()

        async with serving(greets, replies(OK)) as upstream, hopping() as hop:
            target = upstream.target()
            pool = hop.open(target)
            connection = await pool.obtain()
            await accepted.wait()
            upstream.lines[0].say_now(b"220 mail.example ESMTP\r\n")
            assert not connection.usable(), "the loop has not seen the bytes yet, the socket has"
            pool.recycle(connection)
            assert await (await hop.send(target, asking())).whole(10) == b"ok"
            assert len(upstream.lines) == 2

    run(conversation())
