"""What is sent and what is answered: JSON of a wanted size, about as compressible as JSON is."""

import json
import random

SMALL, MEDIUM, LARGE = 200, 10 * 1024, 1024 * 1024


def _charge(chance: random.Random) -> dict[str, object]:
    number = f"{chance.getrandbits(64):016x}"
    return {"id": f"ch_{number}", "amount": chance.randrange(100, 100_000), "currency": "eur", "status": "succeeded"}


def body(size: int, seed: str) -> bytes:
    """A JSON object of ``size`` bytes; the same for the same ``seed``."""
    chance = random.Random(seed)
    charges: list[dict[str, object]] = []
    empty = len(json.dumps({"charges": [], "note": ""}))
    room = size - empty
    while room > 90:
        charges.append(_charge(chance))
        room -= len(json.dumps(charges[-1])) + 2
    while (missing := size - len(json.dumps({"charges": charges, "note": ""}))) < 0:
        charges.pop()
    return json.dumps({"charges": charges, "note": "." * missing}).encode()


def shown(size: int) -> str:
    """The size for people."""
    if size >= 1024 * 1024:
        return f"{size // (1024 * 1024)} MiB"
    return f"{size // 1024} KiB" if size >= 1024 else f"{size} B"
