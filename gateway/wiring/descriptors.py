"""How many connections and calls the limit of open files carries, so that the gateway sheds before it runs out.

A call that finds no descriptor after its claim was claimed for nothing. So the caps are lowered at the start until the
worst they allow fits: a connection for each caller, and for each call one to the upstream and one for a large body.
"""

import resource
from dataclasses import replace
from pathlib import Path

from gateway.policies.downstream import Downstream

# For what is opened later and is no call's: stores that connect again, names that are looked up, operators, and callers
# who are being told that there are too many of them.
RESERVE = 16


def affordable(asked: Downstream) -> tuple[Downstream, str | None]:
    """What the limit of open files carries of ``asked``, and a sentence where that is less.

    Call it when the stores are open. Raises the process's soft limit as far as that helps and is allowed.
    """
    taken = len(list(Path("/dev/fd").iterdir())) + RESERVE
    needed = taken + asked.max_connections + 2 * asked.max_calls
    room = max(_allowed(needed) - taken, 4)
    if room >= needed - taken:
        return asked, None
    connections = min(asked.max_connections, room // 2)
    calls = min(asked.max_calls, room // 4)
    told = (
        f"the limit of open files carries {connections} connections and {calls} calls at once, not"
        f" {asked.max_connections} and {asked.max_calls}; raise it to {needed} (ulimit -n), or lower"
        " downstream.max_connections and downstream.max_calls."
    )
    return replace(asked, max_connections=connections, max_calls=calls), told


def _allowed(needed: int) -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return needed
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(wanted, soft)
