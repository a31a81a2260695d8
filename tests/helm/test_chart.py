"""The chart, file by file in ``ci``: it renders, Kubernetes takes it, and the gateway starts with what it is given."""

import json
import re
from pathlib import Path
from typing import Any

import helm_python as helm
import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from gateway.telemetry.metrics import GAUGES, HISTOGRAMS, METRICS, PREFIX
from tests.docs.pages import ROOT, anchors, block
from tests.helm.rendering import (
    MOUNTED_CONFIG,
    MOUNTED_SECRETS,
    SCENARIOS,
    Manifest,
    configuration,
    one,
    pods,
    rendered,
    values_of,
)
from tests.helm.values_schema import CHART, PLACE, values_schema
from tests.postgres import Servers
from tests.process import run, start
from tests.redis_servers import shared

EVERY_SCENARIO = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name.removesuffix("-values.yaml"))
OLDEST, NEWEST = 29, int(kubernetes_validate.latest_version().split(".")[1])

# Kinds whose schemas are not Kubernetes' own.
FOREIGN = {"HTTPRoute", "ServiceMonitor", "PrometheusRule"}

# A configuration that is enough.
ROUTE = {"name": "a", "upstream": {"url": "https://api.example.com"}}
ENOUGH: dict[str, Any] = {"config": {"routes": [ROUTE]}}
POSTGRES = {"store": {"postgres": {"url": "postgresql://gateway@db/gateway"}}}


@EVERY_SCENARIO
def test_every_scenario_passes_lint_without_a_warning(scenario: Path) -> None:
    report = helm.lint(str(CHART), values_of(scenario), strict=True)
    assert report["errors"] == []
    assert [each for each in report["messages"] if each["severity"] > 1] == []


@EVERY_SCENARIO
def test_every_manifest_is_one_that_kubernetes_takes(scenario: Path) -> None:
    for manifest in rendered(values_of(scenario)):
        if manifest["kind"] in FOREIGN:
            continue
        for minor in range(OLDEST, NEWEST + 1):
            kubernetes_validate.validate(manifest, f"1.{minor}", strict=True)


@EVERY_SCENARIO
def test_every_pod_is_restricted_and_has_no_token(scenario: Path) -> None:
    for _, pod in pods(rendered(values_of(scenario))):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


@EVERY_SCENARIO
def test_every_object_and_pod_says_what_it_belongs_to(scenario: Path) -> None:
    manifests = rendered(values_of(scenario))
    for labels in (each["metadata"]["labels"] for each in (*manifests, *(pod for _, pod in pods(manifests)))):
        said = {name.removeprefix("app.kubernetes.io/"): value for name, value in labels.items()}
        assert said["name"].startswith("idempotency-gateway")
        assert (said["instance"], said["part-of"], said["managed-by"]) == ("pay", "idempotency-gateway", "Helm")
        assert said["helm.sh/chart"] == f"idempotency-gateway-{said['version']}"
    assert {pod["metadata"]["labels"]["app.kubernetes.io/component"] for _, pod in pods(manifests)} >= {
        "gateway",
        "test",
    }


@EVERY_SCENARIO
def test_services_and_budgets_choose_the_gateways_and_nothing_else(scenario: Path) -> None:
    manifests = rendered(values_of(scenario))
    chosen = [each["spec"]["selector"] for each in manifests if each["kind"] == "Service"]
    chosen += [each["spec"]["selector"]["matchLabels"] for each in manifests if each["kind"] == "PodDisruptionBudget"]
    assert len(chosen) >= 2
    for selector in chosen:
        found = [kind for kind, pod in pods(manifests) if selector.items() <= pod["metadata"]["labels"].items()]
        assert found == ["Deployment"]


def test_the_releases_own_test_may_ask_its_gateways_and_whom_else_the_policy_names() -> None:
    manifests = rendered({**ENOUGH, "networkPolicy": {"enabled": True}})
    asking = one(manifests, "Pod")["metadata"]["labels"]
    (calls, admin) = one(manifests, "NetworkPolicy")["spec"]["ingress"]
    assert calls == {"ports": [{"port": "http"}]}
    (allowed,) = admin["from"]
    assert allowed["podSelector"]["matchLabels"].items() <= asking.items()
    assert admin["ports"] == [{"port": "admin"}]


