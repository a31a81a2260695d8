"""Looks into the stores when nothing goes wrong any more: what state each key is in, and whether a secret lies there.

Reads the tables and the bytes on the disk, and not through the gateway's own code, but for the name of a key's record.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gateway.protocol.fingerprint import Digester
from gateway.stores.sql.tables import State
from tests.chaos.gateways import DIGEST_KEY
from tests.chaos.invariants import LEASE
from tests.chaos.logs import CANARY, Kept
from tests.chaos.site import Site

# Beyond a lease, for a machine that is busy with other things.
PATIENCE = 60.0
_ROWS = """
    SELECT id, state, fence, state = 1 AND turns_at > extract(epoch FROM clock_timestamp()) * 1000 AS runs FROM records
"""
_PIECE = 1 << 20


def leases_over(site: Site) -> None:
    """Returns when no lease runs any more; what is in flight longer than that shows in ``records``."""
    until = time.monotonic() + LEASE + PATIENCE
    while any(runs for *_, runs in site.postgres.execute(_ROWS, url=site.database)) and time.monotonic() < until:
        time.sleep(0.2)


def records(site: Site, keys: Iterable[str]) -> Mapping[str, Kept]:
    """The store, by key; a record that is no key's goes by its id."""
    digester = Digester(DIGEST_KEY.encode())
    namespace = f"http://127.0.0.1:{site.payments.port}"
    names = {digester.record_id(namespace, key, None).digest: key for key in keys}
    found = {}
    for row_id, state, fence, runs in site.postgres.execute(_ROWS, url=site.database):
        label = State(state).label
        if label == "in-flight" and not runs:
            label = "unknown"
        found[names.get(row_id, f"nobody-{row_id.hex()}")] = Kept(label, fence)
    return found


def leaks(site: Site) -> list[str]:
    """Every file of the gateways, of Postgres and of Redis with a secret in it."""
    site.postgres.execute("CHECKPOINT")
    site.redis.server.ask.save()
    logs = [log for gateway in site.gateways for log in gateway.folder.glob("*.*") if log.suffix != ".yaml"]
    stores = [site.redis.folder, site.postgres.folder]
    return [f"{path}" for path in [*logs, *_files(stores)] if _holds(path, CANARY.encode())]


def _files(folders: Sequence[Path]) -> list[Path]:
    return [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]


def _holds(path: Path, word: bytes) -> bool:
    """Whether the word is in the file, also across two pieces of it."""
    before = b""
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            if word in before + piece:
                return True
            before = piece[-len(word) :]
    return False
