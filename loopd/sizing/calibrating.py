"""Owns comparing this machine with the reference: measured seconds over planned ones."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from loopd.config import ClassifierSection
from loopd.errors import ConfigError
from loopd.sizing import measuring
from loopd.sizing.asked import cores
from loopd.sizing.costs import SECONDS, Speed
from loopd.sizing.estimate import pass_seconds, projection_seconds
from loopd.sizing.workload import Machines, Workload

ROWS, WORDS = 50_000, 12
"""Of the table that is taken in."""

TURNS = 3
"""Of each measurement; the shortest counts, since whatever runs beside only makes it longer."""

PROJECTED = 2048
LONGEST_PASS = 2.0
"""Seconds that a pass of the encoder may take, about."""

FEWEST, MOST = 16, 512
"""Texts that are encoded."""

Tell = Callable[[str], None]
Seconds = Callable[[], float]


def measured_speed(work: Workload, machines: Machines, folder: Path, tell: Tell) -> Speed:
    """How this machine compares with the reference; takes some twenty seconds.

    Args:
        work: whose encoder and lengths of texts are measured.
        machines: whose threads the encoder gets, as far as there are as many here; a GPU is
            measured where some are planned with.
        folder: on the disk that is measured; nothing is left there.
        tell: is told what comes next.

    Raises:
        ModelError: the model cannot be loaded.
        ConfigError: GPUs are planned with, and there is none here; or no further Python starts.
    """
    machines = replace(machines, threads=min(machines.threads, cores()))
    with tempfile.TemporaryDirectory(dir=folder, prefix="loopd-plan-") as name:
        place = Path(name)
        tell("writes to the disk")
        disk = measuring.disk_speed(place)
        tell("loads libraries")
        starts = _shortest(lambda: measuring.starting(place)) / SECONDS.start_measured
        tell("takes in a table")
        taking_in = _shortest(lambda: measuring.taking_in_anew(place, ROWS, WORDS))
        rows = taking_in / (ROWS * SECONDS.row_measured)
    tell("reduces features")
    states, kept = work.encoder.states, min(work.feature_width, work.encoder.states)
    projecting = _shortest(lambda: measuring.projecting(PROJECTED, states, kept))
    products = projecting / (PROJECTED * projection_seconds(work, machines.threads))
    tell("encodes texts")
    return Speed(starts, rows, _encoding(work, machines), products, disk, measured=True)


def _shortest(turn: Seconds) -> float:
    return min(turn() for _ in range(TURNS))


def _encoding(work: Workload, machines: Machines) -> float:
    section = ClassifierSection(
        model=work.encoder.name,
        threads=machines.threads,
        device="auto" if machines.gpus else "cpu",
    )
    encoder = measuring.EncoderPass(section)
    if machines.gpus and not encoder.on_gpu:
        raise ConfigError("there is no GPU here to be measured", "leave out --measure or --gpus")
    words = max(1, round(work.tokens - measuring.SPECIAL_TOKENS))
    some = measuring.made_up(FEWEST, words)
    each = encoder.encoding(some) / FEWEST
    texts = measuring.made_up(int(min(MOST, max(FEWEST, LONGEST_PASS / each))), words)
    tokens = encoder.tokens_of(texts) / len(texts)
    asked = replace(work, tokens=tokens)
    seconds = _shortest(lambda: encoder.encoding(texts))
    return seconds / pass_seconds(asked, machines, len(texts))