@EVERY_SCENARIO
def test_check_has_nothing_to_say_of_the_configuration(scenario: Path, tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(mounted(configuration(rendered(values_of(scenario))), tmp_path))
    done = run("check", "--config", "gateway.yaml", folder=tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, "gateway.yaml: good"), done


@EVERY_SCENARIO
def test_the_gateway_starts_with_the_arguments_of_its_container(
    scenario: Path, tmp_path: Path, servers: Servers
) -> None:
    manifests = rendered(values_of(scenario))
    with servers.get().database() as url:
        text = mounted(configuration(manifests), tmp_path, url, shared("valkey").url)
        (tmp_path / "gateway.yaml").write_text(text)
        shared("valkey").ask.flushall()
        for job in (each for each in manifests if each["kind"] == "Job"):
            (container,) = job["spec"]["template"]["spec"]["containers"]
            arguments = [each.replace(MOUNTED_SECRETS, str(tmp_path / "secrets")) for each in container["args"]]
            migrated = run(*(re.sub("^postgresql://.*", url, each) for each in arguments), folder=tmp_path)
            assert migrated.returncode == 0, migrated
        deployed = one(manifests, "Deployment")
        (container,) = deployed["spec"]["template"]["spec"]["containers"]
        assert container["args"][:3] == ["serve", "--config", MOUNTED_CONFIG]
        arguments = [each.replace(MOUNTED_CONFIG, "gateway.yaml") for each in container["args"][1:]]
        environ = {each["name"]: each["value"] for each in container.get("env", []) if "value" in each}
        ports = ("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
        served = start(*arguments, *ports, folder=tmp_path, environ=environ)
        try:
            assert served.started["event"] == "started"
        finally:
            assert served.stop() == 0
            assert served.process.stderr is not None
            served.process.stderr.close()


def mounted(text: str, folder: Path, postgres: str = "", redis: str = "") -> str:
    """``text`` with the paths of a pod turned into those of a folder, and its stores into ones that run here."""
    secrets = folder / "secrets"
    secrets.mkdir(exist_ok=True)
    for name in ("digest-key", "record-key"):
        (secrets / name).write_text(f"{name} of more than 16 bytes")
    (secrets / "shop-caller").write_text(f"sha256:{'5a' * 32}")
    (secrets / "store-postgres").write_text(postgres or "postgresql://gateway@db/gateway")
    (secrets / "store-redis").write_text(redis or "redis://redis:6379/0")
    text = text.replace(MOUNTED_SECRETS, str(secrets)).replace("/var/lib/idempotency-gateway", str(folder))
    text = re.sub(r"postgresql://gateway@db\S+", lambda found: postgres or found[0], text)
    return re.sub(r"redis://redis:6379/0", lambda found: redis or found[0], text)


def longest(seconds: int, drain: int = 5) -> int:
    return drain + seconds + 10


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("embedded", longest(90 + 5)),
        ("postgres", longest(150 + 5)),
        ("redis", longest(120, drain=10)),
        ("everything", longest(90 + 5)),
        ("volume", longest(2 + 5)),
    ],
)
def test_a_pod_is_given_the_time_that_its_longest_call_may_take(name: str, seconds: int) -> None:
    pod = one(rendered(values_of(CHART / "ci" / f"{name}-values.yaml")), "Deployment")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == seconds
    # It is told not to be ready, and serves on, for as long as the chart says, and nothing sleeps in its place.
    (container,) = pod["containers"]
    assert "lifecycle" not in container
    values = values_of(CHART / "ci" / f"{name}-values.yaml")
    file = YAML(typ="safe").load(configuration(rendered(values)))
    assert file["shutdown_delay"] == f"{values.get('drainSeconds', 5)}s"
    assert container["startupProbe"]["httpGet"]["path"] == "/startupz"


