"""The configuration's shape: every setting with its unit, its default and the reason for it.

Parsed values only; which settings go together is for ``validate``. Secrets are bytes that never show in a repr.
"""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from gateway.config.caller_settings import CallerSettings, JwtSettings, LimitsSettings
from gateway.config.configuration import Role
from gateway.config.policy_settings import PolicySettings
from gateway.config.shapes import (
    AnyNumber,
    BearerToken,
    Connections,
    DigestKey,
    Duration,
    Flag,
    HeaderName,
    HeaderValue,
    HttpVersion,
    Listen,
    Many,
    MatchHost,
    Method,
    Name,
    OperatorName,
    PemFile,
    PostgresUrl,
    ProblemBase,
    Processes,
    ProxyUrl,
    PublicOrigin,
    RedisUrl,
    SecretKey,
    Shape,
    Share,
    Size,
    SqliteFile,
    StripPrefix,
    Url,
    UrlPath,
    also_written,
    default,
    made,
)
from gateway.config.units import ADDRESS, parse_address, parse_flag
from gateway.config.urls import STORE_URL
from gateway.policies.callers import Need


class MatchSettings(Shape):
    """What a route covers."""

    host: MatchHost = default("", "The Host that callers use; with a port only where the port must match too.")
    path: UrlPath = default(
        "/", "A prefix of whole segments: /v1 covers /v1 and /v1/x, not /v10; /v1/ covers what is below it alone."
    )
    methods: list[Method] = made(list, "Methods; empty for all.")
    strip_prefix: StripPrefix = default("", "Taken off the front of the path before it goes upstream.")
    ambiguous_paths: Literal["refuse", "pass"] = default(
        "refuse",
        "Paths that servers may read as others, such as /a/../b, /a%2Fb or /%zz: refuse answers 400; pass forwards "
        "them as they came, where whoever may call this route may call every path of the upstream.",
    )


class TimeoutSettings(Shape):
    """Bounds on one call. What is not set is never longer than ``total``."""

    connect: Duration = default("5s", "Name, TCP and TLS together; at most total.")
    response: Duration = default("80s", "Until the caller is answered 504; at most total.")
    total: Duration = default("90s", "Until the gateway stops listening; a claim's lease follows from it.")
    idle: Duration = default("60s", "Between two pieces of a streamed answer.")


class TlsSettings(Shape):
    """TLS towards the upstream; PEM files, read again when they change."""

    ca: PemFile | None = default(None, "Authorities instead of the system's.")
    certificate: PemFile | None = default(None, "The gateway's certificate and its chain.")
    key: PemFile | None = default(None, "The certificate's key, without a password.")


class HeaderSettings(Shape):
    """Headers that the route adds or takes away upstream."""

    set: dict[HeaderName, HeaderValue] = Field(
        default_factory=dict,
        repr=False,
        description="Set on every request; a value may be file:///path, read again on change.",
    )
    remove: list[HeaderName] = made(list, "Never passed on.")


class UpstreamSettings(Shape):
    """Where a route leads."""

    url: Url = Field(description="Base URL; nothing that a caller sends chooses another origin.")
    timeout: TimeoutSettings = made(TimeoutSettings, "Bounds on one call.")
    keep_alive: Duration = default(
        "1s", "Older idle connections are not used: the peer may have closed them. 0s: one call each."
    )
    max_connections: Connections = default(256, "Connections at once; one more waits, then 503.")
    tls: TlsSettings = made(TlsSettings, "TLS towards the upstream.")
    http: HttpVersion = default(
        "1.1",
        "The protocol. With 2, agreed on over TLS or known of an upstream at http://, calls share connections, and a "
        "connection that is lost loses all of them.",
    )
    believe_refusals: Flag = default(
        False,
        "Whether a call may be retried that an upstream refused by HTTP/2 (REFUSED_STREAM, or GOAWAY before it), which "
        "guarantees that it was not processed; false: bytes of it were sent, and its outcome is unknown.",
    )
    proxy: ProxyUrl | None = Field(
        default=None,
        repr=False,
        description="An HTTP proxy on the way, user and password in its URL; may be file:///path. https goes through a "
        "tunnel (CONNECT), http is forwarded. Proxies that the environment names are never used.",
    )
    proxy_ca: PemFile | None = default(None, "Authorities instead of the system's, for a proxy's own certificate.")
    headers: HeaderSettings = made(HeaderSettings, "Headers towards the upstream.")
    forwarded: Flag = default(False, "Adds Forwarded and X-Forwarded-For, -Host, -Proto.")
    refuse_private_addresses: Flag = default(
        False, "Never connects to a loopback, private or link-local address, whatever the name says at that moment."
    )


