"""Owns the constants of a plan as they were measured; must not calculate.

Seconds are CPU seconds of one thread of the reference machine: an Intel Xeon (Emerald Rapids, no
AMX), torch 2.13, one run of ``benchmarks/plan_constants.py`` and the laps of
``benchmarks/plan_check.py``: at 10,000 and 100,000 texts, and for what a text costs when a run is
opened, in the draws and in a round also at 1,000,000 and 5,000,000. Bytes are resident set sizes of
the same laps, and of ``benchmarks/big_pool.py`` up to 5,000,000 texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MIB = 2**20


@dataclass(frozen=True)
class Seconds:
    """What steps take.

    Attributes:
        start: until a process without a model works.
        start_measured: the part of it that ``--measure`` looks at, an interpreter that loads the
            loop: the share that it has on a second machine, .73.
        learner: loading the libraries of the learner, and an encoder.
        row_read: a row of a table that is read, checked and written down, by format.
        byte_read: each byte of its text beside.
        row_measured: a row of the table that ``--measure`` takes in: a CSV of short texts without
            labels, and its index. It took 18.5 us in a single turn with other work beside; this
            is what the shortest of three would be if rows are as much slower here as 1,000,000
            and 5,000,000 are than on a second machine.
        row_indexed: a text in the index of ids and texts.
        row_opened: a text when a run is opened.
        row_drawn: the number of a text by which draws are decided, once in a process.
        row_fetched: reading the text of a row again.
        token: tokenising.
        flop: an operation of an encoder's pass.
        layer_token: a token in a layer, whatever its width.
        state_token: each number of a token's state in a layer.
        flop_projected: an operation of reducing the features.
        state_scaled: each number of a text's states.
        state_fitted: each number of a text's states while the projection is fitted.
        number_written: of a text's features.
        number_read: of a text's features, on any machine, from a file that is mapped into memory:
            6 and 8 ns with 100,000 texts on two machines, less with millions of shorter features.
        row_scored: a text in a round, beside reading its features.
        row_mapped: a text in a round over more texts than ``MAPPED_FROM``, on any machine: arrays
            of 32 MiB and more are mapped anew each time, and their pages cleared (glibc's malloc).
        row_narrowed: a text in a round in which a student narrows the pool, beside that:
            6.2 us in all with 512 numbers (``scale.json``).
        round: a round, whatever the pool.
        step_parameter: a parameter in a step of the optimiser.
        serial_share: of an encoder's pass that more threads do not shorten: 11.4 s with one, 6.9
            with two (``scoring.json``), and a fifth of its seconds with 16 (``gpu_h100.json``).
        engine: how many times as long a divided step takes beside its work (a trial of Ray).
    """

    start: float = 1.6
    start_measured: float = 1.17
    learner: float = 6.9
    row_read: Mapping[str, float] = field(
        default_factory=lambda: {"csv": 22e-6, "jsonl": 18e-6, "parquet": 18e-6}
    )
    byte_read: float = 2e-8
    row_measured: float = 15e-6
    row_indexed: float = 9e-6
    row_opened: float = 0.05e-6
    row_drawn: float = 5.5e-6
    row_fetched: float = 12e-6
    token: float = 3e-6
    flop: float = 1 / 107e9
    layer_token: float = 0.8e-6
    state_token: float = 7.6e-9
    flop_projected: float = 1 / 107e9
    state_scaled: float = 5e-9
    state_fitted: float = 0.25e-6
    number_written: float = 11e-9
    number_read: float = 4.5e-9
    row_scored: float = 2.5e-6
    row_mapped: float = 0.9e-6
    row_narrowed: float = 2.0e-6
    round: float = 0.35
    step_parameter: float = 4e-9
    serial_share: float = 0.2
    engine: float = 1.17


@dataclass(frozen=True)
class Memory:
    """Bytes of processes.

    Attributes:
        start: of a process without a model.
        row_read: a row while a table is read, beside its text and id, by format.
        row_opened: a text of a run that is open.
        row_indexed: a text while the index is made.
        index: beside the table, while its index is made.
        learner: the learner's libraries, in a round.
        encoding: the same while texts are encoded.
        row_encoded: a text of the intake that is encoded, beside its tokens.
        token: of the intake that is encoded.
        blocks: how many arrays of the states of a block of texts there are at once.
        row_scored: a text in a round.
        weights_read: share of an encoder's weights that a round with a head touches.
        training: beside weights, gradients and moments.
    """

    start: float = 160 * MIB
    row_read: Mapping[str, float] = field(
        default_factory=lambda: {"csv": 330.0, "jsonl": 345.0, "parquet": 430.0}
    )
    row_opened: float = 20
    row_indexed: float = 40
    index: float = 20 * MIB
    learner: float = 415 * MIB
    encoding: float = 475 * MIB
    row_encoded: float = 150
    token: float = 8
    blocks: float = 3.7
    row_scored: float = 180
    weights_read: float = 0.4
    training: float = 300 * MIB


@dataclass(frozen=True)
class Graphics:
    """A GPU: one NVIDIA H100 (``gpu_h100.json``, ``gpu_h100_pool.json``), bf16.

    Attributes:
        flop: seconds of an operation of an encoder's pass.
        row: seconds of a text beside: a cold encoding of 65,536 texts took 3.4 s without planning
            kernels, which is no longer done.
        fit: seconds of an operation of fine-tuning: 1.2 s with 20 labels, 1.6 with 260.
        fit_start: of each fit.
        inner: bytes of a pass's largest arrays for each number between two linear maps.
    """

    flop: float = 1 / 101e12
    row: float = 52e-6
    fit: float = 1 / 1e12
    fit_start: float = 1.0
    inner: float = 42 * 65536


@dataclass(frozen=True)
class Disk:
    """Bytes of a text in the run's folder, beside the text and its id.

    Attributes:
        row: in an intake's file.
        indexed: in the index, where the pool stays on disk; the id is there once more.
        offset: of its tokens.
        token: each token.
        number: each number of its features.
    """

    row: float = 55
    indexed: float = 49
    offset: float = 8
    token: float = 4
    number: float = 2


@dataclass(frozen=True)
class Speed:
    """How a machine compares with the reference.

    Attributes:
        starts: how many times as long it takes to load libraries.
        rows: how many times as long it takes to read, index, tokenise and write.
        encoding: how many times as long a pass of an encoder takes, with as many threads.
        products: how many times as long reducing features takes.
        disk: bytes a second that reach the disk.
        measured: whether these were measured.
    """

    starts: float = 1.0
    rows: float = 1.0
    encoding: float = 1.0
    products: float = 1.0
    disk: float = 84e6
    measured: bool = False


MAPPED_FROM = 2**22
"""Texts of which an array of 8-byte numbers takes 32 MiB."""

SECONDS, MEMORY, GPU, DISK, REFERENCE = Seconds(), Memory(), Graphics(), Disk(), Speed()