def test_the_embedded_store_is_one_gateway_on_a_volume_that_outlives_it() -> None:
    manifests = rendered(ENOUGH)
    deployed, volume = one(manifests, "Deployment"), one(manifests, "PersistentVolumeClaim")
    assert deployed["spec"]["replicas"] == 1
    assert deployed["spec"]["strategy"] == {"type": "Recreate"}
    assert volume["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert not [each for each in manifests if each["kind"] in {"PodDisruptionBudget", "HorizontalPodAutoscaler", "Job"}]


def test_secrets_are_files_and_stand_in_no_manifest() -> None:
    manifests = rendered(values_of(CHART / "ci" / "everything-values.yaml"))
    pod = one(manifests, "Deployment")["spec"]["template"]["spec"]
    (secrets,) = [volume["projected"]["sources"] for volume in pod["volumes"] if volume["name"] == "secrets"]
    files = ["digest-key", "record-key", "shop-caller", "store-redis"]
    assert [source["secret"]["items"][0]["path"] for source in secrets] == files
    assert "env" not in pod["containers"][0]
    assert not [each for each in manifests if each["kind"] == "Secret"]


def test_telemetry_is_configured_by_the_standard_variables() -> None:
    pod = one(rendered(values_of(CHART / "ci" / "redis-values.yaml")), "Deployment")["spec"]["template"]["spec"]
    environ = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    assert environ == {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.monitoring:4318",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": "pay-idempotency-gateway",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.1",
        "POD_NAME": None,
        "OTEL_RESOURCE_ATTRIBUTES": "k8s.namespace.name=prod,k8s.pod.name=$(POD_NAME),"
        "deployment.environment.name=production",
        "OTEL_METRIC_EXPORT_INTERVAL": "15000",
        "OTEL_EXPORTER_OTLP_HEADERS": None,
    }


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "config"),
        ({"config": {}}, "routes"),
        ({"config": {"routes": []}}, "routes"),
        ({"config": {"routes": [{"name": "a"}]}}, "upstream"),
        ({"config": {"routes": [ROUTE], "listen": "0.0.0.0:80"}}, "listen"),
        ({"config": {"routes": [ROUTE], "store": {"sqlite": "x"}}}, "store"),
        ({"config": {"routes": [ROUTE], "shutdown_grace": "soon"}}, "shutdown_grace"),
        ({**ENOUGH, "replicas": 3}, "replicas"),
        ({**ENOUGH, "replicaCount": 2}, "replicaCount"),
        ({**ENOUGH, "replicaCount": 0}, "replicaCount"),
        ({**ENOUGH, "autoscaling": {"enabled": True}}, "autoscaling"),
        ({**ENOUGH, "store": {"postgres": {"url": "mysql://db"}}}, "postgres"),
        ({**ENOUGH, "store": {"postgres": {"url": "postgresql://db/x", "secret": {"name": "s"}}}}, "postgres"),
        ({**ENOUGH, **POSTGRES, "autoscaling": {"enabled": True, "minReplicas": 5, "maxReplicas": 2}}, "minReplicas"),
        ({**ENOUGH, "ingress": {"enabled": True}}, "ingress/hosts"),
        ({**ENOUGH, "httpRoute": {"enabled": True}}, "httpRoute/parentRefs"),
        ({**ENOUGH, "podLabels": {"app.kubernetes.io/name": "mine"}}, "podLabels"),
        ({**ENOUGH, "prometheusRule": {"unknownFor": "1h30m"}}, "unknownFor"),
        ({**ENOUGH, "image": {"digest": "latest"}}, "digest"),
        ({**ENOUGH, "drainSeconds": -1}, "drainSeconds"),
        ({**ENOUGH, "telemetry": {"otlp": {"endpoint": "collector:4317"}}}, "endpoint"),
        ({**ENOUGH, "telemetry": {"otlp": {"protocol": "http/json"}}}, "protocol"),
        ({**ENOUGH, "telemetry": {"samplingRatio": 2}}, "samplingRatio"),
        ({**ENOUGH, "extraEnv": [{"value": "x"}]}, "name"),
        ({**ENOUGH, "secrets": [{"name": "a", "secret": "b"}]}, "key"),
    ],
)
def test_bad_values_are_refused_by_name(values: dict[str, Any], told: str) -> None:
    with pytest.raises(helm.HelmError) as refused:
        rendered(values)
    assert told in str(refused.value)


def test_more_replicas_are_welcome_where_they_share_a_store() -> None:
    several = rendered({**ENOUGH, **POSTGRES, "replicaCount": 5})
    assert one(several, "Deployment")["spec"]["replicas"] == 5
    scaled = rendered({**ENOUGH, **POSTGRES, "autoscaling": {"enabled": True}})
    assert "replicas" not in one(scaled, "Deployment")["spec"]
    assert one(scaled, "HorizontalPodAutoscaler")["spec"]["minReplicas"] == 2


