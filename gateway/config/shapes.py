"""What every part of the configuration's shape is made of: how a value is read, and how JSON Schema describes it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from gateway.config.files import (
    Given,
    KeyDigests,
    parse_bearer_token,
    parse_digest_key,
    parse_header_value,
    parse_key_digests,
    parse_pem_file,
    parse_secret_key,
)
from gateway.config.jwt_values import PublishedAt, parse_algorithm, parse_key_place
from gateway.config.units import (
    ADDRESS,
    DURATION,
    HEADER_NAME,
    METHOD,
    NAME,
    RATE,
    SIZE,
    Address,
    parse_address,
    parse_duration,
    parse_flag,
    parse_header_name,
    parse_http,
    parse_method,
    parse_name,
    parse_operator,
    parse_rate,
    parse_share,
    parse_size,
    parse_text,
    whole_number,
)
from gateway.config.urls import (
    POSTGRES,
    REDIS,
    BaseUrl,
    parse_base_url,
    parse_match_host,
    parse_origin,
    parse_path,
    parse_postgres_url,
    parse_problem_base,
    parse_proxy,
    parse_redis_url,
    parse_sqlite_file,
    parse_strip_prefix,
)
from gateway.policies.callers import Rate
from gateway.policies.routing import Proxy
from gateway.policies.tokens import ALGORITHMS
from gateway.protocol.fingerprint import pointer_tokens


class Shape(BaseModel):
    """What every part has in common: nothing unknown, nothing changed later, no value in a message."""

    # Defaults are validated, so that they are written, here and in the schema, as people write them.
    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, arbitrary_types_allowed=True, validate_default=True
    )

    @model_validator(mode="before")
    @classmethod
    def _unset(cls, value: object) -> object:
        """A setting with nothing behind its colon is one that was left out; an unknown one is still told."""
        if not isinstance(value, dict):
            return value
        return {name: part for name, part in value.items() if part is not None or name not in cls.model_fields}


def default(value: Any, description: str, *examples: object) -> Any:  # noqa: ANN401 - any field
    """A field with a default; ``examples``: better ones than those of its type."""
    return Field(default=value, description=description, examples=list(examples) or None)


def made(make: Callable[[], Any], description: str, *examples: object) -> Any:  # noqa: ANN401 - any field
    """A field whose default is made anew each time."""
    return Field(default_factory=make, description=description, examples=list(examples) or None)


def also_written(other: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """Adds to a part's schema another way of writing it."""

    def extend(schema: dict[str, Any]) -> None:
        told = {name: schema.pop(name) for name in list(schema) if name in ("description", "default")}
        whole = dict(schema)
        schema.clear()
        schema.update(told, anyOf=[other, whole])

    return extend


def parse_pointer(value: object) -> str:
    """A JSON Pointer (RFC 6901)."""
    if not isinstance(value, str):
        raise ValueError("must be a JSON Pointer, such as /id")
    try:
        pointer_tokens(value)
    except ValueError:
        raise ValueError(
            "must be a JSON Pointer, such as /id: '/' before each name, '~0' for '~', '~1' for '/'"
        ) from None
    return value


