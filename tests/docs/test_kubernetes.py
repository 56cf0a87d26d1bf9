"""The files for Kubernetes: against its own schemas, and against each other."""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from loopd.config_file import load_config

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
OLDEST = "1.30"
"""Version of Kubernetes whose schemas the files are held against, besides the newest there are."""

OF_KUSTOMIZE = {
    "apiVersion", "kind", "namespace", "resources", "labels", "images", "configMapGenerator",
    "secretGenerator",
}  # fmt: skip


def parsed(path: Path) -> list[Json]:
    return [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each]


KUSTOMIZATION: Json = parsed(FOLDER / "kustomization.yaml")[0]
RESOURCES = [each for name in KUSTOMIZATION["resources"] for each in parsed(FOLDER / name)]
BY_KIND: dict[str, Json] = {each["kind"]: each for each in RESOURCES}
POD: Json = BY_KIND["StatefulSet"]["spec"]["template"]["spec"]
LOOPD: Json = POD["containers"][0]
CONFIG = load_config(FOLDER / "loopd.yaml")


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
@pytest.mark.parametrize("resource", RESOURCES, ids=lambda each: str(each["kind"]))
def test_kubernetes_takes_the_files(resource: Json, version: str) -> None:
    kubernetes_validate.validate(resource, version, strict=True)


@pytest.mark.parametrize(
    "path",
    [
        ("spec", "replica"),
        ("spec", "template", "spec", "securityContext", "runAsNonRot"),
        ("spec", "template", "spec", "containers", 0, "readinessProb"),
        ("spec", "template", "spec", "containers", 0, "livenessProbe", "httpGet", "pth"),
    ],
)
def test_a_misspelt_key_would_be_noticed(path: tuple[Any, ...]) -> None:
    broken = copy.deepcopy(BY_KIND["StatefulSet"])
    inner: Any = broken
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, OLDEST, strict=True)


def test_the_kustomization_names_what_is_there() -> None:
    assert set(KUSTOMIZATION) == OF_KUSTOMIZE
    generators = [*KUSTOMIZATION["configMapGenerator"], *KUSTOMIZATION["secretGenerator"]]
    generated = [name for each in generators for name in each.get("files", each.get("envs"))]
    named = {"kustomization.yaml", *KUSTOMIZATION["resources"], *generated}
    assert named == {path.name for path in FOLDER.iterdir()}
    assert {each["name"] for each in KUSTOMIZATION["images"]} == set(images())
    pairs = KUSTOMIZATION["labels"][0]["pairs"]
    assert selectors() == [pairs] * 3
    assert BY_KIND["Namespace"]["metadata"]["name"] == KUSTOMIZATION["namespace"]


def images() -> Iterator[str]:
    yield from (each["image"] for each in (*POD["initContainers"], *POD["containers"]))


def selectors() -> list[Json]:
    stateful, service, policy = (
        BY_KIND[kind]["spec"] for kind in ("StatefulSet", "Service", "NetworkPolicy")
    )
    assert stateful["template"]["metadata"]["labels"] == stateful["selector"]["matchLabels"]
    return [
        stateful["selector"]["matchLabels"],
        service["selector"],
        policy["podSelector"]["matchLabels"],
    ]


def test_one_daemon_with_a_disk_that_stays() -> None:
    spec = BY_KIND["StatefulSet"]["spec"]
    assert spec["replicas"] == 1
    assert spec["serviceName"] == BY_KIND["Service"]["metadata"]["name"]
    claims = {each["metadata"]["name"] for each in spec["volumeClaimTemplates"]}
    mounts = {each["name"]: each["mountPath"] for each in LOOPD["volumeMounts"]}
    assert set(mounts) == claims | {each["name"] for each in POD["volumes"]}
    assert CONFIG.run.dir.is_relative_to(mounts["data"])
    assert CONFIG.pool.path is not None
    assert Path(str(CONFIG.pool.path)).is_relative_to(f"{mounts['data']}/texts")
    assert LOOPD["args"] == ["run", "--stay", f"{mounts['config']}/loopd.yaml"]
    assert claims == {"data"}


