"""``demo``: a payments API, the gateway in front of it, and a client whose answers get lost.

Every line shows what the client got beside what the API really executed. Nothing is staged: real sockets, a real store,
and a check after every step; a promise that did not hold makes the command exit 1.
"""

import asyncio
import http.client
import json
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from gateway.cli.sample_api import PaymentsApi
from gateway.config.load import load
from gateway.telemetry import logs
from gateway.wiring.running import Running

CROWD = 20
Order = Mapping[str, object]
CHARGE: Order = {"amount": 1250, "currency": "EUR"}


@dataclass(frozen=True, slots=True)
class Got:
    """What a client got: status, ``Idempotency-Status``, problem title, body, and ``Retry-After`` in seconds."""

    status: int
    mark: str
    title: str
    body: bytes
    retry_after: int

    def __str__(self) -> str:
        text = f"{self.status} {self.mark}".strip()
        return f"{text}: {self.title}" if self.title else text


class Client:
    """Calls one address the way an application would."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def charge(self, key: str, order: Order) -> Got:
        """One charge, answered."""
        return await asyncio.to_thread(self._charge, key, order)

    def _charge(self, key: str, order: Order) -> Got:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("POST", "/charges", json.dumps(dict(order)), _headers(key))
            answer = connection.getresponse()
            body = answer.read()
            problem = answer.headers.get_content_type() == "application/problem+json"
            title = str(json.loads(body)["title"]) if problem else ""
            wait = int(answer.headers.get("Retry-After", "0"))
            return Got(answer.status, answer.headers.get("Idempotency-Status", ""), title, body, wait)
        finally:
            connection.close()

    async def charge_and_hang_up(self, key: str, order: Order, executed: asyncio.Event) -> None:
        """One charge whose answer nobody waits for: gone as soon as the API has charged."""
        executed.clear()
        _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        body = json.dumps(dict(order)).encode()
        lines = [f"{name}: {value}" for name, value in {**_headers(key), "Content-Length": str(len(body))}.items()]
        writer.write("\r\n".join(["POST /charges HTTP/1.1", "Host: localhost", *lines, "", ""]).encode() + body)
        await executed.wait()
        writer.close()


def _headers(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key, "Content-Type": "application/json", "Authorization": "Bearer demo"}


@dataclass(frozen=True, slots=True)
class Line:
    """One step: what was done, what the client got, the key it concerns, how often the API may have charged for it."""

    done: str
    got: str
    key: str
    allowed: int
    kept: bool


class Page:
    """Prints step by step, and remembers whether every promise held."""

    def __init__(self, console: Console, api: PaymentsApi) -> None:
        self._console = console
        self._api = api
        self._widths = (38, 46, 12)
        self.held = True

    def open(self) -> None:
        """The headings."""
        self._row("[dim]what the client did[/]", "[dim]what the client got[/]", "[dim]API charged[/]", "")

    def show(self, line: Line) -> None:
        """One step, beside what the API really executed."""
        held = line.kept and self._api.charged[line.key] == line.allowed
        self.held = self.held and held
        self._row(line.done, line.got, self._times(line.key), "[green]✓[/]" if held else "[red]✗[/]")

    def show_unprotected(self, done: str, got: str, key: str) -> None:
        """One step that nobody promised anything about."""
        self._row(done, got, self._times(key), "[red]✗[/]" if self._api.charged[key] > 1 else "")

    def _times(self, key: str) -> str:
        charged = self._api.charged[key]
        return {0: "never", 1: "once"}.get(charged, f"[bold red]{charged} times[/]")

    def say(self, text: str) -> None:
        """A sentence between steps."""
        self._console.print(text, soft_wrap=True)

    def _row(self, *cells: str) -> None:
        table = Table.grid(padding=(0, 2))
        for width in self._widths:
            table.add_column(width=width, overflow="fold")
        table.add_column(width=1)
        table.add_row(*cells)
        self._console.print(table)


async def run(*, keep: bool) -> int:
    """The whole demonstration; the exit code."""
    logs.configure("console", "critical")
    console = Console(highlight=False, width=None if Console().width >= 110 else 110)
    api = PaymentsApi()
    with tempfile.TemporaryDirectory(prefix="idempotency-gateway-demo-") as folder:
        api_port = await api.start()
        options = {
            "upstream": f"http://127.0.0.1:{api_port}",
            "listen": "127.0.0.1:0",
            "admin_listen": "127.0.0.1:0",
            "store": [f"sqlite:///{Path(folder) / 'demo.db'}"],
        }
        running = await Running.start(load(None, options, {}))
        try:
            page = Page(console, api)
            started = await running.describe()
            port = int(started.listen.rpartition(":")[2])
            page.say(f"\n[bold]Idempotency Gateway[/]  {started.listen}  →  payments API http://127.0.0.1:{api_port}\n")
            await _without(page, api, api_port)
            await _with(page, api, Client(port), api_port)
            _conclude(page)
            if keep:
                await _keep(page, started.listen, api_port)
            return 0 if page.held else 1
        finally:
            await running.stop()
            await api.stop()


async def _without(page: Page, api: PaymentsApi, api_port: int) -> None:
    page.say("[bold]Without the gateway[/]: the answer gets lost, the client retries.\n")
    page.open()
    direct = Client(api_port)
    await direct.charge_and_hang_up("order-0", CHARGE, api.executed)
    page.show_unprotected("order-0: charge 12.50 EUR", "[dim]nothing, the connection broke[/]", "order-0")
    page.show_unprotected("order-0: retry", str(await direct.charge("order-0", CHARGE)), "order-0")
    page.say("")


async def _with(page: Page, api: PaymentsApi, client: Client, api_port: int) -> None:
    page.say("[bold]With the gateway[/]: the same client, the same API.\n")
    page.open()
    await _lost_answer(page, api, client)
    await _crowd(page, api, client)
    await _dead_after_charging(page, client)
    await _unreachable(page, api, client, api_port)


async def _lost_answer(page: Page, api: PaymentsApi, client: Client) -> None:
    got = await client.charge("order-1", CHARGE)
    page.show(Line("order-1: charge 12.50 EUR", str(got), "order-1", 1, got.mark == "executed"))
    await client.charge_and_hang_up("order-2", CHARGE, api.executed)
    page.show(Line("order-2: charge 12.50 EUR", "[dim]nothing, the connection broke[/]", "order-2", 1, kept=True))
    got = await _settled(client, "order-2", CHARGE)
    same = got.body == api.answers["order-2"]
    page.show(Line("order-2: retry", f"{got}, {_bytes(same)}", "order-2", 1, got.mark == "replayed" and same))
    got = await client.charge("order-2", {**CHARGE, "amount": 999_00})
    page.show(Line("order-2: another amount, same key", str(got), "order-2", 1, got.status == 422))


async def _settled(client: Client, key: str, order: Order) -> Got:
    """A retry as SDKs do it: after "in flight", again when it says. The first call may be a moment from its end."""
    got = await client.charge(key, order)
    while got.mark == "in-flight":
        await asyncio.sleep(got.retry_after)
        got = await client.charge(key, order)
    return got


async def _crowd(page: Page, api: PaymentsApi, client: Client) -> None:
    order = {**CHARGE, "simulate": "slow"}
    crowd = await asyncio.gather(*(client.charge("order-3", order) for _ in range(CROWD)))
    marks = Counter(got.mark for got in crowd)
    told = ", ".join(f"{count} × {mark}" for mark, count in sorted(marks.items()))
    page.show(Line(f"order-3: {CROWD} charges at once", told, "order-3", 1, marks["executed"] == 1))
    crowd = await asyncio.gather(*(client.charge("order-3", order) for _ in range(CROWD)))
    same = all(got.body == api.answers["order-3"] for got in crowd)
    replayed = sum(got.mark == "replayed" for got in crowd)
    told = f"{replayed} × replayed, {_bytes(same)}"
    page.show(Line(f"order-3: {CROWD} retries", told, "order-3", 1, same and replayed == CROWD))


async def _dead_after_charging(page: Page, client: Client) -> None:
    order = {**CHARGE, "simulate": "die"}
    got = await client.charge("order-4", order)
    page.show(Line("order-4: the API charges and dies", str(got), "order-4", 1, got.status == 502))
    got = await client.charge("order-4", order)
    page.show(Line("order-4: retry", str(got), "order-4", 1, (got.status, got.mark) == (409, "unknown")))


async def _unreachable(page: Page, api: PaymentsApi, client: Client, api_port: int) -> None:
    await api.stop()
    got = await client.charge("order-5", CHARGE)
    page.show(Line("order-5: the API is down", str(got), "order-5", 0, (got.status, got.mark) == (503, "not-executed")))
    await api.start(api_port)
    got = await client.charge("order-5", CHARGE)
    page.show(Line("order-5: the API is back, retry", str(got), "order-5", 1, got.mark == "executed"))


def _bytes(same: bool) -> str:
    return "same bytes" if same else "[red]other bytes[/]"


def _conclude(page: Page) -> None:
    verdict = "[green]Every promise held.[/]" if page.held else "[red]A promise did not hold.[/]"
    page.say(f"\n{verdict} One key, one charge; and where nobody can know (order-4), it says so and sends nothing.")


async def _keep(page: Page, listen: str, api_port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    page.say("\nBoth are still running. Try:\n")
    for command in commands(listen, api_port):
        page.say(f"  {command}")
    page.say("\nCtrl-C stops them.")
    await stop.wait()


def commands(listen: str, api_port: int) -> Iterator[str]:
    """Lines to try in a shell."""
    body = json.dumps(dict(CHARGE))
    call = f"curl -i {listen}/charges -H 'Idempotency-Key: mine-1' -H 'Content-Type: application/json' -d"
    yield f"{call} '{body}'"
    yield f"{call} '{body}'   # again: replayed, byte for byte"
    yield f"{call} '{json.dumps({**CHARGE, 'amount': 1})}'   # another charge under the same key: 422"
    yield f"curl http://127.0.0.1:{api_port}/charges   # how often the API really charged, by key"
