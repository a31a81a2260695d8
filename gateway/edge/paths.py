"""One path, one reading: what a route, a fingerprint and an upstream could each take for another resource.

Pure. The path that a caller sends is forwarded and fingerprinted as it came, so nothing is mended here. Some forms are
refused, because servers resolve them (RFC 3986, section 5.2.4) or decode them to something else; others are harmless as
long as every reading of them takes the same route. Refuses to know routes: whoever asks compares.
"""

import re

# Most paths have none of these, and are done with after one search.
_UNUSUAL = re.compile(r"[%.;\\]|//")

# Dot segments, also encoded or with parameters behind them, which some servers drop first; an encoded slash, backslash
# or NUL; a backslash; a percent sign that encodes nothing.
_AMBIGUOUS = re.compile(
    r"/(?:\.|%2e){1,2}(?=/|;|%3b|$)|%2f|%5c|%00|\\|%(?![0-9a-f]{2})",
    re.IGNORECASE,
)

# Octets that need no encoding (RFC 3986, section 2.3), and the semicolon, encoded.
_NEEDLESS = re.compile(r"%(2[de]|3[0-9b]|[46][1-9a-f]|[57][0-9a]|5f|7e)", re.IGNORECASE)
_PARAMETERS = re.compile(r";[^/]*")
_SLASHES = re.compile(r"//+")


def usual(path: str) -> bool:
    """Whether nothing in ``path`` could be read in two ways."""
    return _UNUSUAL.search(path) is None


def ambiguous(path: str) -> bool:
    """Whether servers would resolve or decode ``path`` to another one."""
    return _AMBIGUOUS.search(path) is not None


def as_others_read(path: str) -> str:
    """``path`` as a server takes it that decodes, drops parameters and merges slashes: ``/%61;v=1//b`` is ``/a/b``."""
    decoded = _NEEDLESS.sub(lambda found: chr(int(found[1], 16)), path)
    return _SLASHES.sub("/", _PARAMETERS.sub("", decoded))
