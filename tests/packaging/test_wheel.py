"""What `make build` writes works outside the checkout, and holds what it must and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from loopd import __version__

ROOT = Path(__file__).parents[2]

CONFIG = """\
task:
  labels: [account, billing, delivery, product, returns, technical]
pool:
  path: {data}/questions_pool.csv
  id: id
test:
  path: {data}/questions_test.csv
  id: id
  label: label
argilla:
  url: http://127.0.0.1:9
"""

pytestmark = pytest.mark.acceptance


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """An environment and a folder that have nothing to do with the checkout."""

    folder: Path
    python: Path

    def run(self, *command: str, may_fail: bool = False) -> str:
        """Output of a program of the environment, with nothing of this one's variables."""
        program = self.python.with_name(command[0])
        done = subprocess.run(
            [str(program), *command[1:]],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert may_fail or done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def environment(self) -> Mapping[str, str]:
        names = ("PATH", "HOME", "LANG", "TMPDIR", "OPENBLAS_CORETYPE")
        inherited = {name: os.environ[name] for name in names if name in os.environ}
        return inherited | {"HF_HUB_OFFLINE": "1", "ARGILLA_API_KEY": "none.of.ours"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the wheel and the source archive, made from what git knows."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    return out


@pytest.fixture(scope="module")
def elsewhere(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    """The wheel installed beside the dependencies of this environment, which it finds by a path."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder / "venv")
    there = Elsewhere(folder, folder / "venv" / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", str(there.python), "install", "--quiet"]
    wheel = str(next(built.glob("*.whl")))
    subprocess.run([*pip, "--no-deps", "--no-index", wheel], check=True, timeout=240)
    packages = there.run("python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    # A path in a .pth file is not searched for other .pth files: the checkout stays out of sight.
    Path(packages.strip(), "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return there


def test_the_wheel_holds_the_package_alone(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = wheel.namelist()
    assert {name.split("/")[0] for name in names} == {
        "loopd",
        f"argilla_loopd-{__version__}.dist-info",
    }
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "loopd").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert package <= set(names)


def test_the_source_archive_holds_what_the_wheel_is_made_of(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "LICENSE", "pyproject.toml", "loopd/cli.py"} <= names


def test_the_command_answers_outside_the_checkout(elsewhere: Elsewhere) -> None:
    file = elsewhere.run("python", "-c", "import loopd; print(loopd.__file__)").strip()
    assert Path(file).is_relative_to(elsewhere.folder)
    assert elsewhere.run("loopd", "--version").strip() == f"loopd, version {__version__}"
    assert "Active learning for Argilla" in elsewhere.run("loopd", "--help")


def test_the_sample_data_is_bundled_and_checked(elsewhere: Elsewhere) -> None:
    where = "import loopd.demo.sample_data as data; print(data.FOLDER)"
    data = Path(elsewhere.run("python", "-c", where).strip())
    assert data.is_relative_to(elsewhere.folder)
    (elsewhere.folder / "my.yaml").write_text(CONFIG.format(data=data), encoding="utf-8")
    said = elsewhere.run("loopd", "check", "my.yaml", may_fail=True)
    assert "1,800" in said
    assert "450" in said
    assert "127.0.0.1:9" in said  # no Argilla is there, which is all that is wrong
    assert "config error" not in said


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_empty_environment_has_all_that_it_needs(built: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    there = Elsewhere(tmp_path, tmp_path / "venv" / "bin" / "python")
    wheel = f"{next(built.glob('*.whl'))}[server,offline]"
    install = ["install", "--quiet", "-c", str(ROOT / "constraints.txt"), wheel]
    done = subprocess.run(
        [str(there.python), "-m", "pip", *install], cwd=tmp_path, check=False, timeout=1500
    )
    assert done.returncode == 0
    demo = ["loopd", "demo", "--rounds", "1", "--classifier", "tfidf", "--dir", "demo"]
    program = str(there.python.with_name("loopd"))
    ended = subprocess.run(
        [program, *demo[1:]],
        cwd=tmp_path, env=there.environment(), check=False, timeout=300, capture_output=True,
        text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "accuracy" in ended.stdout
