"""The JSON Schema of the chart's values: the chart's own, and the gateway's for ``config``.

``python -m tests.helm.values_schema`` writes it to its place; a test compares the two.
"""

import json
from pathlib import Path
from typing import Any

from gateway.config.load import schema

CHART = Path(__file__).parents[2] / "helm" / "idempotency-gateway"
PLACE = CHART / "values.schema.json"

# What the chart sets by itself.
_SET_BY_CHART = ("listen", "store", "shutdown_delay")


def values_schema() -> dict[str, Any]:
    """The whole schema."""
    gateway = schema()
    config = {**gateway, "properties": {k: v for k, v in gateway["properties"].items() if k not in _SET_BY_CHART}}
    definitions = _moved(config.pop("$defs"))
    definitions["AdminSettings"]["properties"].pop("listen")
    config.pop("$schema")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Values of the idempotency-gateway chart",
        "$defs": definitions,
        **_object(
            replicaCount={"type": ["integer", "null"], "minimum": 1},
            image=_object(repository=_TEXT, tag=_ANY, digest=_matching("^(sha256:[0-9a-f]{64})?$"), pullPolicy=_PULL),
            imagePullSecrets=_list(_object(name=_TEXT)),
            config=_moved(config),
            secrets=_list(
                {**_object(name=_matching("^[a-z0-9.-]+$"), secret=_TEXT, key=_TEXT), **_all("name", "secret", "key")}
            ),
            store=_object(
                postgres=_store("^(postgres(ql)?://.*)?$"),
                redis=_store("^(rediss?(\\+sentinel)?://.*)?$"),
                embedded=_EMBEDDED,
            ),
            migration=_object(enabled=_FLAG, activeDeadlineSeconds=_POSITIVE, resources=_MAP),
            service=_object(type={"enum": ["ClusterIP", "NodePort", "LoadBalancer"]}, port=_PORT, annotations=_MAP),
            adminService=_object(port=_PORT, annotations=_MAP),
            ingress=_object(
                enabled=_FLAG,
                className=_ANY,
                annotations=_MAP,
                hosts=_list({**_object(host=_TEXT, path=_matching("^/")), **_all("host")}),
                tls=_list(_MAP),
            )
            | _enabled_with("hosts"),
            httpRoute=_object(enabled=_FLAG, annotations=_MAP, parentRefs=_list(_MAP), hostnames=_list(_TEXT))
            | _enabled_with("parentRefs"),
            autoscaling=_object(
                enabled=_FLAG,
                minReplicas=_POSITIVE,
                maxReplicas=_POSITIVE,
                targetCPUUtilizationPercentage={"type": "integer", "minimum": 1, "maximum": 100},
            ),
            podDisruptionBudget=_object(enabled=_FLAG, maxUnavailable={"type": ["integer", "string"]}),
            topologySpread=_object(enabled=_FLAG),
            networkPolicy=_object(enabled=_FLAG, **{"from": _list(_MAP)}, adminFrom=_list(_MAP), egress=_list(_MAP)),
            telemetry=_object(
                otlp=_object(endpoint=_matching("^(https?://.*)?$"), protocol={"enum": ["http/protobuf", "grpc"]}),
                samplingRatio={"type": ["number", "null"], "minimum": 0, "maximum": 1},
                resourceAttributes=_TEXTS,
            ),
            extraEnv=_list({**_object(name=_TEXT, value=_ANY, valueFrom=_MAP), **_all("name")}),
            serviceMonitor=_object(enabled=_FLAG, interval=_DURATION, labels=_MAP),
            prometheusRule=_object(
                enabled=_FLAG,
                labels=_MAP,
                runbook=_TEXT,
                unknownFor=_DURATION,
                refusalRatio={"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            ),
            grafanaDashboard=_object(enabled=_FLAG, labels=_MAP),
            serviceAccount=_object(create=_FLAG, name=_ANY, annotations=_MAP),
            resources=_MAP,
            drainSeconds={"type": "integer", "minimum": 0, "maximum": 300},
            podAnnotations=_MAP,
            # The chart's own say which pods a Service sends calls to.
            podLabels={**_MAP, "patternProperties": {r"^(app\.kubernetes\.io|helm\.sh)/": False}},
            nodeSelector=_MAP,
            tolerations=_list(_MAP),
            affinity=_MAP,
            priorityClassName=_ANY,
            nameOverride=_ANY,
            fullnameOverride=_ANY,
            **{"global": _MAP},
        ),
        "required": ["config"],
        # With a file of its own there is one gateway: two would keep two truths.
        "if": {"properties": {"store": {"properties": {"postgres": _absent(), "redis": _absent()}}}},
        "then": {
            "properties": {
                "replicaCount": {"enum": [None, 1]},
                "autoscaling": {"properties": {"enabled": {"const": False}}},
            }
        },
    }


_TEXT = {"type": "string", "minLength": 1}
_ANY = {"type": "string"}
_FLAG = {"type": "boolean"}
_MAP = {"type": "object"}
_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
_POSITIVE = {"type": "integer", "minimum": 1}
_PULL = {"enum": ["Always", "IfNotPresent", "Never"]}


def _matching(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern}


_DURATION = _matching("^[0-9]+(ms|s|m|h|d)$")


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _all(*names: str) -> dict[str, Any]:
    return {"required": list(names)}


def _enabled_with(name: str) -> dict[str, Any]:
    """What leads nowhere without at least one of these."""
    return {
        "if": {"properties": {"enabled": {"const": True}}},
        "then": {"properties": {name: {"minItems": 1}}, "required": [name]},
    }


_EMBEDDED = _object(
    size=_matching("^[0-9]+(Mi|Gi|Ti)$"), storageClassName={"type": ["string", "null"]}, existingClaim=_ANY
)


def _store(url: str) -> dict[str, Any]:
    """By URL or by Secret, not both."""
    shape = _object(url=_matching(url), secret=_object(name=_ANY, key=_TEXT))
    return {**shape, "not": {"properties": {"url": _TEXT, "secret": {"properties": {"name": _TEXT}}}}}


def _absent() -> dict[str, Any]:
    empty = {"maxLength": 0}
    return {"properties": {"url": empty, "secret": {"properties": {"name": empty}}}}


def _moved(part: Any) -> Any:  # noqa: ANN401 - any JSON value
    """References stay what they are: the definitions stand at the top here too."""
    return json.loads(json.dumps(part))


if __name__ == "__main__":
    PLACE.write_text(json.dumps(values_schema(), indent=2) + "\n")
