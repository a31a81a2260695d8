"""One gateway with a route for each policy of the unknown, and what each of them owes a caller.

``/hold``, ``/retry``, ``/reconcile`` and ``/fail`` lead to one ledger. ``OWED`` is the contract, section 5, as a table:
what a caller hears in the end, how often the call was sent, how often it was executed.
"""

from dataclasses import dataclass

from tests.stage import Heard

POLICIES = ("hold", "retry", "reconcile", "fail")
KEYS = "encryption: {keys: [record-key-of-the-scenarios]}\n"

_POLICY = {
    "hold": "{on_unknown: hold}",
    "retry": "{on_unknown: retry, upstream_retention: 24h}",
    "reconcile": """
      on_unknown: reconcile
      reconcile:
        request: {path: "/charges?reference={body:/reference}", timeout: 2s}
        rules:
          - found:
              first: /data
              where: [{pointer: /reference, equals: "{body:/reference}"}]
              answer: {status: 201}
          - not_found: {empty: /data}
        quiet_period: QUIET
        pause: {first: 20ms, longest: 50ms}
""",
    "fail": "{on_unknown: fail}",
}


def routes(port: int, timeout: str, quiet: str) -> str:
    """The four routes as YAML. ``timeout``: the setting of each; ``quiet``: of the one that asks."""
    told = "routes:\n"
    for name in POLICIES:
        told += f"  - name: {name}\n    match: {{path: /{name}}}\n"
        told += f"    upstream: {{url: 'http://127.0.0.1:{port}', timeout: {timeout}}}\n"
        told += f"    policy: {_POLICY[name].replace('QUIET', quiet)}\n"
    return KEYS + told


@dataclass(frozen=True, slots=True)
class Owed:
    """What one key comes to."""

    told: str
    sent: int
    charged: int


UNKNOWN = "409 unknown outcome-unknown"

# After a call whose caller was told 502 or 504, by whether it was executed.
OWED: dict[tuple[str, bool], Owed] = {
    ("hold", True): Owed(UNKNOWN, 1, 1),
    ("hold", False): Owed(UNKNOWN, 1, 0),
    ("retry", True): Owed("201 executed", 2, 1),
    ("retry", False): Owed("201 executed", 2, 1),
    ("reconcile", True): Owed("201 replayed", 1, 1),
    ("reconcile", False): Owed("201 executed", 2, 1),
    ("fail", True): Owed("replayed outcome-unknown", 1, 1),
    ("fail", False): Owed("replayed outcome-unknown", 1, 0),
}

# After a crash nobody was told anything, so there is no answer that could be kept.
OWED_AFTER_A_CRASH = OWED | {("fail", True): Owed(UNKNOWN, 1, 1), ("fail", False): Owed(UNKNOWN, 1, 0)}


def settled(policy: str, heard: Heard) -> bool:
    """Whether a caller need not come back: the one who asks is told so, until it is known."""
    return policy != "reconcile" or heard.told != UNKNOWN
