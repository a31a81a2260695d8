"""Who exports: this process, as OpenTelemetry's resource. Imported only where something is exported."""

import os
import uuid
from importlib.metadata import version

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.util.types import AttributeValue

NAME = "idempotency-gateway"
SCOPE = InstrumentationScope(NAME, version(NAME))


def resource() -> Resource:
    """What ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES`` say, over what this process knows of itself."""
    chosen: dict[str, AttributeValue] = dict(Resource.create().attributes)
    if str(chosen.get("service.name", "")).startswith("unknown_service"):
        chosen["service.name"] = NAME
    own: dict[str, AttributeValue] = {
        "service.version": version(NAME),
        "service.instance.id": str(uuid.uuid4()),
        "process.pid": os.getpid(),
    }
    return Resource({**own, **chosen})
