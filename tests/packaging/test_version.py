"""The version stands in one place, and the changelog begins with it."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import tomllib
import yaml

from loopd import __version__
from loopd.installation import DISTRIBUTION

ROOT = Path(__file__).parents[2]


def test_the_changelog_begins_with_this_version() -> None:
    headings = re.findall(r"^## (\S+)", (ROOT / "docs" / "changelog.md").read_text(), re.MULTILINE)
    assert headings[0] == __version__


def test_the_package_has_this_version() -> None:
    assert version(DISTRIBUTION) == __version__


def test_no_other_file_holds_it() -> None:
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text()


def test_each_python_that_is_promised_is_run() -> None:
    """Package index, workflow, Makefile and pages speak of the same versions."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    begins = "Programming Language :: Python :: 3."
    promised = [
        name.rpartition(" ")[2] for name in project["classifiers"] if name.startswith(begins)
    ]
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    assert jobs["fast"]["strategy"]["matrix"]["python"] == promised
    first, *_, last = promised
    after = f"3.{int(last.removeprefix('3.')) + 1}"
    assert project["requires-python"] == f">={first},<{after}"
    assert f"Python {first} to {last}" in (ROOT / "Makefile").read_text()
    for page in ("README.md", "docs/first-hour.md", "docs/tutorial.md"):
        assert f"Python {first} to {last}" in (ROOT / page).read_text(), page
