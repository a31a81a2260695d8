"""The chart as Helm renders it: manifests by kind and name, and what a pod would be given."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import helm_python as helm
from ruamel.yaml import YAML

from tests.helm.values_schema import CHART

SCENARIOS = sorted((CHART / "ci").glob("*-values.yaml"))
MOUNTED_SECRETS = "/run/secrets/gateway"
MOUNTED_CONFIG = "/etc/idempotency-gateway/gateway.yaml"

Manifest = dict[str, Any]


def values_of(scenario: Path) -> dict[str, Any]:
    """The values of one file in ``ci``."""
    values: dict[str, Any] = YAML(typ="safe").load(scenario.read_text())
    return values


def rendered(values: Mapping[str, Any]) -> list[Manifest]:
    """Every manifest; ``HelmError`` with a sentence where the values are refused."""
    with helm.Chart.load(str(CHART)) as chart:
        files = chart.render(dict(values), name="pay", namespace="prod")
    return [
        manifest
        for name, text in files.items()
        if not name.endswith(".txt")
        for manifest in YAML(typ="safe").load_all(text)
        if manifest
    ]


def one(manifests: list[Manifest], kind: str, suffix: str = "") -> Manifest:
    """The manifest of this kind, of several the one whose name ends so."""
    (found,) = [each for each in manifests if each["kind"] == kind and each["metadata"]["name"].endswith(suffix)]
    return found


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Every pod that would run, with its labels: kind and pod."""
    for manifest in manifests:
        match manifest["kind"]:
            case "Pod":
                yield "Pod", manifest
            case "Deployment" | "Job":
                yield manifest["kind"], manifest["spec"]["template"]
            case _:
                continue


def configuration(manifests: list[Manifest]) -> str:
    """The file that the gateway is given."""
    text: str = one(manifests, "ConfigMap", "pay-idempotency-gateway")["data"]["gateway.yaml"]
    return text
