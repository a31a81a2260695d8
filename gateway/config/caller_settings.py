"""The shape of what is said of callers: who they are, how they show it, and what each may take."""

from pydantic import Field

from gateway.config.shapes import CallerKey, Many, Name, Shape, default, made


class QuotaSettings(Shape):
    """What one caller may take."""

    calls: Many | None = default(None, "Calls in flight at once, on all routes together, of each process. More: 429.")


class CallerSettings(Shape):
    """One caller."""

    name: Name = Field(description="Who it is: part of the scope of their keys, and a label of metrics.")
    key: CallerKey | None = default(
        None, "sha256:HEX of the key that they send, or file:///path of a file with one a line, read again on change."
    )
    keys: list[CallerKey] = made(list, "Several, while one takes the place of another.")
    routes: list[Name] | None = default(None, "The routes that they may use; unset: all. Others: 403.")
    quotas: QuotaSettings = made(QuotaSettings, "What they may take.")
