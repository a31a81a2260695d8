"""How people write where an issuer's keys are, and how its tokens are signed, and what is said of other ways."""

from dataclasses import dataclass

from gateway.config.files import parse_pem_file
from gateway.config.units import parse_text
from gateway.config.urls import BaseUrl, parse_base_url
from gateway.policies.tokens import ALGORITHMS


@dataclass(frozen=True, slots=True)
class PublishedAt:
    """``place``: a URL as it goes out, with ``url`` its parts, or the path of a file."""

    place: str
    url: BaseUrl | None = None


def parse_key_place(value: object) -> PublishedAt:
    """A file that can be read, or a URL over TLS: whoever can change keys on their way can make any token."""
    text = parse_text(value)
    if text.lower().startswith("file:"):
        return PublishedAt(parse_pem_file(text))
    if not text.startswith("https://"):
        raise ValueError("must begin with https:// or file:///, because whoever forges keys forges callers")
    if "#" in text or not text.isascii():
        raise ValueError("must be ASCII, without a fragment; write it as https://id.example.com/.well-known/jwks.json")
    return PublishedAt(text, parse_base_url(text.partition("?")[0]))


def parse_algorithm(value: object) -> str:
    """One that tokens may be signed by."""
    text = parse_text(value)
    if text.upper().startswith("HS"):
        raise ValueError("is made with a shared secret, with which the gateway could make tokens itself; remove it")
    if text.lower() == "none":
        raise ValueError("is no signature, so that anybody could make tokens; remove it")
    if text not in ALGORITHMS:
        raise ValueError(f"is none that tokens may be signed by; there are: {', '.join(ALGORITHMS)}")
    return text
