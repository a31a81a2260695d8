"""The shape of what is said of callers: who they are, how they show it, and what each may take."""

from pydantic import Field

from gateway.config.shapes import CallerKey, CallRate, Many, Name, RedisUrl, Shape, default, made


class QuotaSettings(Shape):
    """What one caller may take."""

    calls: Many | None = default(None, "Calls in flight at once, on all routes together, of each process. More: 429.")
    rate: CallRate | None = default(None, "Calls a second, minute or hour, such as 50/s. More: 429.")


class CallerSettings(Shape):
    """One caller."""

    name: Name = Field(description="Who it is: part of the scope of their keys, and a label of metrics.")
    key: CallerKey | None = default(
        None, "sha256:HEX of the key that they send, or file:///path of a file with one a line, read again on change."
    )
    keys: list[CallerKey] = made(list, "Several, while one takes the place of another.")
    routes: list[Name] | None = default(None, "The routes that they may use; unset: all. Others: 403.")
    quotas: QuotaSettings = made(QuotaSettings, "What they may take.")


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
