"""Whether telemetry is exported, as the standard variables of OpenTelemetry say (``OTEL_*``).

Knows those that turn it on and choose a protocol, and complains of what the SDK would pass over in silence. The rest
(endpoints, headers, certificates, sampling, batches, the resource) the SDK reads by itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Wire = Literal["grpc", "http/protobuf"]

# Whether the rest of a sampler's name takes an argument.
SAMPLERS = {
    "always_on": False,
    "always_off": False,
    "traceidratio": True,
    "parentbased_always_on": False,
    "parentbased_always_off": False,
    "parentbased_traceidratio": True,
}
_INTERVAL = "OTEL_METRIC_EXPORT_INTERVAL"
_DEFAULT_INTERVAL = 60_000


@dataclass(frozen=True, slots=True)
class Otlp:
    """What is exported, and by which protocol; ``None``: that is not. ``every``: how often metrics are."""

    traces: Wire | None = None
    metrics: Wire | None = None
    every: timedelta = timedelta(milliseconds=_DEFAULT_INTERVAL)


def read_otlp(environ: Mapping[str, str]) -> tuple[Otlp, list[str]]:
    """The choice, and a sentence for each variable that says nothing of use."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return Otlp(), []
    wrong: list[str] = []
    traces = _wire(environ, "TRACES", ("otlp", "none"), wrong)
    metrics = _wire(environ, "METRICS", ("otlp", "prometheus", "none"), wrong)
    wrong += _of_sampler(environ) if traces else []
    every = environ.get(_INTERVAL, "") or str(_DEFAULT_INTERVAL)
    if metrics and not (every.isascii() and every.isdigit() and 0 < int(every) < 10**9):
        wrong.append(f"environment {_INTERVAL}: must be a whole number of milliseconds above 0, such as 60000")
        return Otlp(), wrong
    return Otlp(traces, metrics, timedelta(milliseconds=int(every) if metrics else _DEFAULT_INTERVAL)), wrong


def _wire(environ: Mapping[str, str], signal: str, known: tuple[str, ...], wrong: list[str]) -> Wire | None:
    name = f"OTEL_{signal}_EXPORTER"
    chosen = {part.strip() for part in environ.get(name, "").split(",") if part.strip()}
    if not chosen <= set(known):
        wrong.append(f"environment {name}: this gateway has {', '.join(known)}; choose of these")
        return None
    places = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
    wanted = "otlp" in chosen or (not chosen and any(environ.get(place) for place in places))
    return _protocol(environ, signal, wrong) if wanted else None


def _protocol(environ: Mapping[str, str], signal: str, wrong: list[str]) -> Wire | None:
    """By the specification the default is ``http/protobuf``, whatever some SDKs do."""
    for name in (f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        match environ.get(name, ""):
            case "":
                continue
            case "grpc" | "http/protobuf" as chosen:
                return chosen
            case _:
                wrong.append(f"environment {name}: must be grpc or http/protobuf")
                return None
    return "http/protobuf"


def _of_sampler(environ: Mapping[str, str]) -> Iterator[str]:
    name = environ.get("OTEL_TRACES_SAMPLER", "") or "parentbased_always_on"
    if name not in SAMPLERS:
        yield f"environment OTEL_TRACES_SAMPLER: must be one of {', '.join(SAMPLERS)}"
    elif SAMPLERS[name]:
        try:
            share = float(environ.get("OTEL_TRACES_SAMPLER_ARG", "") or "1")
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            yield "environment OTEL_TRACES_SAMPLER_ARG: must be a share from 0 to 1, such as 0.1"
