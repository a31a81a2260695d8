"""How people write durations, sizes, numbers, names and addresses, and what is said when they write them otherwise.

Each function takes what a file, a variable or an option held and returns what the core works with; the sentence of its
``ValueError`` follows the setting's name. Refuses to know where a value was written.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address

from gateway.policies.callers import Rate
from gateway.protocol.dossier import GATEWAY, LOOPBACK, RECONCILER, TIME

# As JSON Schema has them; Python matches the whole text, because its "$" lets a newline pass.
DURATION = r"^(0|[1-9][0-9]*)(ms|s|m|h|d)$"
SIZE = r"^(0|[1-9][0-9]*)(B|KiB|MiB|GiB)$"
RATE = r"^[1-9][0-9]{0,6}/(s|m|h)$"
SHARE = r"0?\.[0-9]{1,9}|[01](\.0{1,9})?"
ADDRESS = r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$"
HEADER_NAME = r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$"
METHOD = r"^[A-Z][A-Z-]*$"
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"

_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_BYTES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_SECONDS = {"s": 1, "m": 60, "h": 3600}
LONGEST = timedelta(days=3650)
LARGEST = 1024**3

# What a history calls whatever was no operator with a token.
NOBODYS_NAMES = frozenset({GATEWAY, TIME, RECONCILER, LOOPBACK})

# Longer numbers are beyond every bound here, and slow to read.
_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Address:
    """Where a listener listens. ``host`` has no brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_duration(value: object) -> timedelta:
    """``250ms``, ``30s``, ``15m``, ``24h``, ``30d``."""
    found = re.fullmatch(DURATION, value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a duration: a whole number and ms, s, m, h or d, such as 250ms, 30s, 24h or 30d")
    # Compared as numbers: timedelta itself overflows on a billion days.
    if len(found[1]) > _DIGITS or int(found[1]) * _MILLISECONDS[found[2]] > LONGEST // timedelta(milliseconds=1):
        raise ValueError(f"is longer than {LONGEST.days}d, the longest duration that can be kept")
    return timedelta(milliseconds=int(found[1]) * _MILLISECONDS[found[2]])


def parse_size(value: object) -> int:
    """``512B``, ``64KiB``, ``16MiB``, ``1GiB``; in bytes."""
    found = re.fullmatch(SIZE, value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a size: a whole number and B, KiB, MiB or GiB, such as 64KiB or 16MiB")
    if len(found[1]) > _DIGITS or int(found[1]) * _BYTES[found[2]] > LARGEST:
        raise ValueError("is larger than 1GiB, the largest body that one call may hold")
    return int(found[1]) * _BYTES[found[2]]


def whole_number(least: int, most: int) -> Callable[[object], int]:
    """Reads whole numbers between two bounds; the environment writes them as text."""

    def parse(value: object) -> int:
        text = value if isinstance(value, str) else ""
        number = int(text) if re.fullmatch(r"[0-9]{1,15}", text) else value
        if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= most:
            raise ValueError(f"must be a whole number from {least} to {most}" if least < most else f"must be {least}")
        return number

    return parse


def parse_rate(value: object) -> Rate:
    """So many a second, a minute or an hour."""
    if isinstance(value, Rate):
        return value
    if not isinstance(value, str) or not re.fullmatch(RATE, value):
        raise ValueError("must be a rate: a whole number, '/' and s, m or h, such as 50/s or 600/m")
    amount, _, unit = value.partition("/")
    return Rate(int(amount), _SECONDS[unit])


def parse_flag(value: object) -> bool:
    """``true`` or ``false``; the environment writes them as text."""
    found = {"true": True, "false": False}.get(value) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise ValueError("must be true or false")
    return found


def parse_share(value: object) -> float:
    """A share of a whole, from 0 to 1; as text where it comes from the environment."""
    number = float(value) if isinstance(value, str) and re.fullmatch(SHARE, value) else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= 1:
        raise ValueError("must be a share from 0 to 1, such as 0.01 for one in a hundred")
    return float(number)


def parse_text(value: object) -> str:
    """One line of text that can be shown."""
    if not isinstance(value, str):
        raise ValueError("must be text; put a number, a date or a word with a meaning of its own in quotes")
    if not value.strip():
        raise ValueError("must not be empty; leave it out for the default")
    if not value.isprintable() or value != value.strip():
        raise ValueError("must be one line of printable text, without space around it")
    return value


def parse_name(value: object) -> str:
    """A route's name."""
    if not isinstance(value, str) or not re.fullmatch(NAME, value):
        raise ValueError("must be a name: letters, digits, '.', '_' and '-', 63 at most, such as payments")
    return value


def parse_operator(value: object) -> str:
    """Whose word a history shows; none that stands there for the gateway itself."""
    name = parse_name(value)
    if name in NOBODYS_NAMES:
        raise ValueError(f"cannot be {name}, which stands in histories for the gateway itself; choose another")
    return name


def parse_address(value: object) -> Address:
    """``HOST:PORT``, ``[::1]:PORT``."""
    if isinstance(value, Address):
        return value
    if not isinstance(value, str) or not re.fullmatch(ADDRESS, value):
        raise ValueError("must be HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080")
    host, _, port = value.rpartition(":")
    if int(port) > 65535:
        raise ValueError("has a port above 65535; choose one from 1 to 65535, or 0 for any")
    return Address(bare_host(host), int(port))


def bare_host(host: str) -> str:
    """A host without the brackets of an IPv6 address, which must be one."""
    if not host.startswith("["):
        return host
    try:
        return str(IPv6Address(host.strip("[]")))
    except ValueError:
        raise ValueError("has brackets around something that is not an IPv6 address; write it as [::1]:8080") from None


def parse_http(value: object) -> str:
    """A version of HTTP, also where YAML takes it for a number."""
    text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    if text not in ("1.1", "2"):
        raise ValueError('must be "1.1" or "2"')
    return text


def parse_header_name(value: object) -> str:
    """A field name (RFC 9110, section 5.6.2)."""
    if not isinstance(value, str) or not re.fullmatch(HEADER_NAME, value):
        raise ValueError("must be a header name, such as Idempotency-Key")
    return value


def parse_method(value: object) -> str:
    """A method that the gateway carries."""
    if not isinstance(value, str) or not re.fullmatch(METHOD, value):
        raise ValueError("must be a method in capitals, such as POST")
    if value in ("CONNECT", "TRACE"):
        raise ValueError(f"has no effect: the gateway never carries {value}; remove it")
    return value
