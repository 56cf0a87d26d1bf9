"""Owns which classifiers there are and what identifies them; must not import any of them early."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from loopd.config import ClassifierSection
from loopd.errors import ModelError
from loopd.learning.classifiers.contract import ClassifierFactory, Surroundings
from loopd.learning.classifiers.source import identity as source_identity
from loopd.learning.dotted import is_dotted
from loopd.learning.spelling import refuse_unknown_options, unknown_name

FACTORIES: Mapping[str, str] = {
    "frozen-head": "loopd.learning.classifiers.frozen_head:FrozenHeadFactory",
    "setfit": "loopd.learning.classifiers.setfit:SetFitFactory",
    "transformer": "loopd.learning.classifiers.transformer:TransformerFactory",
    "tfidf": "loopd.learning.classifiers.tfidf:TfidfFactory",
}
"""Where the factory of each classifier is; imported at the first use."""

TAGGERS: Mapping[str, str] = {
    "transformer": "loopd.learning.spans.factory:SpanTaggerFactory",
}
"""The same for spans."""

SPELLINGS: Mapping[str, str] = {"frozen_head": "frozen-head"}
"""Other ways to write a name."""

RECIPES: Mapping[str, int] = {"frozen-head": 1, "setfit": 1, "transformer": 2, "tfidf": 1}
"""Raised whenever the same settings begin to train another model, so that no cache outlives it."""

WITH_A_BACKBONE = ("frozen-head", "setfit", "transformer")
"""Classifiers that read ``classifier.model``."""


def create(surroundings: Surroundings) -> ClassifierFactory:
    """The factory that the settings name.

    Raises:
        ModelError: unknown name or option, with the nearest spelling.
    """
    section = surroundings.section
    if is_dotted(section.name):
        from loopd.learning.classifiers.custom import CustomFactory

        return CustomFactory(surroundings)
    name = canonical(section.name)
    known = TAGGERS if surroundings.kind == "spans" else FACTORIES
    if name in FACTORIES and name not in known:
        raise ModelError(
            f"classifier {section.name!r} cannot mark spans", f"these can: {', '.join(known)}"
        )
    if name not in known:
        raise unknown_name("classifier", name, known)
    module_name, _, attribute = known[name].partition(":")
    factory = getattr(importlib.import_module(module_name), attribute)
    refuse_unknown_options(f"classifier {section.name!r}", section.options, factory.OPTIONS)
    built: ClassifierFactory = factory(surroundings)
    return built


def canonical(name: str) -> str:
    """The registered spelling of a name."""
    return SPELLINGS.get(name, name)


def identity(section: ClassifierSection) -> dict[str, Any]:
    """What a trained model depends on besides the data; cheap.

    Device and threads are left out: they change a result's last bits, not what it is.
    """
    name = canonical(section.name)
    known: dict[str, Any] = {
        "name": name,
        "recipe": RECIPES.get(name, 0),
        "options": {key: section.options[key] for key in sorted(section.options)},
    }
    if name in WITH_A_BACKBONE or is_dotted(name):
        known |= {"model": source_identity(section.model), "max_tokens": section.max_tokens}
    return known
