"""Runs on disk, written without Argilla: those of the tests of exports."""

from __future__ import annotations

from tests.export.conftest import asked, make_run

__all__ = ["asked", "make_run"]
