"""Locust's customers: they charge, lose answers, retry, charge twice at once, and reuse keys wrongly.

The run fails, by its exit code, when the upstream executed a key twice or a replay differed; and when it was slow,
where ``--p95`` says what slow is. ``--executions`` is the URL at which the upstream tells its counts.
"""

import random
import uuid
from collections import deque
from dataclasses import dataclass
from typing import Any

import gevent
import requests
from locust import HttpUser, between, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

from loadtests.charging.ledger import ANSWERED, Answer, Ledger

LEDGER = Ledger()
TRIES = 6


@dataclass(frozen=True, slots=True)
class Charge:
    """What a customer wants once."""

    key: str
    amount: int


# What anybody may retry.
LATELY: deque[Charge] = deque(maxlen=500)


class Customer(HttpUser):
    """One of many."""

    wait_time = between(0.01, 0.1)

    @task(6)
    def charge(self) -> None:
        """A new charge, retried until it has an answer."""
        self._until_answered(self._new())

    @task(3)
    def retry(self) -> None:
        """Somebody's charge again: the same answer."""
        if LATELY:
            self._call(random.choice(LATELY), "retry")

    @task(2)
    def lose_the_answer(self) -> None:
        """Hangs up before the answer is there, and retries."""
        charge = self._new()
        with (
            self.client.post(name="lost", timeout=(5, 0.001), catch_response=True, **self._request(charge)) as response,
        ):
            response.success()
        self._until_answered(charge)

    @task(2)
    def charge_twice_at_once(self) -> None:
        """A double click."""
        charge = self._new()
        gevent.joinall([gevent.spawn(self._call, charge, "twice at once") for _ in range(2)], raise_error=True)
        self._until_answered(charge)

    @task(2)
    def reuse_a_key(self) -> None:
        """Another charge under a used key, which must not be executed."""
        used = [charge for charge in LATELY if charge.key in LEDGER.answers]
        if not used:
            return
        other = random.choice(used)
        wrong = Charge(other.key, other.amount + 1)
        with self.client.post(name="reused key", catch_response=True, **self._request(wrong)) as response:
            _judge(response, LEDGER.reused(wrong.key, _answer(response)))

    def _new(self) -> Charge:
        charge = Charge(f"charge-{uuid.uuid4()}", random.randint(1, 10_000))
        LATELY.append(charge)
        return charge

    def _until_answered(self, charge: Charge) -> None:
        for number in range(TRIES):
            if self._call(charge, "retry" if number else "charge"):
                return
            gevent.sleep(0.05 * 2**number * random.uniform(0.5, 1))

    def _call(self, charge: Charge, name: str) -> bool:
        """Whether it has its answer."""
        known = charge.key in LEDGER.answers
        with self.client.post(name=name, catch_response=True, **self._request(charge)) as response:
            answer = _answer(response)
            _judge(response, LEDGER.charged(charge.key, answer, known=known))
            return answer.outcome in ANSWERED

    def _request(self, charge: Charge) -> dict[str, Any]:
        headers = {"Idempotency-Key": charge.key, "Authorization": "Bearer locust"}
        return {"url": "/v1/charges", "json": {"amount": charge.amount}, "headers": headers}


def _answer(response: Any) -> Answer:  # noqa: ANN401 - Locust's response wears another class than it is
    return Answer(response.status_code, response.headers.get("Idempotency-Status", ""), response.content or b"")


def _judge(response: Any, wrong: str) -> None:  # noqa: ANN401 - as above
    if wrong:
        response.failure(wrong)
    else:
        response.success()


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]  # Locust's hooks have no types
def _options(parser: LocustArgumentParser) -> None:
    parser.add_argument("--executions", required=True, help="URL at which the upstream tells its executions")
    parser.add_argument("--p95", type=float, default=0.0, help="milliseconds; slower fails (0: anything goes)")


@events.quitting.add_listener  # type: ignore[untyped-decorator]  # as above
def _audit(environment: Environment, **_: object) -> None:
    options = environment.parsed_options
    assert options is not None
    executions = requests.get(options.executions, timeout=30).json()
    wrong = list(LEDGER.verdict(executions))
    p95 = environment.stats.total.get_response_time_percentile(0.95)
    if options.p95 and p95 > options.p95:
        wrong.append(f"slow: 95 % within {p95:g} ms, and not {options.p95:g}")
    print(f"{len(executions):,} charges executed, {LEDGER.replays:,} replays, {len(wrong)} wrong")
    print("\n".join(wrong[:20]))
    if wrong or environment.stats.total.num_failures:
        environment.process_exit_code = 1
