"""Three payment APIs as the examples expect them: what they answer, and how they can be asked what they did.

Each executes a call or not and loses the answer, as its test has it; what it knows afterwards is the truth.
"""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.upstream import Logged, Play, Upstream, answer

JSON = ("Content-Type", "application/json")


class SampleApi(ABC):
    """Objects by what they can be found by. ``loses``: the next call is executed or not, and answered by a reset."""

    target: str
    authorization: str

    def __init__(self, upstream: Upstream) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.executed = 0
        self.loses: bool | None = None
        upstream.by_key = self._play

    def _play(self, logged: Logged, _: int) -> Play:
        url = urlsplit(logged.line.split(" ")[1])
        if logged.line.startswith("POST "):
            return self._call(logged)
        if logged.all("authorization") != [self.authorization]:
            return _told(401, {"error": "who are you?"})
        return self.look(url.path, {name: values[0] for name, values in parse_qs(url.query).items()})

    def _call(self, logged: Logged) -> Play:
        executes, self.loses = self.loses, None
        if executes is not False:
            self.executed += 1
            made = self.make(logged)
            if executes is None:
                return _told(200, made)
        return Play(then="reset")

    @abstractmethod
    def request(self, reference: str) -> tuple[bytes, list[tuple[str, str]]]:
        """A call as a caller makes it: its body, and its header fields."""

    @abstractmethod
    def make(self, logged: Logged) -> object:
        """Executes a call; what it is answered with."""

    @abstractmethod
    def look(self, path: str, query: Mapping[str, str]) -> Play:
        """Answers a question."""


def _told(status: int, value: object) -> Play:
    return Play(answer(status, json.dumps(value).encode(), JSON), then="keep")


class SearchByMetadata(SampleApi):
    target = "/v1/payment_intents"
    authorization = "Bearer stripe-reader"

    def request(self, reference: str) -> tuple[bytes, list[tuple[str, str]]]:
        form = ("Content-Type", "application/x-www-form-urlencoded")
        return f"amount=1250&currency=eur&metadata[order_id]={reference}".encode(), [form]

    def make(self, logged: Logged) -> object:
        (order,) = parse_qs(logged.body.decode())["metadata[order_id]"]
        made = {"id": f"pi_{order}", "object": "payment_intent", "amount": 1250, "metadata": {"order_id": order}}
        return self.objects.setdefault(order, made)

    def look(self, path: str, query: Mapping[str, str]) -> Play:
        assert path == "/v1/payment_intents/search"
        found = re.fullmatch(r"metadata\['order_id'\]:'([^'\\]*)'", query["query"])
        assert found is not None
        data = [made for order, made in self.objects.items() if order == found[1]]
        return _told(200, {"object": "search_result", "url": path, "has_more": False, "data": data})


class LookUpByReference(SampleApi):
    target = "/transaction/charge_authorization"
    authorization = "Bearer paystack-key"

    def request(self, reference: str) -> tuple[bytes, list[tuple[str, str]]]:
        return json.dumps({"reference": reference, "amount": "125000"}).encode(), [JSON]

    def make(self, logged: Logged) -> object:
        reference = json.loads(logged.body)["reference"]
        self.objects[reference] = {"id": 4099260516, "status": "success", "reference": reference, "amount": 125000}
        return {"status": True, "message": "Charge attempted", "data": self.objects[reference]}

    def look(self, path: str, query: Mapping[str, str]) -> Play:
        reference = unquote(path.removeprefix("/transaction/verify/"))
        if reference not in self.objects:
            missing = {"status": False, "message": "Transaction reference not found.", "code": "transaction_not_found"}
            return _told(400, missing)
        return _told(200, {"status": True, "message": "Verification successful", "data": self.objects[reference]})


class ListByKey(SampleApi):
    target = "/ach_transfers"
    authorization = "Bearer increase-key"

    def request(self, reference: str) -> tuple[bytes, list[tuple[str, str]]]:
        return json.dumps({"amount": 1250, "order": reference}).encode(), [JSON]

    def make(self, logged: Logged) -> object:
        made = {"id": f"ach_transfer_{logged.key}", "amount": 1250, "idempotency_key": logged.key}
        return self.objects.setdefault(logged.key, made)

    def look(self, path: str, query: Mapping[str, str]) -> Play:
        assert path == "/ach_transfers"
        data = [made for key, made in self.objects.items() if key == query["idempotency_key"]]
        return _told(200, {"data": data, "next_cursor": None})
