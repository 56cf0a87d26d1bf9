"""Owns between which classifiers ``auto`` decides, and a learner for either; must not decide."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping

from loopd.config import ClassifierSection
from loopd.errors import ModelError
from loopd.learning.classifiers.registry import identity
from loopd.learning.learner import Learner
from loopd.learning.spelling import refuse_unknown_options

AUTO = "auto"

DEAR, CHEAP = "transformer", "frozen-head"

CONTENDERS = (DEAR, CHEAP)
"""Names of both, the one with which a run begins first."""


def contending(
    build: Callable[[ClassifierSection], Learner], section: ClassifierSection
) -> Learner:
    """The learner that a run begins with; where ``auto`` decides, it leads to both.

    Args:
        build: gives the learner of some settings.
        section: the user's.

    Raises:
        ModelError: options of ``auto`` that belong to neither.
    """
    if section.name != AUTO:
        return build(section)
    learners = {name: build(section_of(section, name)) for name in CONTENDERS}
    for learner in learners.values():
        learner.contenders = learners
    return learners[CONTENDERS[0]]


def section_of(section: ClassifierSection, name: str) -> ClassifierSection:
    """The settings of one classifier: the user's own, unless these leave it to ``auto``.

    Raises:
        ModelError: options of ``auto`` that belong to none.
    """
    if section.name != AUTO:
        return section
    refuse_unknown_options("classifier 'auto'", section.options, CONTENDERS)
    options: object = section.options.get(name, {})
    if not isinstance(options, Mapping):
        raise ModelError(
            f"classifier.options.{name} must be options of that classifier",
            f"write `options: {{{name}: {{...}}}}`",
        )
    return section.model_copy(update={"name": name, "options": dict(options)})


def contenders_digest(
    section: ClassifierSection, descriptions: Mapping[str, tuple[str, ...]]
) -> str:
    """What decides which models both classifiers give, the data aside: 16 hexadecimal digits.

    Encoder, options and recipe, as in a model's own name, and what labels are described by. Empty
    where the settings name a classifier.

    Raises:
        ModelError: options of ``auto`` that belong to none.
    """
    if section.name != AUTO:
        return ""
    what = [
        *(identity(section_of(section, name)) for name in CONTENDERS),
        sorted(descriptions.items()),
    ]
    text = json.dumps(what, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def check(learner: Learner) -> str:
    """Load whatever the learner may need, and describe it in one line.

    Raises:
        ModelError: something is missing, unknown or cannot be loaded.
    """
    described = [one.check() for one in learner.contenders.values()] or [learner.check()]
    return " | ".join(described)