def test_configuration_and_key_come_from_the_generators() -> None:
    maps = {each["name"] for each in KUSTOMIZATION["configMapGenerator"]}
    secrets = {each["name"] for each in KUSTOMIZATION["secretGenerator"]}
    assert {each["configMap"]["name"] for each in POD["volumes"] if "configMap" in each} == maps
    assert {each["secretRef"]["name"] for each in LOOPD["envFrom"]} == secrets
    names = re.findall(r"^(\w+)=", (FOLDER / "loopd.env").read_text(), re.MULTILINE)
    assert names == [CONFIG.argilla.api_key_env]
    assert {each["name"] for each in LOOPD["env"]} == {"HF_HOME", "HF_HUB_DISABLE_TELEMETRY"}


def test_ports_and_probes_are_those_of_the_page() -> None:
    ports = {each["name"]: each["containerPort"] for each in LOOPD["ports"]}
    argilla = CONFIG.argilla
    assert ports == {"page": CONFIG.dashboard.port, "webhooks": argilla.webhook_port}
    assert CONFIG.dashboard.host == argilla.webhook_host == "0.0.0.0"  # noqa: S104 - in the pod
    service = {each["name"]: each["port"] for each in BY_KIND["Service"]["spec"]["ports"]}
    assert service == ports
    host = (
        f"{LOOPD['name']}-0.{BY_KIND['Service']['metadata']['name']}.{KUSTOMIZATION['namespace']}"
    )
    assert argilla.webhook_url == f"http://{host}.svc:{argilla.webhook_port}"
    (rule,) = BY_KIND["NetworkPolicy"]["spec"]["ingress"]
    assert {each["port"] for each in rule["ports"]} == set(ports)
    source = (ROOT / "loopd" / "dashboard" / "routes.py").read_text(encoding="utf-8")
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        probe = LOOPD[name]["httpGet"]
        assert probe["port"] == "page"
        assert f'"{probe["path"]}":' in source


def test_nothing_has_more_rights_than_it_needs() -> None:
    assert POD["automountServiceAccountToken"] is False
    assert POD["securityContext"]["runAsNonRoot"] is True
    dockerfile = (ROOT / "deploy" / "compose" / "Dockerfile").read_text(encoding="utf-8")
    assert f"--uid {POD['securityContext']['runAsUser']} " in dockerfile
    for container in (*POD["initContainers"], *POD["containers"]):
        rights = container["securityContext"]
        assert rights["allowPrivilegeEscalation"] is False
        assert rights["readOnlyRootFilesystem"] is True
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]


def test_nothing_is_sent_to_a_container_that_is_not_waited_for() -> None:
    """The pod is there before its containers are, and `kubectl cp` fails until then."""
    page = (ROOT / "docs" / "howto-deploy.md").read_text(encoding="utf-8")
    (block,) = [each for each in page.split("```") if "kubectl apply" in each]
    up: set[str] = set()
    for line in block.splitlines():
        inside = re.search(r" (?:cp|exec|logs|port-forward) ", line)
        if inside is None:
            continue
        container = re.search(r" -c (\w+)", line)
        name = LOOPD["name"] if container is None else container[1]
        if line.startswith("until "):
            up.add(name)
        assert name in up, line
    assert up == {each["name"] for each in (*POD["initContainers"], *POD["containers"])}


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl")
def test_kustomize_builds_it() -> None:
    done = subprocess.run(
        ["kubectl", "kustomize", str(FOLDER)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    built = [each for each in yaml.safe_load_all(done.stdout) if each]
    assert {each["kind"] for each in built} == {*BY_KIND, "ConfigMap", "Secret"}
    for resource in built:
        kubernetes_validate.validate(resource, OLDEST, strict=True)
    name = KUSTOMIZATION["images"][0]["newName"]
    assert f"image: {name}:1" in done.stdout
    assert "image: loopd\n" not in done.stdout
