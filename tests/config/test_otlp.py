"""The standard variables of OpenTelemetry: what turns export on, and which values are complained of."""

from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest

from gateway.config.load import check
from gateway.config.otlp import Otlp, read_otlp

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
HTTP: Literal["http/protobuf"] = "http/protobuf"


@pytest.mark.parametrize(
    ("environ", "chosen"),
    [
        ({}, Otlp()),
        ({"OTEL_SERVICE_NAME": "pay"}, Otlp()),
        (ENDPOINT, Otlp(HTTP, HTTP)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/v1/traces"}, Otlp(HTTP, None)),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c/v1/metrics"}, Otlp(None, HTTP)),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, Otlp(HTTP, None)),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, Otlp(None, HTTP)),
        (ENDPOINT | {"OTEL_METRICS_EXPORTER": "prometheus"}, Otlp(HTTP, None)),
        (ENDPOINT | {"OTEL_METRICS_EXPORTER": "otlp,prometheus"}, Otlp(HTTP, HTTP)),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "TRUE"}, Otlp()),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, Otlp("grpc", "grpc")),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc"}, Otlp(HTTP, "grpc")),
        (ENDPOINT | {"OTEL_METRIC_EXPORT_INTERVAL": "5000"}, Otlp(HTTP, HTTP, timedelta(seconds=5))),
    ],
)
def test_what_is_exported_is_as_the_variables_say(environ: dict[str, str], chosen: Otlp) -> None:
    assert read_otlp(environ) == (chosen, [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_TRACES_EXPORTER", "jaeger"),
        ("OTEL_METRICS_EXPORTER", "otlp,console"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "udp"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_TRACES_SAMPLER_ARG", "10%"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "5s"),
    ],
)
def test_a_value_that_says_nothing_is_a_complaint_beside_all_others(name: str, value: str, tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("listn: x\nroutes: [{name: a, upstream: {url: 'https://u'}}]\n")
    sampler = {"OTEL_TRACES_SAMPLER": "traceidratio"} if name.endswith("_ARG") else {}
    told = check(tmp_path / "gateway.yaml", ENDPOINT | sampler | {name: value})
    assert len([line for line in told if line.startswith(f"environment {name}: ")]) == 1
    assert len([line for line in told if "listn" in line]) == 1
