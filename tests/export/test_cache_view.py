"""Where whoever only looks on may write."""

from __future__ import annotations

from pathlib import Path

from loopd.config import Config
from loopd.export.cache_view import apart


def test_what_others_do_not_see_is_worked_on_here(tmp_path: Path) -> None:
    """Workers of a cluster would look for the temporary folder on their own machines."""
    run = tmp_path / "run"
    (run / "cache").mkdir(parents=True)
    (run / "pool").mkdir()
    content = {
        "run": {"dir": str(run)},
        "task": {"labels": ["a", "b"]},
        "pool": {"path": str(tmp_path / "pool.csv")},
        "compute": {"engine": "ray", "address": "10.0.0.5:6379"},
    }
    with apart(Config.model_validate(content)) as config:
        assert config.compute.engine == "local"
        assert config.run.dir != run
