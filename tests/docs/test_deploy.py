"""What lies in deploy/: syntax, pinned images, names of variables that somebody really reads."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from loopd import errors
from loopd.config_file import load_config

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy" / "compose"
UNIT = ROOT / "deploy" / "systemd" / "loopd@.service"

IMAGE_SCRIPT = {"USERNAME", "PASSWORD", "API_KEY", "WORKSPACE", "REINDEX_DATASETS"}
"""What the start script of Argilla's image reads itself."""

READ_BY: dict[str, set[str]] = {
    "postgres": {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"},
    "redis": set(),
    "loopd": {"ARGILLA_API_KEY", "HF_HOME", "HF_HUB_DISABLE_TELEMETRY"},
}
ELASTICSEARCH = {
    "ES_JAVA_OPTS",
    "node.name",
    "cluster.name",
    "discovery.type",
    "cluster.routing.allocation.disk.threshold_enabled",
    "xpack.security.enabled",
}


@pytest.fixture(scope="module")
def stack() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
    return loaded


def argilla_names() -> set[str]:
    """Every variable that the installed Argilla server reads."""
    from argilla_server.security.settings import Settings as Security
    from argilla_server.settings import Settings

    prefixes = {Settings: "ARGILLA_", Security: "ARGILLA_AUTH_"}
    found = {
        f"{prefix}{name}".upper()
        for model, prefix in prefixes.items()
        for name in model.model_fields
    }
    for model, prefix in prefixes.items():
        known = getattr(model, "model_config", {}).get("env_prefix")
        assert known == prefix
    return found | {"HF_HUB_DISABLE_TELEMETRY"}


def variables(text: str) -> set[str]:
    return set(re.findall(r"\$\{([A-Z_]+)", text))


def test_every_variable_that_is_set_is_read_by_somebody(stack: dict[str, Any]) -> None:
    known = READ_BY | {
        "argilla": argilla_names() | IMAGE_SCRIPT,
        "worker": argilla_names(),
        "elasticsearch": ELASTICSEARCH,
    }
    for name, service in stack["services"].items():
        unknown = set(service.get("environment", {})) - known[name]
        assert not unknown, f"{name}: {unknown}"


def test_a_variable_that_argilla_lacks_would_be_noticed() -> None:
    assert "ARGILLA_ELASTICSEARCH" in argilla_names()
    assert "ARGILLA_AUTH_SECRET_KEY" in argilla_names()
    assert not {"ARGILLA_ELASTIC", "ARGILLA_LOCAL_AUTH_SECRET_KEY"} & argilla_names()


def test_secrets_come_from_the_example_and_nowhere_else(stack: dict[str, Any]) -> None:
    example = (COMPOSE / ".env.example").read_text()
    offered = set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))
    assert offered == variables((COMPOSE / "compose.yaml").read_text())
    for service in stack["services"].values():
        for key, value in service.get("environment", {}).items():
            if any(word in key for word in ("PASSWORD", "API_KEY", "SECRET")):
                assert re.fullmatch(r"\$\{[A-Z_]+:\?.+\}", value), key


def test_images_are_pinned_and_ports_are_for_this_machine(stack: dict[str, Any]) -> None:
    for name, service in stack["services"].items():
        image, _, tag = service["image"].rpartition(":")
        assert image
        assert tag == "local" if name == "loopd" else re.match(r"v?\d+\.\d+", tag), name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
        assert name == "worker" or "healthcheck" in service, name
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", ())}
        assert {each for each in volumes if not each.startswith(".")} <= set(stack["volumes"])
        assert set(service.get("depends_on", ())) <= set(stack["services"])


def test_the_image_of_argilla_is_the_version_that_is_tested(stack: dict[str, Any]) -> None:
    from importlib.metadata import version

    image = f"argilla/argilla-server:v{version('argilla-server')}"
    assert {stack["services"][name]["image"] for name in ("argilla", "worker")} == {image}


@pytest.mark.parametrize("place", ["compose/loopd.yaml", "systemd/tickets.yaml"])
def test_the_configurations_are_valid(place: str) -> None:
    config = load_config(ROOT / "deploy" / place)
    assert config.run.dir.is_absolute()


def test_the_dockerfile_copies_what_is_there() -> None:
    text = (COMPOSE / "Dockerfile").read_text()
    copied = [
        word for line in re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE) for word in line.split()
    ]
    assert copied
    for name in copied:
        assert (ROOT / name).exists(), name
        assert f"!{name}" in (ROOT / ".dockerignore").read_text().splitlines()
    extras = re.search(r'EXTRAS="([^"]+)"', text)
    assert extras is not None
    declared = (ROOT / "pyproject.toml").read_text()
    assert all(re.search(rf"^{each} = \[", declared, re.MULTILINE) for each in extras[1].split(","))


def settings(unit: str) -> Iterator[tuple[str, str]]:
    for line in unit.splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            yield key, value


def test_the_unit_repeats_only_what_may_get_better() -> None:
    unit = dict(settings(UNIT.read_text()))
    hopeless = {int(code) for code in unit["RestartPreventExitStatus"].split()}
    known = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and errors.LoopdError in kind.__bases__ and kind.exit_code
    }
    again = {
        kind.exit_code for kind in (errors.StorageError, errors.ServerError, errors.TransientError)
    } | {errors.UnexpectedError.exit_code}
    assert hopeless == (known - again) | {2}  # 2: a mistake on the command line
    assert unit["ExecStart"].split()[1:] == ["run", "/etc/loopd/%i.yaml"]
    assert load_config(UNIT.with_name("tickets.yaml")).run.dir.is_relative_to("/var/lib/loopd")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE)
    copy = tmp_path / "loopd@tickets.service"
    copy.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if copy.name in line]) == (
        0,
        [],
    )
