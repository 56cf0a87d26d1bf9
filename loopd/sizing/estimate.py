"""Owns the arithmetic of a plan: seconds, memory and disk of each step of a run; pure.

Each step is a sum of products of measured constants (:mod:`loopd.sizing.costs`). What is divided
among machines is encoding and what a fine-tuned model looks at each round; the table, its index,
fitting and choosing stay on one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from loopd.sizing.costs import DISK, GPU, MAPPED_FROM, MEMORY, REFERENCE, SECONDS, Speed
from loopd.sizing.workload import Machines, Workload

ON_DISK_FROM = 50_000
"""Texts from which a pool stays on disk, with an index; see ``loop.large_pool``."""

BLOCK, SAMPLE = 8192, 4096
"""Texts that are encoded at once, and those to which the projection is fitted."""

FOLDS, DRAWS_INSTEAD, DRAWN_SHARE = 5, 20, 0.2
"""Of the audit where nothing is set: a cross-validation until so many random draws are labelled."""

EPOCHS, LEAST_STEPS, STEP_TEXTS, RETUNED_FROM = 4, 14, 32, 1000
"""Of the `transformer` recipe: epochs, least steps, texts of a step, labels from which the encoder
is rarely tuned again."""

TRAINED_SHARE = 2 / 3
"""Of the layers, in the same recipe."""

KEPT_MODELS = 2


@dataclass(frozen=True)
class PlannedStep:
    """What a run does, and what that takes.

    Attributes:
        name: for programs; ``benchmarks/plan_check.py`` measures steps of the same names.
        seconds: where the machine does nothing else.
        memory: bytes of the largest resident set of the process until then.
        times: how often it is done in a run to the last label.
    """

    name: str
    seconds: float
    memory: float
    times: int = 1


@dataclass(frozen=True)
class Plan:
    """What a run takes.

    Attributes:
        workload: what was asked.
        machines: what there is.
        speed: of the machines, compared with the reference.
        steps: in the order in which a run does them.
        disk: bytes in the run's folder, by what they hold.
        node_memory: bytes of a process on any other node; ``None`` with one node.
        gpu_memory: bytes; ``None`` without a GPU.
    """

    workload: Workload
    machines: Machines
    speed: Speed
    steps: tuple[PlannedStep, ...]
    disk: dict[str, float]
    node_memory: float | None
    gpu_memory: float | None

    def step(self, name: str) -> PlannedStep:
        """The step of a name."""
        return next(step for step in self.steps if step.name == name)

    @property
    def memory(self) -> float:
        """Bytes of the largest process on the first node."""
        return max(step.memory for step in self.steps)

    @property
    def seconds(self) -> float:
        """Of all steps together, as often as each is done."""
        return sum(step.seconds * step.times for step in self.steps)


def planned(workload: Workload, machines: Machines, speed: Speed = REFERENCE) -> Plan:
    """What a run takes.

    Args:
        workload: the run.
        machines: what it has.
        speed: of the machines, compared with the reference.
    """
    sums, sizes = _Seconds(workload, machines, speed), _Bytes(workload, machines)
    several = machines.workers > 1
    return Plan(
        workload,
        machines,
        speed,
        tuple(_steps(sums, sizes)),
        _disk(workload),
        max(sizes.encoding, sizes.scoring) if several else None,
        sizes.gpu if machines.gpus else None,
    )


def pass_seconds(workload: Workload, machines: Machines, texts: float) -> float:
    """Seconds in which the reference machine would pass texts through the encoder."""
    return _Seconds(workload, machines, REFERENCE).passing(texts)


def projection_seconds(workload: Workload, threads: int) -> float:
    """Seconds in which the reference machine would reduce the states of one text."""
    return _Seconds(workload, Machines(threads=threads), REFERENCE).projecting


def _steps(sums: _Seconds, sizes: _Bytes) -> Iterator[PlannedStep]:
    work = sums.work
    indexed = max(sizes.reading, sizes.opened + work.texts * MEMORY.row_indexed) + MEMORY.index
    # Where the first process encodes as well, it has read the table before.
    encoded = max(indexed, sizes.encoding)
    yield PlannedStep("read", sums.reading, sizes.reading)
    yield PlannedStep("index", sums.rows(SECONDS.row_indexed), indexed)
    yield PlannedStep("encode", sums.encoding, encoded)
    opening = sums.starting(SECONDS.start) + sums.rows(SECONDS.row_opened)
    yield PlannedStep("open", opening, sizes.opened)
    learner = sums.starting(SECONDS.learner)
    first = learner + sums.rows(SECONDS.row_drawn) + sums.round_at(work.batch)
    yield PlannedStep("first round", first, sizes.round)
    yield PlannedStep("later round", sums.round, sizes.round, max(1, work.rounds - 1))


class _Seconds:
    """Seconds of parts of a run.

    Args:
        work: the run.
        machines: what it has.
        speed: of the machines.
    """

    def __init__(self, work: Workload, machines: Machines, speed: Speed) -> None:
        self.work, self.machines, self.speed = work, machines, speed

    def starting(self, seconds: float) -> float:
        """Of what is done once, whatever the pool."""
        return seconds * self.speed.starts

    def rows(self, each: float) -> float:
        """Of something that is done for every text of the pool."""
        return self.work.texts * each * self.speed.rows

    @property
    def reading(self) -> float:
        """The table, and writing it down."""
        work = self.work
        row = SECONDS.row_read[work.format] + work.text_bytes * SECONDS.byte_read
        return self.starting(SECONDS.start) + self.rows(row)

    @property
    def encoding(self) -> float:
        """Libraries, tokens, features, and the projection that is fitted first."""
        work = self.work
        tokens = (SECONDS.row_fetched + work.tokens * SECONDS.token) * self.speed.rows
        numbers = work.feature_width + work.encoder.width
        written = numbers * max(
            SECONDS.number_written * self.speed.rows, DISK.number / self.speed.disk
        )
        beside = self.projecting + written
        if self.machines.gpus:
            beside = max(beside, GPU.row * self.speed.rows)
        each = self._divided(work.texts * (tokens + self.passing(1) + beside))
        return self.starting(SECONDS.learner) + each + self._fitting_projection

    @property
    def round(self) -> float:
        """A round at half of the labels."""
        return self.round_at(max(self.work.batch, self.work.labels // 2))

    def round_at(self, labels: int) -> float:
        """Train, measure and choose with so many labels."""
        work = self.work
        numbers = work.feature_width
        looks = self.rows(SECONDS.row_scored) + work.texts * numbers * SECONDS.number_read
        if work.texts >= MAPPED_FROM:
            looks += work.texts * SECONDS.row_mapped
        if work.classifier == "frozen-head":
            return SECONDS.round + looks
        folds = FOLDS if labels * DRAWN_SHARE < DRAWS_INSTEAD else 0
        narrows = work.texts > work.scored
        narrowed = looks + self.rows(SECONDS.row_narrowed) if narrows else 0.0
        scored = self._divided(work.scored * self.passing(1))
        return SECONDS.round + narrowed + scored + (1 + folds) * self._fit(labels)

    def _fit(self, labels: int) -> float:
        """Fine-tune on labels; backward passes take twice as long as forward ones."""
        seen = min(labels, RETUNED_FROM)
        in_epoch = -(-seen // STEP_TEXTS)
        epochs = max(EPOCHS, -(-LEAST_STEPS // in_epoch))
        encoder, passes = self.work.encoder, seen * epochs * 3 * TRAINED_SHARE
        if self.machines.gpus:
            flop = passes * encoder.flop(self.work.tokens)
            return (GPU.fit_start + flop * GPU.fit) * self.speed.encoding
        steps = epochs * in_epoch * encoder.parameters * SECONDS.step_parameter
        return self.passing(passes) + steps

    @property
    def projecting(self) -> float:
        """Reducing the states of a text."""
        states, kept = self.work.encoder.states, self.work.feature_width
        flop = 2.0 * states * kept if kept < states else 0.0
        seconds = flop * SECONDS.flop_projected + states * SECONDS.state_scaled
        return self._threaded(seconds * self.speed.products)

    @property
    def _fitting_projection(self) -> float:
        work = self.work
        if work.feature_width == work.encoder.states:
            return 0.0
        sample = min(work.texts, SAMPLE)
        again = self.passing(sample) if work.texts > BLOCK else 0.0
        return again + sample * work.encoder.states * SECONDS.state_fitted * self.speed.products

    def passing(self, texts: float) -> float:
        """Texts through the encoder, on one worker."""
        work, encoder = self.work, self.work.encoder
        if self.machines.gpus:
            return texts * encoder.flop(work.tokens) * GPU.flop * self.speed.encoding
        token = SECONDS.layer_token + encoder.width * SECONDS.state_token
        each = encoder.flop(work.tokens) * SECONDS.flop + encoder.layers * work.tokens * token
        return self._threaded(texts * each * self.speed.encoding)

    def _threaded(self, seconds: float) -> float:
        """Seconds of one thread on all threads of a node (Amdahl 1967)."""
        serial = SECONDS.serial_share
        return seconds * (serial + (1 - serial) / self.machines.threads)

    def _divided(self, seconds: float) -> float:
        """Seconds of one worker among all."""
        workers = self.machines.workers
        return seconds / workers * (SECONDS.engine if workers > 1 else 1.0)


class _Bytes:
    """Memory of parts of a run.

    Args:
        work: the run.
        machines: what it has.
    """

    def __init__(self, work: Workload, machines: Machines) -> None:
        self.work, self.machines = work, machines

    @property
    def reading(self) -> float:
        """The first intake is read as a whole."""
        work = self.work
        row = MEMORY.row_read[work.format] + work.text_bytes + work.id_bytes
        return MEMORY.start + work.texts * row

    @property
    def opened(self) -> float:
        """A run that works with nothing yet."""
        return MEMORY.start + self.work.texts * MEMORY.row_opened

    @property
    def encoding(self) -> float:
        """A process that encodes its share of the pool."""
        work = self.work
        texts = work.texts / self.machines.workers
        states = work.encoder.states + work.encoder.width
        blocks = MEMORY.blocks * min(texts, BLOCK) * 4 * states
        rows = texts * (MEMORY.row_encoded + work.tokens * MEMORY.token)
        return MEMORY.start + MEMORY.encoding + 2 * self._weights + blocks + rows

    @property
    def scoring(self) -> float:
        """A process that looks at its share of what a fine-tuned model is shown."""
        return MEMORY.start + MEMORY.encoding + 2 * self._weights

    @property
    def round(self) -> float:
        """The process that trains and chooses."""
        work = self.work
        kept = work.texts * (MEMORY.row_scored + 4 * work.classes)
        base = self.opened + MEMORY.learner + kept
        if work.classifier == "frozen-head":
            return base + MEMORY.weights_read * self._weights
        # The pretrained weights, a copy of them, gradients and two moments of what is trained.
        return base + self._weights * (2 + 3 * TRAINED_SHARE) + MEMORY.training

    @property
    def gpu(self) -> float:
        """Memory of a GPU in an encoder's pass."""
        return 2 * self._weights + GPU.inner * self.work.encoder.inner

    @property
    def _weights(self) -> float:
        return 4.0 * self.work.encoder.parameters


def _disk(work: Workload) -> dict[str, float]:
    index = DISK.indexed + work.id_bytes if work.texts >= ON_DISK_FROM else 0.0
    numbers = work.feature_width + work.encoder.width
    model = 4.0 * work.encoder.parameters if work.classifier == "transformer" else 0.0
    return {
        "pool": work.texts * (work.text_bytes + work.id_bytes + DISK.row + index),
        "features": work.texts * numbers * DISK.number + _projection(work),
        "tokens": work.texts * (DISK.offset + work.tokens * DISK.token),
        "models": KEPT_MODELS * model,
    }


def _projection(work: Workload) -> float:
    """Bytes of what reduces the features, where something does."""
    states, kept = work.encoder.states, work.feature_width
    return 4.0 * states * (kept + 1) if kept < states else 0.0
