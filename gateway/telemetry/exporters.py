"""The exporters of OpenTelemetry, each by its protocol; where it sends to, and with what, is in ``OTEL_*``.

Imported only where something is exported, and gRPC only where that is the protocol.
"""

import logging
from typing import Literal

from opentelemetry.sdk.metrics.export import MetricExporter
from opentelemetry.sdk.trace.export import SpanExporter

from gateway.errors import ConfigInvalid

Wire = Literal["grpc", "http/protobuf"]


def span_exporter(wire: Wire) -> SpanExporter:
    """For traces; ``ConfigInvalid`` where a variable cannot be used."""
    _quiet()
    try:
        if wire == "grpc":
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as ByGrpc  # noqa: PLC0415

            return ByGrpc()
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as ByHttp  # noqa: PLC0415

        return ByHttp()
    except (OSError, ValueError) as fault:
        raise _unusable("traces") from fault


def metric_exporter(wire: Wire) -> MetricExporter:
    """For metrics; ``ConfigInvalid`` where a variable cannot be used."""
    _quiet()
    try:
        if wire == "grpc":
            from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as ByGrpc  # noqa: PLC0415

            return ByGrpc()
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as ByHttp  # noqa: PLC0415

        return ByHttp()
    except (OSError, ValueError) as fault:
        raise _unusable("metrics") from fault


def _quiet() -> None:
    """A collector that is away is told once, by ``reach``; the SDK would tell it with every batch."""
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)


def _unusable(signal: str) -> ConfigInvalid:
    # What is wrong may stand beside a credential (OTEL_EXPORTER_OTLP_HEADERS), so that it is not repeated.
    return ConfigInvalid(
        f"environment: {signal} cannot be exported with the OTEL_EXPORTER_OTLP_* variables that are set; "
        "look at their time-outs, certificates and headers, or unset the endpoint"
    )