def test_the_values_that_are_shown_are_good(tmp_path: Path) -> None:
    manifests = rendered(YAML(typ="safe").load(block("values", "payments")))
    assert one(manifests, "Deployment")["spec"]["replicas"] == 2
    (tmp_path / "gateway.yaml").write_text(mounted(configuration(manifests), tmp_path))
    assert run("check", "--config", "gateway.yaml", folder=tmp_path).returncode == 0


def test_the_commands_that_are_shown_make_what_the_values_name() -> None:
    commands = block("helm", "install").splitlines()
    values = YAML(typ="safe").load(block("values", "payments"))
    made = {
        (name, key)
        for command in commands
        for name, key in re.findall(r"^kubectl create secret generic (\S+) --from-literal=([\w-]+)=", command)
    }
    named = [values["store"]["postgres"]["secret"], *({**each, "name": each["secret"]} for each in values["secrets"])]
    assert made == {(each["name"], each["key"]) for each in named}
    (release, place, repository) = re.findall(
        r"^helm install (\S+) (\S+) --values values.yaml --set image.repository=(\S+)$",
        "\n".join(commands),
        re.MULTILINE,
    )[0]
    assert (ROOT / place) == CHART
    deployed = one(rendered({**values, "image": {"repository": repository}}), "Deployment")["spec"]["template"]["spec"]
    assert f"docker push {deployed['containers'][0]['image']}" in commands
    assert f"helm test {release}" in commands
    assert f"`http://{one(rendered(values), 'Service', 'gateway')['metadata']['name']}`" in (
        (ROOT / "docs" / "kubernetes.md").read_text()
    )


def test_the_runbook_has_a_section_for_every_alert_and_every_alert_leads_to_its_own() -> None:
    rules = one(rendered(values_of(CHART / "ci" / "everything-values.yaml")), "PrometheusRule")["spec"]["groups"]
    alerts = {rule["alert"]: rule["annotations"]["runbook_url"] for group in rules for rule in group["rules"]}
    runbook = ROOT / "docs" / "runbook.md"
    assert re.findall(r"^## (\w+)$", runbook.read_text(), re.MULTILINE) == list(alerts)
    assert alerts == {name: f"docs/runbook.md#{name.lower()}" for name in alerts}
    assert {name.lower() for name in alerts} <= anchors(runbook)


def test_the_schema_of_the_values_has_the_settings_of_this_version() -> None:
    told = "run: python -m tests.helm.values_schema"
    assert json.loads(PLACE.read_text()) == values_schema(), told


def test_rules_and_dashboard_name_only_metrics_that_there_are() -> None:
    names = {PREFIX + metric.name + "_total" for metric in METRICS.values()} | {PREFIX + of.name for of in GAUGES}
    parts = ("_bucket", "_count", "_sum")
    names |= {PREFIX + histogram.name + part for histogram in HISTOGRAMS.values() for part in parts}
    manifests = rendered(values_of(CHART / "ci" / "everything-values.yaml"))
    rules, dashboard = (
        set(re.findall(rf"{PREFIX}\w+", json.dumps(one(manifests, *which))))
        for which in (("PrometheusRule",), ("ConfigMap", "-dashboard"))
    )
    assert rules | dashboard <= names
    assert rules - dashboard == set(), "who is called sees on the dashboard what called him"
    assert len(rules) >= 12


def test_the_dashboard_is_json_with_a_data_source_to_choose() -> None:
    text = one(rendered(values_of(CHART / "ci" / "everything-values.yaml")), "ConfigMap", "-dashboard")["data"]
    dashboard = json.loads(text["idempotency-gateway.json"])
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in dashboard["panels"])
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_a_test_of_the_release_asks_its_own_gateways_and_charges_nobody() -> None:
    pod: Manifest = one(rendered(ENOUGH), "Pod")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert pod["spec"]["containers"][0]["args"] == ["demo"]
    (ready,) = pod["spec"]["initContainers"]
    assert ready["args"] == ["health", "--ready", "--admin", "http://pay-idempotency-gateway-admin:8081"]
