"""Owns ``loopd report``: a run on disk in, one HTML file and pictures out.

Reads the run only: no lock, no Argilla, no network. Works while a daemon works on the run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from loopd.config import Config
from loopd.dashboard.pictures import charts
from loopd.errors import ConfigError
from loopd.loop.audit_in_force import in_force
from loopd.metrics_log import writer as metrics_log
from loopd.operations.status import read_run
from loopd.operations.texts import NO_POOL, texts_of
from loopd.overview.overview import LiveContext, overview
from loopd.overview.people import kept_names
from loopd.reports.report_page import report_html
from loopd.storage.files import write_atomic
from loopd.storage.run_folder import REPORT_NAME


def run_report(
    config: Config, out: Path | None, tell: Callable[[str], None], *, texts: bool = True
) -> Path:
    """Write the report of a run.

    Args:
        config: of the run.
        out: a folder, or a file that ends with ``.html`` and gets no pictures beside it; ``None``
            is the folder of the run with ``-report`` behind its name.
        tell: called with lines for people.
        texts: whether texts of open records are shown.

    Returns:
        The HTML file.

    Raises:
        RunError: there is no run.
        ConfigError: the place is no place for a report.
        StorageError: it cannot be written.
        LoopdError: as reading the journal.
    """
    page, pictures = _places(config, out)
    state = read_run(config)
    config = in_force(config, state)
    pool, notes = texts_of(config, state) if texts else (NO_POOL, [])
    live = LiveContext(names=kept_names(config.run.dir))
    seen = overview(state, config, pool, metrics_log.rows(state), time.time(), live=live)
    drawn = tuple(charts(seen))
    html = report_html(seen, state, config, drawn, notes=notes, texts=texts and pool is not NO_POOL)
    write_atomic(page, html)
    tell(f"{page}")
    if pictures is not None:
        for chart in drawn:
            write_atomic(pictures / f"{chart.name}.png", chart.png())
            tell(f"  {chart.name}.png  {chart.title}")
    return page


def _places(config: Config, out: Path | None) -> tuple[Path, Path | None]:
    """The HTML file, and the folder of the pictures if there shall be any."""
    target = (out or config.run.dir.with_name(f"{config.run.dir.name}-report")).absolute()
    if target.suffix.lower() in (".html", ".htm") and not target.is_dir():
        return target, None
    if target.exists() and not target.is_dir():
        raise ConfigError(f"{target} is no folder", "name a folder, or a file that ends with .html")
    return target / REPORT_NAME, target
