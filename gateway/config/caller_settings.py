"""The shape of what is said of callers: who they are, how they show it, and what each may take."""

from pydantic import Field

from gateway.config.shapes import (
    CallerKey,
    CallRate,
    Duration,
    Flag,
    HeaderName,
    JwtAlgorithm,
    KeyPlace,
    Many,
    Name,
    PemFile,
    RedisUrl,
    Shape,
    Text,
    default,
    made,
)


class QuotaSettings(Shape):
    """What one caller may take."""

    calls: Many | None = default(None, "Calls in flight at once, on all routes together, of each process. More: 429.")
    rate: CallRate | None = default(None, "Calls a second, minute or hour, such as 50/s. More: 429.")
    stored_keys: Many | None = default(
        None,
        "Keys that the store may hold of them at a time, in whatever state, until it forgets them. A new one more: "
        "429; known keys are answered.",
    )


class CallerSettings(Shape):
    """One caller."""

    name: Name = Field(description="Who it is: part of the scope of their keys, and a label of metrics.")
    key: CallerKey | None = default(
        None, "sha256:HEX of the key that they send, or file:///path of a file with one a line, read again on change."
    )
    keys: list[CallerKey] = made(list, "Several, while one takes the place of another.")
    subject: Text | None = default(
        None, "Instead of a key: what the claim of their tokens (jwt.claim) holds, letter by letter.", "client-42"
    )
    routes: list[Name] | None = default(None, "The routes that they may use; unset: all. Others: 403.")
    quotas: QuotaSettings = made(QuotaSettings, "What they may take.")


class JwtSettings(Shape):
    """Tokens of one issuer (JSON Web Tokens), by which callers show who they are instead of a key."""

    jwks: KeyPlace = Field(
        description="Where the issuer publishes its keys, as a JSON Web Key Set: an https:// URL, or file:///path. No "
        "proxy is used, and no redirect followed."
    )
    ca: PemFile | None = default(None, "Authorities instead of the system's, for that URL.")
    issuer: Text = Field(description="The iss of every token, letter by letter.", examples=["https://id.example.com/"])
    audience: Text = Field(description="What the aud of every token is, or has in it.", examples=["payments"])
    claim: Text = default("sub", "The claim that names the caller; its value has to be text.")
    algorithms: list[JwtAlgorithm] = default(
        ["RS256", "ES256", "EdDSA"], "How tokens may be signed: by a private key, never by a shared secret."
    )
    leeway: Duration = default("30s", "How far the clocks of issuer and gateway may be apart, at most 5m.")
    refresh: Duration = default("5m", "How old keys get before they are read again, from 1s on.")
    max_age: Duration = default("1h", "For how long keys that cannot be read again count; then 503.")
    header: HeaderName = default(
        "Authorization", "The header that carries the token, behind Bearer; in another header it may stand alone."
    )
    forward: Flag = default(False, "Passes that header on to the upstream; otherwise it ends at the gateway.")
    routes: list[Name] | None = default(
        None, "The routes of callers who are not named by a subject in callers; unset: all; []: none. Others: 403."
    )
    quotas: QuotaSettings = made(QuotaSettings, "What each of those callers may take.")


class LimitsSettings(Shape):
    """What is counted of callers over time."""

    refusals: CallRate | None = default(
        None,
        "Answers 409 and 422 that one caller may collect, so that keys cannot be guessed; unset: 600/m where there are "
        "callers, else as many as they like. More: 429.",
    )
    redis: RedisUrl | None = Field(
        default=None,
        repr=False,
        description="Where rates are counted, for all gateways together; unset: in store.redis, or else each process "
        "counts its own. May be file:///path.",
    )
