"""Files that a setting names: secrets, and PEM files for TLS.

A secret's text is never part of a sentence; the path of its file is. Files are read, or opened, at the start; some are
read again when they change (``rereading``), by the same rules.
"""

from dataclasses import dataclass, field
from pathlib import Path

from gateway.policies.callers import read_digests

# More than any secret has, and far less than a mistaken path could hold.
_LARGEST_SECRET = 64 * 1024

# The key of digests that the store makes and keeps.
OWN_KEY = "store"

# 128 bits, if every byte were chance.
_SHORTEST_KEY = 16


def parse_secret(value: object) -> bytes:
    """The bytes themselves, or those of the file that ``file:///path`` names, less one newline at their end."""
    if not isinstance(value, str) or not value:
        raise ValueError("must be a secret in quotes, or file:///path of a file that holds it")
    if value.lower().startswith("file:"):
        return _content(_path(value))
    if value.startswith("/") and _is_file(value):
        raise ValueError("is the path of a file, and would be the secret itself; write file:// before it")
    return value.encode()


def parse_secret_key(value: object) -> bytes:
    """A secret that is long enough to make digests with, or to encrypt."""
    secret = parse_secret(value)
    if len(secret) < _SHORTEST_KEY:
        raise ValueError(f"is shorter than {_SHORTEST_KEY} bytes; make one with: openssl rand -base64 32")
    return secret


def parse_digest_key(value: object) -> bytes | str:
    """A secret key, or the word for the one that the store makes and keeps."""
    return OWN_KEY if value == OWN_KEY else parse_secret_key(value)


@dataclass(frozen=True, slots=True)
class Given:
    """A value that is written down, or was read from ``file``, which is read again when it changes."""

    value: bytes = field(repr=False)
    file: str | None = None


def parse_bearer_token(value: object) -> Given:
    """A secret that travels in ``Authorization: Bearer`` (RFC 6750), and is too long to be guessed."""
    secret = parse_secret(value)
    if any(byte <= 0x20 or byte > 0x7E for byte in secret):
        raise ValueError("must be printable ASCII without spaces, because it is sent in a header")
    if len(secret) < _SHORTEST_KEY:
        raise ValueError(f"is shorter than {_SHORTEST_KEY} characters; make one with: openssl rand -hex 32")
    return Given(secret, _file_of(value))


def parse_header_value(value: object) -> Given:
    """A field's value, often a secret: the text itself, or the content of a file."""
    if not isinstance(value, str):
        raise ValueError("must be text, or file:///path of a file that holds it; put numbers and dates in quotes")
    content = _content(_path(value)) if value.lower().startswith("file:") else value.encode()
    if content != content.strip():
        raise ValueError("has space or a line's end around it; remove that, also in the file that it may name")
    if any(byte < 0x20 or byte > 0x7E for byte in content):
        raise ValueError("must be one line of printable ASCII")
    return Given(content, _file_of(value))


@dataclass(frozen=True, slots=True)
class KeyDigests:
    """SHA-256 digests of a caller's keys: one that is written down, or those in ``file``, which is read again."""

    digests: frozenset[bytes] = field(repr=False)
    file: str | None = None


def parse_key_digests(value: object) -> KeyDigests:
    """``sha256:HEX``, or ``file:///path`` of a file with one a line; an empty one is a caller who may not call."""
    if not isinstance(value, str) or not value:
        raise ValueError("must be sha256:HEX, or file:///path of a file that holds it")
    if not value.lower().startswith("file:"):
        return KeyDigests(read_digests(value.encode()))
    path = _path(value)
    try:
        return KeyDigests(read_digests(_read(path)), path)
    except ValueError as fault:
        told = str(fault)
        raise ValueError(told if told.startswith("names") else f"names {path}, where every line {told}") from None


def parse_pem_file(value: object) -> str:
    """The path in ``file:///path``, of a file that can be read; what it holds is for whoever makes the TLS context."""
    path = _path(value)
    try:
        with Path(path).open("rb"):
            return path
    except (OSError, ValueError) as fault:
        raise _unreadable(path, fault) from None


def _file_of(value: object) -> str | None:
    return _path(value) if isinstance(value, str) and value.lower().startswith("file:") else None


def _path(value: object) -> str:
    if not isinstance(value, str) or not value.startswith("file:///"):
        raise ValueError("must be file:///path, with the absolute path of a file")
    return value.removeprefix("file://")


def _read(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LARGEST_SECRET + 1)
    except (OSError, ValueError) as fault:
        raise _unreadable(path, fault) from None
    if len(content) > _LARGEST_SECRET:
        raise ValueError(f"names {path}, which is larger than 64KiB; name the file of the secret alone")
    return content


def _content(path: str) -> bytes:
    content = _read(path)
    content = content.removesuffix(b"\r\n" if content.endswith(b"\r\n") else b"\n")
    if not content:
        raise ValueError(f"names {path}, which is empty; write the secret into it")
    return content


def _unreadable(path: str, fault: OSError | ValueError) -> ValueError:
    why = fault.strerror if isinstance(fault, OSError) else "it is no path"
    return ValueError(f"names {path!r}, which cannot be read: {why}")


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # Too long, or with a NUL: a secret that only begins like a path.
        return False
