"""The recipes, each as a process of its own before an API that behaves as it says: first call, retry, lost answer.

A recipe runs as it stands, but for where its upstreams are and, where it says how long it listens, for how long.
"""

import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.docs.pages import ROOT
from tests.process import serving
from tests.stage import Heard, call
from tests.upstream import Logged, Play, Upstream, answer, running_upstream

FOLDER = ROOT / "examples" / "recipes"
DEADLINE = 20.0
JSON = ("Content-Type", "application/json")


@dataclass
class Api:
    """One upstream that executes what it is sent. ``loses``: how many of the next answers are lost; ``recognises``: a
    header by which it knows a call that it has executed, and answers as it did."""

    upstream: Upstream
    recognises: str = ""
    loses: int = 0
    gate: threading.Event | None = None
    refuses: int = 0
    executed: list[Logged] = field(default_factory=list)
    answers: dict[str, bytes] = field(default_factory=dict)

    def play(self, logged: Logged, _: int) -> Play:
        if self.refuses:
            status, self.refuses = self.refuses, 0
            return Play(answer(status), then="keep")
        known = logged.all(self.recognises)[0] if self.recognises else ""
        if not known or known not in self.answers:
            self.executed.append(logged)
            self.answers[known] = b'{"number": %d}' % len(self.executed)
        if self.loses:
            self.loses -= 1
            return Play(then="reset")
        gate, self.gate = self.gate, None
        return Play(answer(201, self.answers[known], JSON), then="keep", gate=gate)


@dataclass
class Recipe:
    """A gateway that runs a recipe, and the APIs behind it by the host of their URL."""

    port: int
    apis: dict[str, Api]

    @property
    def api(self) -> Api:
        """The only one."""
        (api,) = self.apis.values()
        return api

    def post(self, target: str, fields: Mapping[str, str], body: bytes = b"{}", host: str = "gateway") -> Heard:
        return call(self.port, "POST", target, [("Host", host), JSON, *fields.items()], body)


