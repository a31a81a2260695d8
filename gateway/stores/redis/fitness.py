"""Whether a server may be the authority, by what it says of itself; asked once, at the start.

Knows the lines of ``INFO``, which managed servers allow where they forbid ``CONFIG``. Every complaint is ``StoreUnfit``
with what to do about it. What weakens the promise without breaking it is a caution, for people to read.
"""

import re
from collections.abc import Mapping

from gateway.errors import StoreUnfit

LEAST_VERSION = (7, 0)

NO_FILE = (
    "Redis keeps no append-only file: what it acknowledged since its last snapshot is lost when it restarts, "
    "and a call that it forgot may be executed again; set appendonly to yes"
)


def facts_of(info: bytes) -> Mapping[str, str]:
    """The lines ``name:value`` of the answer to ``INFO``."""
    lines = (line.partition(":") for line in info.decode("utf-8", "replace").splitlines())
    return {name: value for name, found, value in lines if found}


def examine(facts: Mapping[str, str]) -> tuple[str, ...]:
    """Cautions, one sentence each; ``StoreUnfit`` where the server cannot keep the promise."""
    # Valkey has a name of its own for it.
    mode = facts.get("redis_mode") or facts.get("server_mode")
    if mode == "sentinel":
        raise StoreUnfit("this is a Sentinel, not the Redis it watches: write redis+sentinel://HOST/SERVICE/DB")
    found = re.match(r"([0-9]+)\.([0-9]+)", facts.get("redis_version", ""))
    if found is None or (int(found[1]), int(found[2])) < LEAST_VERSION:
        version = facts.get("redis_version", "of no known version")
        raise StoreUnfit(f"the server is Redis {version}: use Redis 7.0 or later, or Valkey")
    if mode == "cluster" or facts.get("cluster_enabled") == "1":
        raise StoreUnfit("the server is part of a Redis Cluster, which this store does not use: choose a single Redis")
    if facts.get("role") != "master":
        raise StoreUnfit(
            "the server is a replica, which may not grant: name its master, or the Sentinels that know it "
            "(redis+sentinel://HOST/SERVICE/DB)"
        )
    policy = facts.get("maxmemory_policy")
    if policy != "noeviction":
        raise StoreUnfit(
            f"maxmemory-policy is {policy or 'not told'}, which may forget a call in flight, so that it is sent twice: "
            "set it to noeviction"
        )
    return _cautions(facts)


def _cautions(facts: Mapping[str, str]) -> tuple[str, ...]:
    # A caution and no refusal: replicas may stand in for a file, and a managed server does not tell. Without either,
    # a restart forgets; the marker's id (role.py) then keeps running gateways from granting what they cannot know.
    if facts.get("aof_enabled") == "1":
        return ()
    return (NO_FILE,)
