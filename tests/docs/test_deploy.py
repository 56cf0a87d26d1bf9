"""What lies in deploy/: syntax, pinned images, names of variables that somebody really reads."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any

import jsonschema
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


@pytest.fixture(scope="module")
def validator() -> Any:
    """Holds a compose file against the schema of the compose specification."""
    name = "check_jsonschema/builtin_schemas/vendor/compose-spec.json"
    path = Path(str(distribution("check-jsonschema").locate_file(name)))  # not imported: it warns
    schema = json.loads(path.read_text(encoding="utf-8"))
    return jsonschema.Draft7Validator(schema)


def test_compose_takes_the_file(stack: dict[str, Any], validator: Any) -> None:
    assert [error.message for error in validator.iter_errors(stack)] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("restrat", "no"), ("healthcheck", {"tests": []}), ("depends_on", 1), ("ports", 6901)],
)
def test_a_mistake_in_the_compose_file_would_be_noticed(
    stack: dict[str, Any], validator: Any, name: str, value: object
) -> None:
    broken = copy.deepcopy(stack)
    broken["services"]["loopd"][name] = value
    assert list(validator.iter_errors(broken))


def test_everything_is_up_again_after_a_reboot(stack: dict[str, Any]) -> None:
    services = stack["services"]
    assert {service["restart"] for service in services.values()} == {"unless-stopped"}
    assert services["loopd"]["command"][:2] == ["run", "--stay"]


def test_argilla_reaches_the_webhooks_in_the_container(stack: dict[str, Any]) -> None:
    config = load_config(COMPOSE / "loopd.yaml").argilla
    name = next(name for name in stack["services"] if name == "loopd")
    assert config.webhooks
    assert (config.webhook_host, config.webhook_port != 0) == ("0.0.0.0", True)  # noqa: S104
    assert config.webhook_url == f"http://{name}:{config.webhook_port}"
    networks = [stack["services"][each]["networks"] for each in ("loopd", "argilla", "worker")]
    assert networks[0] == networks[1] == networks[2]
    published = [port.split(":")[-1] for port in stack["services"]["loopd"]["ports"]]
    assert str(config.webhook_port) not in published


def test_the_image_of_argilla_is_the_version_that_is_tested(stack: dict[str, Any]) -> None:
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
        if isinstance(kind, type)
        and issubclass(kind, errors.LoopdError)
        and errors.LoopdError in kind.__bases__
        and kind.exit_code
    }
    again = {
        kind.exit_code for kind in (errors.StorageError, errors.ServerError, errors.TransientError)
    } | {errors.UnexpectedError.exit_code}
    assert hopeless == (known - again) | {2}  # 2: a mistake on the command line
    assert unit["ExecStart"].split()[1:] == ["run", "/etc/loopd/%i.yaml"]
    assert load_config(UNIT.with_name("tickets.yaml")).run.dir.is_relative_to("/var/lib/loopd")


OF_SYSTEMD = {
    "Unit": {
        "After", "Description", "Documentation", "StartLimitIntervalSec", "Wants",
    },
    "Service": {
        "AmbientCapabilities", "CapabilityBoundingSet", "Environment", "EnvironmentFile",
        "ExecStart", "Group", "LockPersonality", "NoNewPrivileges", "PrivateDevices", "PrivateTmp",
        "ProtectClock", "ProtectControlGroups", "ProtectHome", "ProtectHostname",
        "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "ProtectProc",
        "ProtectSystem", "RemoveIPC", "Restart", "RestartPreventExitStatus", "RestartSec",
        "RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID",
        "StateDirectory", "StateDirectoryMode", "SystemCallArchitectures", "SystemCallFilter",
        "TimeoutStopSec", "Type", "UMask", "User", "WorkingDirectory",
    },
    "Install": {"WantedBy"},
}  # fmt: skip
"""What systemd knows, as far as the unit uses it: systemd only warns of a name that it does not."""

SWITCHES = re.compile(r"(Lock|No|Private|Protect(?!Home|Proc|System)|Remove|Restrict(R|S|N))\w+")


def test_the_unit_has_no_name_that_systemd_does_not_know() -> None:
    section, seen = "", set()
    for line in UNIT.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, equals, value = line.partition("=")
            assert equals
            assert key in OF_SYSTEMD[section], f"{section}: {key}"
            assert key == "Environment" or key not in seen, key
            assert not SWITCHES.fullmatch(key) or value in ("yes", "no"), line
            seen.add(key)
    assert seen == set().union(*OF_SYSTEMD.values())


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