class CallSettings(Shape):
    """Calls in flight on a route at once; one more is turned away before its claim."""

    max: Many | None = default(None, "In all, guarded or not; unset: as downstream.max_calls has it. One more: 503.")
    per_caller: Many = default(
        1024, "Of one caller, as policy.scope.headers tell callers apart, so that none takes all places. One more: 429."
    )


class RouteSettings(Shape):
    """One route."""

    name: Name = Field(description="For people, metrics and logs; it may be renamed.")
    match: MatchSettings = made(MatchSettings, "What it covers; unset: everything.")
    upstream: UpstreamSettings = Field(description="Where it leads.")
    policy: PolicySettings = made(PolicySettings, "What differs from the policy for all.")
    calls: CallSettings = made(CallSettings, "How many calls at once.")
    callers: Need | None = default(
        None,
        "With callers: required answers 401 to whoever is none of them; optional lets them in who show no "
        "credential, and refuses a wrong one; none looks at no credential. Unset: required.",
    )


class DownstreamTimeoutSettings(Shape):
    """How slow a caller may be: whoever is slower holds a connection, and nothing else, and is given up."""

    head: Duration = default("10s", "From a request's first byte to the end of its head; a new connection's silence.")
    body: Duration = default("20s", "Over which a body's rate is measured, again and again; below least_rate: 408.")
    total: Duration = default("1h", "For a body altogether, however it flows; then 408.")
    answer: Duration = default("20s", "The same for taking an answer; below least_rate the connection is ended.")
    idle: Duration = default(
        "75s", "Between two calls; longer than a load balancer's (60s), so that it is that closes."
    )


class DownstreamSettings(Shape):
    """What callers may take of the gateway."""

    timeout: DownstreamTimeoutSettings = made(DownstreamTimeoutSettings, "How slow a caller may be.")
    least_rate: Size = default("1KiB", "Bytes a second that a slow caller has to send, or to take.")
    max_connections: Many = default(
        8192, "Connections at once; one more is answered 503. Fewer where the limit of open files is low."
    )
    max_calls: Many = default(
        4096, "Calls in flight at once; one more is answered 503. Fewer where the limit of open files is low."
    )


class ReplayCacheSettings(Shape):
    """Answers that were replayed lately, kept in each process and bounded; a replay from there asks no store."""

    max_bytes: Size = default("32MiB", "In each process; 0B keeps none.")
    max_age: Duration = default(
        "10s", "How long each is kept, at most 60s: so long after a key was forgotten, word of which was lost, at most."
    )


class AdminTokenSettings(Shape):
    """One operator, or a program of theirs."""

    name: OperatorName = Field(description="Who it is, for histories and log lines.")
    role: Role = Field(description="read sees records; settle decides on them too.")
    token: BearerToken = Field(
        repr=False,
        description="What is sent as Authorization: Bearer, at least 16 characters; may be file:///path, read again.",
    )


class ListenTlsSettings(Shape):
    """TLS on the data listener; PEM files, read again when they change."""

    certificate: PemFile = Field(description="The gateway's certificate and its chain.")
    key: PemFile = Field(description="The certificate's key, without a password.")


class ListenSettings(Shape):
    """The data listener."""

    address: Listen = default("127.0.0.1:8080", "HOST:PORT.")
    tls: ListenTlsSettings | None = default(None, "HTTPS alone; unset: HTTP.")


def _address(value: object) -> object:
    """``listen: HOST:PORT`` is short for its address."""
    return value if isinstance(value, dict | ListenSettings) else {"address": parse_address(value)}


class AdminSettings(Shape):
    """The operator's listener."""

    listen: Listen = default("127.0.0.1:8081", "Health, metrics, the admin API.")
    tokens: list[AdminTokenSettings] = made(list, "Who may use the API; unset: it answers on loopback only.")


