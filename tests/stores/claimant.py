"""A process that claims: ``python -m tests.stores.claimant FILE ROUNDS PREFIX``; prints each fence that it was granted.

With PREFIX ``hang`` it prints its one grant and waits to be killed.
"""

import asyncio
import sys
from datetime import timedelta

from gateway.protocol.model import Granted
from gateway.stores.sql.store import SqlStore
from tests.stores.requests import claim


async def main(path: str, rounds: int, prefix: str) -> None:
    store = await SqlStore.open_sqlite(path, deadline=timedelta(seconds=10))
    await store.digest_keys([None])
    for number in range(rounds):
        request = claim(f"{prefix} {number}")
        if isinstance(await store.claim(request), Granted):
            print(request.owner.hex(), flush=True)
    if prefix == "hang":
        await asyncio.Event().wait()
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
