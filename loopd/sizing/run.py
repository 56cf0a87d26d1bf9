"""Owns ``loopd plan``: what is asked, perhaps a measurement, the plan, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from loopd.config import Config
from loopd.errors import ConfigError
from loopd.sizing.asked import PlanOptions, machines_of, workload_of
from loopd.sizing.costs import REFERENCE
from loopd.sizing.estimate import planned
from loopd.sizing.screen import as_json, as_text


def run_plan(
    options: PlanOptions,
    config: Config | None,
    say: Callable[[str], None],
    tell: Callable[[str], None],
    *,
    measure: bool = False,
    for_programs: bool = False,
) -> None:
    """Say what a run takes.

    Args:
        options: of the command line.
        config: that they complete; ``None`` without one.
        say: takes the plan.
        tell: is told what is being measured.
        measure: whether to measure this machine first.
        for_programs: one JSON object instead of a table.

    Raises:
        ConfigError: something that is needed is not said.
        ModelError: the shape of the model is not known, or it cannot be loaded.
        DataError: the pool of the configuration cannot be read.
    """
    work, machines = workload_of(options, config), machines_of(options, config)
    speed = REFERENCE
    if measure:
        if options.layers is not None:
            raise ConfigError("--measure needs a model", "name one with --model")
        from loopd.sizing.calibrating import measured_speed

        folder = Path() if config is None else _existing(config.run.dir)
        speed = measured_speed(work, machines, folder.resolve(), tell)
    plan = planned(work, machines, speed)
    say(json.dumps(as_json(plan)) if for_programs else as_text(plan))


def _existing(folder: Path) -> Path:
    """The folder, or the nearest around it that is there."""
    while not folder.is_dir():
        folder = folder.parent
    return folder
