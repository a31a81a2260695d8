"""``python -m gateway`` is ``idempotency-gateway``, and this is where both begin.

Knows that Ctrl-C may come at any moment, also in the second that the imports take, and is no fault. Knows nothing else.
"""

import os
import signal
import sys
from typing import NoReturn

# As a shell has it: 128 and the signal's number.
INTERRUPTED = 128 + signal.SIGINT


def main() -> NoReturn:
    """The entry point of the command; interrupted, it ends quietly."""
    # Nothing has begun that could be left undone, and an exception out of the middle of an import is nobody's to catch.
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    if sys.argv[1:2] == ["health"]:
        from gateway.cli.health import main as command  # noqa: PLC0415 - alone: it is run every few seconds

        del sys.argv[1]
    else:
        from gateway.cli.main import main as command  # noqa: PLC0415 - see the module's docstring

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        command()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