@contextmanager
def following(name: str, folder: Path, response: str = "") -> Generator[Recipe]:
    """Runs a recipe. ``response``: how long the caller is made to wait for an answer, instead of the recipe's time."""
    tree: dict[str, Any] = YAML(typ="safe").load(FOLDER / f"{name}.yaml")
    with ExitStack() as stack:
        apis: dict[str, Api] = {}
        for route in tree["routes"]:
            host = route["upstream"]["url"].split("//")[1].partition(":")[0]
            if host not in apis:
                upstream = stack.enter_context(running_upstream())
                apis[host] = Api(upstream)
                upstream.by_key = apis[host].play
            route["upstream"]["url"] = f"http://127.0.0.1:{apis[host].upstream.port}"
            if response:
                route["upstream"]["timeout"] |= {"connect": response, "response": response}
        with (folder / "recipe.yaml").open("w") as out:
            YAML().dump(tree, out)
        options = ("--config", "recipe.yaml", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
        served = stack.enter_context(serving(*options, folder=folder))
        yield Recipe(served.port, apis)


@dataclass(frozen=True)
class Known:
    """An API that recognises a key by itself, and how it is called."""

    recipe: str
    header: str
    host: str
    target: str


@pytest.mark.parametrize(
    "known",
    [
        Known("stripe", "Idempotency-Key", "stripe.pay.internal", "/v1/charges"),
        Known("paypal", "PayPal-Request-Id", "paypal.pay.internal", "/v2/checkout/orders"),
    ],
    ids=lambda known: known.recipe,
)
def test_an_api_that_recognises_the_key_is_sent_it_again_when_its_answer_was_lost(known: Known, tmp_path: Path) -> None:
    with following(known.recipe, tmp_path) as recipe:
        recipe.api.recognises = known.header.lower()

        def charge(key: str) -> Heard:
            return recipe.post(known.target, {known.header: key}, host=known.host)

        assert [charge("order-1").told, charge("order-1").told] == ["201 executed", "201 replayed"]
        recipe.api.loses = 1
        assert charge("order-2").told == "502 unknown outcome-unknown"
        again = charge("order-2")
        assert (again.told, again.get("idempotency-sent-again")) == ("201 executed", "true")
        assert charge("order-2").told == "201 replayed"
        assert [logged.all(known.header.lower()) for logged in recipe.api.executed] == [["order-1"], ["order-2"]]
        assert len(recipe.api.upstream.log) == 3


def test_with_paypal_a_renewed_token_is_no_other_caller_and_a_key_is_required(tmp_path: Path) -> None:
    with following("paypal", tmp_path) as recipe:

        def order(token: str, *key: str) -> str:
            fields = {"Authorization": f"Bearer {token}", **dict.fromkeys(key, "order-1")}
            return recipe.post("/v2/payments", fields, host="paypal.pay.internal").told

        assert order("monday", "PayPal-Request-Id") == "201 executed"
        assert order("tuesday", "PayPal-Request-Id") == "201 replayed"
        assert order("tuesday") == "400 rejected key-missing"
        assert len(recipe.api.executed) == 1


def test_a_delivery_is_processed_once_whatever_was_signed_and_again_when_it_was_rolled_back(tmp_path: Path) -> None:
    with following("webhooks-in", tmp_path) as recipe:
        number = iter(range(100))

        def deliver(key: str) -> str:
            signed = {"webhook-timestamp": str(next(number)), "webhook-signature": f"v1,{next(number)}"}
            return recipe.post("/hooks/payments", {"webhook-id": key, **signed}, b'{"type":"paid"}').told

        assert [deliver("msg_1"), deliver("msg_1")] == ["201 executed", "201 replayed"]
        recipe.api.refuses = 503
        assert [deliver("msg_2"), deliver("msg_2"), deliver("msg_2")] == [
            "503 not-executed",
            "201 executed",
            "201 replayed",
        ]
        recipe.api.loses = 1
        assert [deliver("msg_3"), deliver("msg_3")] == ["502 unknown outcome-unknown", "409 unknown outcome-unknown"]
        github = {"X-GitHub-Event": "push", "X-GitHub-Delivery": "msg_1"}
        assert [recipe.post("/hooks/github", github).told for _ in "12"] == ["201 executed", "201 replayed"]
        assert len(recipe.api.executed) == 4


def test_a_token_in_the_body_is_the_key_however_the_attempt_was_signed(tmp_path: Path) -> None:
    with following("client-token", tmp_path) as recipe:

        def run(body: bytes, signature: str) -> str:
            fields = {"Authorization": f"AWS4-HMAC-SHA256 {signature}", "X-Account": "1"}
            return recipe.post("/", fields, body, host="instances.internal").told

        assert run(b'{"ClientToken":"t-1","Count":1}', "first") == "201 executed"
        assert run(b'{"Count": 1, "ClientToken": "t-1"}', "second") == "201 replayed"
        assert run(b'{"ClientToken":"t-1","Count":2}', "third") == "422 mismatch key-reused"
        assert run(b'{"Count":1}', "fourth") == "400 rejected key-missing"
        recipe.api.loses = 1
        told = [run(b'{"ClientToken":"t-2"}', str(attempt)) for attempt in (1, 2)]
        assert told == ["502 unknown outcome-unknown", "409 unknown outcome-unknown"]
        assert len(recipe.api.executed) == 2


def _until(ask: Callable[[], Heard], told: str) -> Heard:
    end = time.monotonic() + DEADLINE
    while (heard := ask()).told != told:
        assert time.monotonic() < end, heard
    return heard


def test_the_attempts_of_an_sdk_get_one_answer_also_when_it_comes_after_an_attempt_was_given_up(tmp_path: Path) -> None:
    with following("sdk-retries", tmp_path, response="1s") as recipe:
        attempts = iter(range(1, 100))

        def order() -> Heard:
            body = b'{"item": 7, "attempt": %d, "sent_at": %d}' % (next(attempts), time.monotonic_ns())
            return recipe.post("/orders", {"Idempotency-Key": "order-1"}, body)

        gate = recipe.api.gate = threading.Event()
        assert order().told == "504 unknown outcome-unknown"
        gate.set()
        assert _until(order, "201 replayed").body == b'{"number": 1}'
        assert len(recipe.api.executed) == 1


def test_the_same_text_to_the_same_number_is_one_sms(tmp_path: Path) -> None:
    with following("sms-by-content", tmp_path) as recipe:

        def send(to: str, at: int) -> str:
            body = b'{"to": "%s", "text": "hi", "sent_at": %d}' % (to.encode(), at)
            return recipe.post("/messages", {}, body).told

        assert [send("+1", 1), send("+1", 2), send("+2", 3)] == ["201 executed", "201 replayed", "201 executed"]
        recipe.api.loses = 1
        assert [send("+3", 4), send("+3", 5)] == ["502 unknown outcome-unknown", "409 unknown outcome-unknown"]
        assert len(recipe.api.executed) == 3


def test_tenants_who_use_one_key_have_a_call_each(tmp_path: Path) -> None:
    with following("tenants", tmp_path) as recipe:

        def order(tenant: str, body: bytes = b"{}") -> tuple[str, bytes]:
            heard = recipe.post("/orders", {"Idempotency-Key": "1", "X-Tenant": tenant}, body)
            return heard.told, heard.body

        first, second = order("acme"), order("umbrella", b'{"other": true}')
        assert [first[0], second[0]] == ["201 executed"] * 2
        assert order("acme") == ("201 replayed", first[1])
        assert order("umbrella", b'{"other": true}') == ("201 replayed", second[1])
        assert len(recipe.api.executed) == 2


def test_a_retry_that_reaches_the_canary_is_still_the_same_call_and_another_application_has_its_own(
    tmp_path: Path,
) -> None:
    with following("several-hosts", tmp_path) as recipe:

        def pay(host: str, key: str) -> str:
            return recipe.post("/charges", {"Idempotency-Key": key}, host=host).told

        assert pay("pay.internal", "order-1") == "201 executed"
        assert pay("canary.pay.internal", "order-1") == "201 replayed"
        recipe.apis["payments-canary"].loses = 1
        assert pay("canary.pay.internal", "order-2") == "502 unknown outcome-unknown"
        assert pay("pay.internal", "order-2") == "409 unknown outcome-unknown"
        assert pay("invoices.internal", "order-1") == "201 executed"
        assert pay("elsewhere.internal", "order-1") == "404 - no-route"
        assert [len(api.executed) for api in recipe.apis.values()] == [1, 1, 1]


def test_the_page_has_a_section_for_every_recipe() -> None:
    page = (ROOT / "docs" / "recipes.md").read_text()
    assert [file.name for file in sorted(FOLDER.iterdir()) if f"(../examples/recipes/{file.name})" not in page] == []
