"""A sample payments API for the demo: it charges whenever it is asked, and remembers how often it really did.

It deduplicates nothing, as many real APIs do not. ``"simulate": "die"`` in a charge makes it charge and then hang up
without an answer; ``"simulate": "slow"`` makes it take its time.
"""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

SLOW = 0.3


@dataclass
class PaymentsApi:
    """The API and its ledger. ``charged`` counts executions by key; ``answers`` holds what it said, byte for byte."""

    charged: Counter[str] = field(default_factory=Counter)
    answers: dict[str, bytes] = field(default_factory=dict)
    executed: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> int:
        """Listens on loopback; the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Refuses connections from now on."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # The other side left; its charge, if any, stands in the ledger.
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        lines = head.split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        body = await reader.readexactly(int(fields.get("content-length", "0")))
        if not lines[0].startswith("POST /charges "):
            listing = {"charged": sum(self.charged.values()), "by_key": dict(self.charged)}
            writer.write(_response(200, json.dumps(listing, indent=2).encode() + b"\n"))
            await writer.drain()
            return
        await self._charge(fields.get("idempotency-key", "(none)"), body, writer)

    async def _charge(self, key: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        try:
            order: dict[str, Any] = json.loads(body)
            amount, currency = int(order["amount"]), str(order["currency"])
        except (ValueError, KeyError, TypeError):
            writer.write(_response(400, b'{"error": "a charge needs amount and currency"}\n'))
            return
        self.charged[key] += 1
        number = sum(self.charged.values())
        if order.get("simulate") == "slow":
            await asyncio.sleep(SLOW)
        charge = {"id": f"ch_{number:03d}", "amount": amount, "currency": currency, "status": "succeeded"}
        self.answers[key] = json.dumps(charge).encode() + b"\n"
        self.executed.set()
        if order.get("simulate") != "die":
            writer.write(_response(201, self.answers[key]))
            await writer.drain()


def _response(status: int, body: bytes) -> bytes:
    reason = {200: "OK", 201: "Created", 400: "Bad Request"}[status]
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body
