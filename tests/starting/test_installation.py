"""What is installed under our name, and how the lines that add packages read."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from loopd import installation
from loopd.installation import add_extra, add_packages, confusion, rivals

ROOT = Path(__file__).parents[2]


def distribution(
    folder: Path, name: str, version: str = "4.2", *, files: dict[str, str] | None = None
) -> Path:
    """A folder to import from, with what pip would leave there of a distribution."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    for file, text in ({"METADATA": about} | (files or {})).items():
        (info / file).write_text(text, encoding="utf-8")
    return folder


SCRIPT = {"entry_points.txt": "[console_scripts]\nother = x:y\nloopd = agents.runtime:main\n"}
GUI = {"entry_points.txt": "[gui_scripts]\nloopd=agents:main\n"}
PACKAGE = {"top_level.txt": "agents\nloopd\n"}
LISTED = {"RECORD": "loopd/__init__.py,sha256=abc,10\nagents/x.py,,\n"}
NOT_OURS = {
    "entry_points.txt": "[other.group]\nloopd = agents:plugin\n[console_scripts]\nloopdx = a:b\n",
    "top_level.txt": "loopd_extras\n",
    "RECORD": "loopd_extras/loopd/__init__.py,,\n",
}


@pytest.mark.parametrize("files", [SCRIPT, GUI, PACKAGE], ids=["script", "gui", "package"])
def test_who_brings_our_command_or_package_is_named(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(distribution(tmp_path, "agent-runtime", files=files))
    assert rivals() == ("agent-runtime 4.2",)
    problem, hint = confusion() or ("", "")
    assert "agent-runtime 4.2" in problem
    assert "uninstall agent-runtime`" in hint
    assert sys.executable in hint


def test_a_list_of_files_is_read_where_there_is_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(distribution(tmp_path, "loops", files=LISTED))
    assert rivals(thorough=True) == ("loops 4.2",)


def test_other_distributions_and_loopd_itself_are_no_rivals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution(tmp_path, "loopd-extras", files=NOT_OURS)
    distribution(tmp_path, "Argilla_Loopd", files=SCRIPT | PACKAGE | LISTED)
    monkeypatch.syspath_prepend(tmp_path)
    assert rivals(thorough=True) == ()


def test_a_clone_that_was_installed_under_its_old_name_is_no_rival(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = f'{{"dir_info": {{"editable": true}}, "url": "{ROOT.as_uri()}"}}'
    files = SCRIPT | {"direct_url.json": origin}
    monkeypatch.syspath_prepend(distribution(tmp_path, "loopd", files=files))
    assert rivals() == ()


def test_another_program_on_the_path_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "loopd"
    script.write_text("#!/bin/sh\necho agents\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    problem, hint = confusion() or ("", "")
    assert str(script) in problem
    assert str(Path(sys.executable).parent) in hint
    script.write_text("#!/usr/bin/python\nfrom loopd.cli import main\nmain()\n")
    assert confusion() is None


def test_a_command_says_so_in_one_sentence_and_help_does_not(tmp_path: Path) -> None:
    distribution(tmp_path, "loopd", files=SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}

    def said(*words: str) -> list[str]:
        command = [sys.executable, "-m", "loopd", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return done.stderr.splitlines()

    lines = said("status", "none.yaml")
    assert [line for line in lines if "loopd 4.2" in line] == lines[:1]
    assert "another program" in lines[0]
    assert said("--help") == []


def test_check_looks_into_the_lists_of_files_too(tmp_path: Path) -> None:
    distribution(tmp_path / "there", "loops", files=LISTED)
    (tmp_path / "p.csv").write_text("text\none\ntwo\n")
    url = "argilla: {url: 'http://127.0.0.1:9'}"
    (tmp_path / "c.yaml").write_text(
        f"task: {{labels: [a, b]}}\npool: {{path: p.csv}}\nclassifier: {{name: tfidf}}\n{url}\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "loopd", "check", str(tmp_path / "c.yaml")],
        env=os.environ | {"PYTHONPATH": str(tmp_path / "there"), "ARGILLA_API_KEY": "a.key"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr.count("loops 4.2") == 1


# -- lines to paste --------------------------------------------------------------------------------


def test_a_line_is_for_the_python_that_runs_and_survives_a_shell() -> None:
    words = shlex.split(add_extra("server"))
    assert words == [sys.executable, "-m", "pip", "install", "argilla-loopd[server]"]
    assert shlex.split(add_packages("hnswlib", "a>=2,<3"))[-2:] == ["hnswlib", "a>=2,<3"]


@pytest.mark.parametrize("folder", ["/opt/my tools", "/srv/50$", "/a'b", '/c"d'])
def test_an_odd_path_survives_a_shell(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", f"{folder}/bin/python")
    monkeypatch.setattr(installation, "_FOLDER", Path(folder))
    assert shlex.split(add_extra("spans"))[0] == f"{folder}/bin/python"
    assert shlex.split(add_packages(f"{folder}[spans]"))[-1] == f"{folder}[spans]"


def test_an_environment_without_pip_gets_a_line_for_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "find_spec", lambda name: None)
    expected = ["uv", "pip", "install", "--python", sys.executable, "argilla-loopd[server]"]
    assert shlex.split(add_extra("server")) == expected


def test_a_folder_that_was_never_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_installed", lambda: None)
    assert shlex.split(add_extra("server"))[-2:] == ["-e", f"{ROOT}[server]"]


def test_pip_finds_the_extras_that_hints_name() -> None:
    extras = metadata.metadata(installation.DISTRIBUTION).get_all("Provides-Extra")
    named = {"annotators", "mlflow", "offline", "postgresql", "server", "setfit", "spans"}
    assert named | {"tensorboard", "xlsx"} <= set(extras or ())
