"""Owns what a trained model depends on, as one short name; must not train anything."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

from loopd.config import ClassifierSection
from loopd.data.pool import Pool
from loopd.learning.classifiers import registry as classifiers
from loopd.learning.described_labels import DescribedLabels
from loopd.learning.problems.problem import Problem
from loopd.records import Targets


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a model is trained on.

    Attributes:
        pool: where the texts are.
        problem: the kind of problem.
        targets: target by record id, in any order.
        described: texts that describe labels.
    """

    pool: Pool
    problem: Problem
    targets: Targets
    described: DescribedLabels = field(default_factory=DescribedLabels)


def digest_of(
    data: TrainingData,
    section: ClassifierSection,
    step: tuple[int, int, int],
    encoder: str | None = None,
) -> str:
    """Name of a model: 16 hexadecimal digits; cheap.

    Args:
        data: what it is trained on.
        section: the classifier's settings.
        step: seed of the run, number of the batch whose answers came last, member of an ensemble.
        encoder: name of the model whose encoder this one takes over; ``None``: it has its own.
    """
    seed, round_number, member = step
    what: dict[str, object] = {
        "pool": data.pool.fingerprint,
        "targets": sorted(data.targets.items()),
        "labels": data.problem.labels,
        "classifier": classifiers.identity(section),
        "seed": seed,
        "round": round_number,
    }
    if data.problem.kind != "single_label":
        what["problem"] = repr(data.problem)
    if data.described.texts:
        what["descriptions"] = [data.described.texts, data.described.targets]
    if member:
        what["member"] = member
    if encoder is not None:
        what["encoder"] = encoder
    text = json.dumps(what, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
