"""What is exported by OTLP, where the environment asks for it; nothing of OpenTelemetry is loaded otherwise."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from gateway.config.configuration import Configuration
from gateway.ports import Observer, Tracer
from gateway.telemetry.shapes import Family

# At shutdown, when every call has ended: how long the last export may take.
LAST_EXPORT = 2.0


class Stoppable(Protocol):
    """Something that exports in the background."""

    async def stop(self, seconds: float) -> None: ...  # noqa: D102 - see the class


class StoppableTracer(Tracer, Stoppable, Protocol):
    """A tracer whose spans are exported."""


def tracer_of(configuration: Configuration, observer: Observer) -> StoppableTracer | None:
    """What records calls; ``ConfigInvalid`` where its variables cannot be used. Call it in a running loop."""
    if configuration.otlp.traces is None:
        return None
    from gateway.telemetry.exporters import span_exporter  # noqa: PLC0415 - loaded only where it is wanted
    from gateway.telemetry.tracing import OtlpTracer  # noqa: PLC0415 - the same

    store = configuration.store
    name = f"{store.kind}+redis" if store.front else store.kind
    return OtlpTracer(span_exporter(configuration.otlp.traces), observer, name)


def pushing_of(
    configuration: Configuration, collect: Callable[[], Awaitable[Sequence[Family]]], observer: Observer
) -> Stoppable | None:
    """What pushes metrics, from now on."""
    if configuration.otlp.metrics is None:
        return None
    from gateway.telemetry.exporters import metric_exporter  # noqa: PLC0415 - loaded only where it is wanted
    from gateway.telemetry.pushing import Pushing  # noqa: PLC0415 - the same

    every = configuration.otlp.every.total_seconds()
    return Pushing(metric_exporter(configuration.otlp.metrics), collect, observer, every)