def _text(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": list(examples)})


def _whole(least: int, most: int) -> tuple[BeforeValidator, WithJsonSchema]:
    schema = WithJsonSchema({"type": "integer", "minimum": least, "maximum": most})
    return BeforeValidator(whole_number(least, most)), schema


Duration = Annotated[timedelta, BeforeValidator(parse_duration), _text(DURATION, "250ms", "30s", "24h")]
Size = Annotated[int, BeforeValidator(parse_size), _text(SIZE, "64KiB", "16MiB")]
Flag = Annotated[bool, BeforeValidator(parse_flag)]
Text = Annotated[str, BeforeValidator(parse_text), _text(r"^\S")]
Name = Annotated[str, BeforeValidator(parse_name), _text(NAME, "payments")]
OperatorName = Annotated[str, BeforeValidator(parse_operator), _text(NAME, "on-call")]

Listen = Annotated[Address, BeforeValidator(parse_address), _text(ADDRESS, "127.0.0.1:8080")]
Url = Annotated[BaseUrl, BeforeValidator(parse_base_url), _text("^https?://", "https://api.example.com")]
PublicOrigin = Annotated[BaseUrl, BeforeValidator(parse_origin), _text("^https?://", "https://pay.example.com")]
ProxyUrl = Annotated[
    Proxy, BeforeValidator(parse_proxy), _text("^(https?://|file:///).", "http://proxy.example.com:3128")
]
ProblemBase = Annotated[
    str, BeforeValidator(parse_problem_base), _text("^(https?://|urn:).*[/#:=]$", "https://example.com/problems/")
]
MatchHost = Annotated[str, BeforeValidator(parse_match_host), _text(r"^\S*$", "pay.internal")]
StripPrefix = Annotated[str, BeforeValidator(parse_strip_prefix), _text("^(/.*)?$", "/v1")]
UrlPath = Annotated[str, BeforeValidator(parse_path), _text("^/", "/v1/")]
PostgresUrl = Annotated[
    str, BeforeValidator(parse_postgres_url), _text(f"^({POSTGRES}|file:///)", "postgresql://gateway@db/gateway")
]
RedisUrl = Annotated[str, BeforeValidator(parse_redis_url), _text(f"^({REDIS}|file:///)", "redis://redis:6379/0")]
SqliteFile = Annotated[str, BeforeValidator(parse_sqlite_file), _text(".", "./idempotency-gateway.db")]

HttpVersion = Annotated[Literal["1.1", "2"], BeforeValidator(parse_http)]
HeaderName = Annotated[str, BeforeValidator(parse_header_name), _text(HEADER_NAME, "Idempotency-Key")]
Method = Annotated[str, BeforeValidator(parse_method), _text(METHOD, "POST")]
Pointer = Annotated[str, BeforeValidator(parse_pointer), _text("^(/.*)?$", "/id")]

SecretKey = Annotated[
    bytes, BeforeValidator(parse_secret_key), _text("^.{16,}$|^file:///.", "file:///run/secrets/digest-key")
]
DigestKey = Annotated[
    bytes | Literal["store"],
    BeforeValidator(parse_digest_key),
    _text("^.{16,}$|^file:///.|^store$", "file:///run/secrets/digest-key", "store"),
]
BearerToken = Annotated[
    Given, BeforeValidator(parse_bearer_token), _text("^[!-~]{16,}$|^file:///.", "file:///run/secrets/admin-token")
]
HeaderValue = Annotated[Given, BeforeValidator(parse_header_value), _text("^.*$", "file:///run/secrets/api-token")]
CallerKey = Annotated[
    KeyDigests,
    BeforeValidator(parse_key_digests),
    _text("^sha256:[0-9a-fA-F]{64}$|^file:///.", "file:///run/secrets/shop-key"),
]
KeyPlace = Annotated[
    PublishedAt,
    BeforeValidator(parse_key_place),
    _text("^https://|^file:///.", "https://id.example.com/.well-known/jwks.json"),
]
JwtAlgorithm = Annotated[str, BeforeValidator(parse_algorithm), _text(f"^({'|'.join(ALGORITHMS)})$", *ALGORITHMS)]
CallRate = Annotated[Rate, BeforeValidator(parse_rate), _text(RATE, "50/s", "600/m")]
PemFile = Annotated[str, BeforeValidator(parse_pem_file), _text("^file:///", "file:///etc/ssl/own-ca.pem")]

_from_0 = _whole(0, 1_000_000)
_from_200 = _whole(200, 599)
_to_1024 = _whole(1, 1024)
_to_256 = _whole(1, 256)
_to_65535 = _whole(1, 65535)
_to_a_million = _whole(1, 1_000_000)
Status = Annotated[int, _from_200[0], _from_200[1]]
KeyLength = Annotated[int, _to_1024[0], _to_1024[1]]
Connections = Annotated[int, _to_65535[0], _to_65535[1]]
Processes = Annotated[int, _to_256[0], _to_256[1]]
Many = Annotated[int, _to_a_million[0], _to_a_million[1]]
AnyNumber = Annotated[int, _from_0[0], _from_0[1]]
Share = Annotated[
    float,
    BeforeValidator(parse_share),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1, "examples": [0.01]}),
]
