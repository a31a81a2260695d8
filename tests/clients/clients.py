"""Clients of others, as they come: each makes one charge by its own means, and repeats it by its own rules.

Knows how each is told to retry a POST that carries a key, which none but Stripe's does by itself. Refuses to know what
goes wrong.
"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import stripe

HERE = Path(__file__).parent
TIMEOUT = 120

# Makes a charge of that key at a gateway on that port, and returns what it was told, as JSON.
Client = Callable[[int, str], dict[str, Any]]


def by_stripe(port: int, key: str) -> dict[str, Any]:
    """Stripe's own SDK; an empty key leaves it to make one of its own."""
    client = stripe.StripeClient(
        "sk_test_123", base_addresses={"api": f"http://127.0.0.1:{port}"}, max_network_retries=6
    )
    options: stripe.RequestOptions = {"idempotency_key": key} if key else {}
    intent = client.v1.payment_intents.create({"amount": 1250, "currency": "eur"}, options)
    return {"id": intent.id, "object": intent.object, "amount": intent.amount}


def by_axios(port: int, key: str) -> dict[str, Any]:
    """axios with axios-retry, on Node."""
    return _told("node", str(HERE / "with_axios.mjs"), _url(port), key)


def by_undici(port: int, key: str) -> dict[str, Any]:
    """undici's RetryAgent, on Node."""
    return _told("node", str(HERE / "with_undici.mjs"), _url(port), key)


def by_curl(port: int, key: str) -> dict[str, Any]:
    """curl and its ``--retry``, which waits as long as Retry-After says."""
    retrying = ("--silent", "--show-error", "--fail", "--retry", "6", "--retry-all-errors", "--noproxy", "*")
    fields = ("--header", "Content-Type: application/json", "--header", f"Idempotency-Key: {key}")
    return _told("curl", *retrying, *fields, "--data", '{"amount":1250}', _url(port))


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}/v1/payment_intents"


def _told(*command: str) -> dict[str, Any]:
    ended = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert ended.returncode == 0, ended.stderr
    members: dict[str, Any] = json.loads(ended.stdout)
    return members


CLIENTS: dict[str, Client] = {"stripe": by_stripe, "axios": by_axios, "undici": by_undici, "curl": by_curl}
