"""The version stands in one place, and the changelog begins with it."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

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
