"""A collector that takes what is exported by OTLP, over gRPC and over HTTP, and keeps it.

Real wire, real messages; asked for what it has, it waits until that is there.
"""

import gzip
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

TIMEOUT = 30


@dataclass
class Collector:
    """What has come, in order; ``raw`` are the messages as bytes."""

    port: int = 0
    spans: list[Span] = field(default_factory=list[Span])
    metrics: list[Metric] = field(default_factory=list[Metric])
    resources: list[Resource] = field(default_factory=list[Resource])
    raw: list[bytes] = field(default_factory=list[bytes])
    _came: threading.Condition = field(default_factory=threading.Condition)

    def take_spans(self, request: Any) -> None:  # noqa: ANN401 - a message without types of its own
        self._take(
            request, [span for of in request.resource_spans for each in of.scope_spans for span in each.spans], []
        )

    def take_metrics(self, request: Any) -> None:  # noqa: ANN401 - the same
        self._take(
            request,
            [],
            [metric for of in request.resource_metrics for each in of.scope_metrics for metric in each.metrics],
        )

    def _take(self, request: Any, spans: Sequence[Span], metrics: Sequence[Metric]) -> None:  # noqa: ANN401 - the same
        parts = [*getattr(request, "resource_spans", ()), *getattr(request, "resource_metrics", ())]
        with self._came:
            self.raw.append(request.SerializeToString())
            self.resources += [part.resource for part in parts]
            self.spans += spans
            self.metrics += metrics
            self._came.notify_all()

    def until(self, holds: Callable[[], bool]) -> None:
        """Returns when it holds of what has come."""
        with self._came:
            assert self._came.wait_for(holds, TIMEOUT), (self.names, [metric.name for metric in self.metrics])

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.spans]

    def named(self, name: str, number: int = 1) -> list[Span]:
        """The spans of this name, once there are so many."""
        self.until(lambda: self.names.count(name) >= number)
        return [span for span in self.spans if span.name == name]


def told(attributes: Sequence[KeyValue]) -> dict[str, str | int]:
    """Attributes as a mapping."""
    return {each.key: each.value.string_value or each.value.int_value for each in attributes}


@contextmanager
def by_grpc() -> Generator[Collector]:
    """A collector behind gRPC."""
    collector = Collector()

    class Traces(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request: Any, context: object) -> object:  # noqa: ANN401, N802 - as the service has it
            collector.take_spans(request)
            return trace_service_pb2.ExportTraceServiceResponse()

    class Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
        def Export(self, request: Any, context: object) -> object:  # noqa: ANN401, N802 - as the service has it
            collector.take_metrics(request)
            return metrics_service_pb2.ExportMetricsServiceResponse()

    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        serve_traces: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
        serve_metrics: Any = metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server
        serve_traces(Traces(), server)
        serve_metrics(Metrics(), server)
        collector.port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield collector
        finally:
            server.stop(0).wait()


@contextmanager
def by_http() -> Generator[Collector]:
    """A collector behind HTTP."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces":
                collector.take_spans(trace_service_pb2.ExportTraceServiceRequest.FromString(body))
            else:
                collector.take_metrics(metrics_service_pb2.ExportMetricsServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - as the library has it
            """Says nothing."""

    with ExitStack() as stack:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        stack.callback(server.server_close)
        collector.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        stack.callback(thread.join)
        stack.callback(server.shutdown)
        yield collector


WIRES = {"grpc": by_grpc, "http/protobuf": by_http}


def exporting(collector: Collector, wire: str, **more: str) -> dict[str, str]:
    """The environment of a gateway that exports to it soon after anything happens."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": wire,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_METRIC_EXPORT_INTERVAL": "200",
        **more,
    }