class StoreSettings(Shape):
    """Where records live: one of them."""

    sqlite: SqliteFile | None = default(None, "A file on a local disk; unset: idempotency-gateway.db.")
    memory: Annotated[Literal[True], BeforeValidator(parse_flag)] | None = default(
        None, "In the process; gone with it."
    )
    postgres: PostgresUrl | None = Field(
        default=None, repr=False, description="PostgreSQL 15 or later, the authority; may be file:///path."
    )
    redis: RedisUrl | None = Field(
        default=None,
        repr=False,
        description="Redis 7.0 or later, or Valkey: in front of postgres, or alone; may be file:///path.",
    )


class DigestSettings(Shape):
    """The secret of every digest."""

    key: SecretKey | None = Field(
        default=None,
        repr=False,
        description="HMAC of keys, scopes, fingerprints; unset: the store makes one and keeps it.",
    )
    keys: Annotated[list[DigestKey], Field(max_length=4)] = Field(
        default_factory=list,
        repr=False,
        description="Instead of key, for a rotation: new records are made with the first, calls meet those made with "
        "any; store is the one that the store made and keeps.",
    )


class EncryptionSettings(Shape):
    """Sealing of kept answers."""

    keys: list[SecretKey] = Field(
        default_factory=list,
        repr=False,
        description="Secrets of at least 16 bytes: the first one encrypts, all decrypt; unset: nothing is sealed.",
    )


class CallLogSettings(Shape):
    """Lines about calls."""

    sample: Share = default(
        0,
        "The share of calls executed, replayed or unguarded that has a line; metrics and traces tell the same of all.",
    )
    most: AnyNumber = default(
        20, "Lines a second and process for calls that came to anything else, and for each fault of a call; 0: none."
    )


class LogSettings(Shape):
    """Log lines on standard error."""

    format: Literal["json", "console"] | None = default(None, "Unset: console on a terminal, else json.")
    level: Literal["debug", "info", "warning", "error", "critical"] = default("info", "The least level written.")
    calls: CallLogSettings = made(CallLogSettings, "Lines about calls: one a call at most.")


class Settings(Shape):
    """The configuration of Idempotency Gateway."""

    listen: Annotated[ListenSettings, BeforeValidator(_address)] = Field(
        default_factory=ListenSettings,
        description="The data listener; HOST:PORT is its address.",
        json_schema_extra=also_written({"type": "string", "pattern": ADDRESS}),
    )
    admin: AdminSettings = made(AdminSettings, "The operator's listener.")
    downstream: DownstreamSettings = made(DownstreamSettings, "What callers may take of the gateway.")
    callers: list[CallerSettings] = made(
        list, "Who may call, each by a key of their own; unset, and no jwt: whoever can reach the gateway."
    )
    caller_header: HeaderName = default(
        "X-Gateway-Key", "The header that carries a caller's key; it ends at the gateway."
    )
    jwt: JwtSettings | None = default(None, "Tokens by which callers may show who they are; unset: no token counts.")
    limits: LimitsSettings = made(LimitsSettings, "What is counted of callers over time.")
    store: StoreSettings = Field(
        default_factory=StoreSettings,
        description="Where records live; also as a URL.",
        json_schema_extra=also_written({"type": "string", "pattern": STORE_URL}),
    )
    replay_cache: ReplayCacheSettings = made(ReplayCacheSettings, "Replays without a trip to the store.")
    digest: DigestSettings = made(DigestSettings, "The secret of every digest.")
    encryption: EncryptionSettings = made(EncryptionSettings, "Sealing of kept answers.")
    shutdown_grace: Duration | None = default(
        None, "How long SIGTERM waits; unset: the longest timeout.total and 5s.", "95s"
    )
    shutdown_delay: Duration = default(
        "0s",
        "How long SIGTERM is kept from callers: /readyz answers 503 at once, and calls are still taken, until whoever "
        "shares them out has noticed.",
    )
    problem_base_url: ProblemBase | None = default(None, "Put before a problem's name in its type; unset: a URN.")
    public_url: PublicOrigin | None = default(
        None, "The origin that callers see, for Location; unset: http and the Host they sent."
    )
    workers: Processes = default(1, "Processes that share the listener, at most 256: about one a core.")
    log: LogSettings = made(LogSettings, "Log lines.")
    policy: PolicySettings = made(PolicySettings, "Defaults for every route.")
    routes: Annotated[list[RouteSettings], Field(min_length=1)] = Field(description="First match wins.")
