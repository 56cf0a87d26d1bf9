"""The steps of the Dockerfile, replayed in a clean folder: there need be no Docker."""

from __future__ import annotations

import json
import os
import re
import shutil
import site
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from loopd.installation import DISTRIBUTION
from tests.daemon import write_csv

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "compose" / "Dockerfile"

WHOLE = os.environ.get("LOOPD_WHOLE_IMAGE") == "1"
"""Whether all packages are installed anew, which takes gigabytes; else those of the tests serve."""

STUBBED = ("useradd", "install")
"""Programs that need root; what they are called with is written down."""

Step = tuple[str, str]


def steps(text: str) -> Iterator[Step]:
    """Instruction and arguments of each step, continued lines joined."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        instruction, _, words = line.partition(" ")
        yield instruction, words.strip()


STEPS = tuple(steps(DOCKERFILE.read_text(encoding="utf-8")))


def context(folder: Path) -> Path:
    """What a build is sent of the repository; ``.dockerignore`` is a list of exceptions here."""
    ignore, *names = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert ignore == "*"
    leave_out = shutil.ignore_patterns("__pycache__")
    for name in (name.removeprefix("!") for name in names if name.startswith("!")):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=leave_out)
        else:
            folder.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@dataclass
class Image:
    """What the steps have made so far.

    Attributes:
        root: stands for ``/`` of the image.
        source: what was sent for the build.
        variables: of its environment.
        facts: what the other instructions said last.
    """

    root: Path
    source: Path
    workdir: str = "/"
    variables: dict[str, str] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)

    def replay(self, instruction: str, words: str) -> None:
        match instruction:
            case "FROM":
                assert re.fullmatch(r"python:3\.1[123]\.\d+-slim-\w+", words)
                self._python()
            case "ARG" | "ENV":
                pairs = re.findall(r'(\w+)=("[^"]*"|\S+)', words)
                assert pairs
                self.variables |= {name: value.strip('"') for name, value in pairs}
            case "WORKDIR":
                self.workdir = words
                self.at(words).mkdir(parents=True, exist_ok=True)
            case "COPY":
                self._copy(words.split())
            case "RUN":
                self._run(words)
            case "USER" | "VOLUME" | "EXPOSE" | "STOPSIGNAL" | "ENTRYPOINT" | "CMD":
                self.facts[instruction] = words
            case _:
                pytest.fail(f"{instruction} is not replayed")

    def at(self, path: str) -> Path:
        """Where a path of the image lies."""
        return (
            self.root / os.path.normpath(f"{self.workdir}/{path}" if path[0] != "/" else path)[1:]
        )

    @property
    def environment(self) -> dict[str, str]:
        """Of a step, and of what runs in the image; nothing of ours but the way to packages."""
        kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        path = f"{self.root}/stubs:{self.root}/python/bin:/usr/bin:/bin"
        offline = {} if WHOLE else {"PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0"}
        return {**kept, "PATH": path, "HOME": str(self.root), **offline, **self.variables}

    def _python(self) -> None:
        """A Python without packages; those of the tests are behind its own, unless all are new."""
        python = self.root / "python"
        subprocess.run([sys.executable, "-m", "venv", str(python)], check=True)
        if not WHOLE:
            old = [str(python / "bin" / "pip"), "uninstall", "--quiet", "--yes", "setuptools"]
            subprocess.run(old, check=True, capture_output=True)
            packages = [sysconfig.get_path("purelib"), *site.getsitepackages()]
            there = next((python / "lib").glob("python3*/site-packages"))
            (there / "tests.pth").write_text("\n".join(dict.fromkeys(packages)))
        (self.root / "stubs").mkdir()
        for name in STUBBED:
            stub = self.root / "stubs" / name
            stub.write_text(f'#!/bin/sh\necho {name} "$@" >>"{self.root}/called"\n')
            stub.chmod(0o755)

    def _copy(self, words: list[str]) -> None:
        *names, target = words
        for name in names:
            source = self.source / name
            if source.is_dir():
                shutil.copytree(source, self.at(target), dirs_exist_ok=True)
            else:
                shutil.copy(source, self.at(target))

    def _run(self, words: str) -> None:
        done = subprocess.run(
            ["/bin/sh", "-ec", words],
            cwd=self.at("."),
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    folder = tmp_path_factory.mktemp("docker")
    made = Image(folder / "root", context(folder / "context"))
    made.root.mkdir()
    for instruction, words in STEPS:
        made.replay(instruction, words)
    return made


def installed(image: Image) -> Path:
    return next((image.root / "python" / "lib").glob("python3*/site-packages/loopd"))


@pytest.mark.slow
@pytest.mark.timeout(3000 if WHOLE else 600)
def test_the_package_in_the_image_is_whole(image: Image) -> None:
    def files(folder: Path) -> dict[str, bytes]:
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and path.suffix != ".pyc"
        }

    expected = files(image.source / "loopd")
    assert any(name.endswith(".jinja") for name in expected)
    assert files(installed(image)) == expected


@pytest.mark.slow
def test_it_runs_without_root_from_its_own_folder(image: Image) -> None:
    called = (image.root / "called").read_text(encoding="utf-8").splitlines()
    assert called[0].split()[:2] == ["useradd", "--system"]
    user, home = image.facts["USER"], image.facts["VOLUME"]
    assert called[0].split()[-1] == user
    assert f"--home-dir {home} " in called[0]
    assert called[1] == f"install -d -m 0700 -o {user} -g {user} {home}"
    assert image.workdir == home
    assert image.facts["STOPSIGNAL"] == "SIGTERM"


@pytest.mark.slow
def test_its_command_starts_and_finds_all_that_it_needs(image: Image, tmp_path: Path) -> None:
    write_csv(tmp_path / "pool.csv", 40, "r")
    config = {
        "run": {"dir": str(tmp_path / "run")},
        "argilla": {"url": "http://127.0.0.1:9", "give_up_after": 0.1},
        "task": {"labels": ["fruit", "tool"]},
        "pool": {"path": str(tmp_path / "pool.csv"), "id": "id"},
    }
    (tmp_path / "loopd.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    entry, command = (json.loads(image.facts[name]) for name in ("ENTRYPOINT", "CMD"))
    assert command == ["run", "/config/loopd.yaml"]

    def loopd(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [shutil.which(entry[0], path=image.environment["PATH"]) or "", *arguments],
            cwd=image.at("."),
            env=image.environment | {"ARGILLA_API_KEY": "a-key-of-nobody", "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    started = loopd("run", str(tmp_path / "loopd.yaml"))
    assert started.returncode == 24, started.stderr  # nobody is at that address
    checked = loopd("check", str(tmp_path / "loopd.yaml"))
    assert checked.returncode == 24, checked.stdout
    assert "40" in checked.stdout
    code = "import loopd; print(loopd.__file__)"
    python = [str(image.root / "python" / "bin" / "python"), "-c", code]
    where = subprocess.run(
        python, cwd=tmp_path, env=image.environment, capture_output=True, text=True, check=True
    )
    assert Path(where.stdout.strip()).parent == installed(image)


def test_every_package_that_it_installs_is_pinned() -> None:
    pins = {
        canonicalize_name(name): version
        for name, _, version in (
            line.partition("==")
            for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
            if "==" in line and not line.startswith("#")
        )
    }
    extras = next(
        re.findall(r'EXTRAS="([^"]+)"', words)[0] for _, words in STEPS if "EXTRAS" in words
    )
    needed = [
        requirement
        for requirement in map(Requirement, requires(DISTRIBUTION) or ())
        for extra in ("", *extras.split(","))
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra})
    ]
    assert len(needed) > 20
    for requirement in needed:
        pin = pins.get(canonicalize_name(requirement.name))
        assert pin is not None, requirement
        assert requirement.specifier.contains(pin), requirement
