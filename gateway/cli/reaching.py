"""Where a gateway's admin listener is reached: as a person wrote it, or as its configuration has it.

Knows addresses. Refuses to connect to any.
"""

import re

from gateway.config.units import Address
from gateway.config.urls import parse_base_url
from gateway.errors import ConfigInvalid

# Where a listener that listens everywhere is asked from the same machine.
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - asked, not bound


def given(url: str) -> str:
    """The URL of ``--admin``, in one form."""
    try:
        found = parse_base_url(url)
    except ValueError as fault:
        raise ConfigInvalid(f"option --admin: {fault}.") from None
    host = f"[{found.host}]" if ":" in found.host else found.host
    return f"{found.scheme}://{host}:{found.port}{found.path}"


def listening(address: Address) -> str:
    """The URL of a listener on this machine."""
    return f"http://{Address(_ANYWHERE.get(address.host, address.host), address.port)}"


def why(fault: Exception) -> str:
    """What went wrong on the way, without the system's number for it."""
    return re.sub(r"^\[Errno -?[0-9]+\] ", "", str(fault)) or type(fault).__name__
