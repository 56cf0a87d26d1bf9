"""Owns which classifiers there are and what identifies them; must not import any of them early."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from loopd.config import ClassifierSection
from loopd.errors import ModelError
from loopd.learning.classifiers.contract import ClassifierContext, ClassifierFactory
from loopd.learning.classifiers.source import identity as source_identity
from loopd.learning.dotted import is_dotted
from loopd.learning.features.windows import CUT
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

RECIPES: Mapping[str, int] = {"frozen-head": 1, "setfit": 1, "transformer": 6, "tfidf": 1}
"""Raised whenever the same settings begin to train another model, so that no cache outlives it."""

WITH_WINDOWS = ("frozen-head", "transformer")
"""Classifiers that read ``classifier.windows``."""

WITH_A_BACKBONE = ("frozen-head", "setfit", "transformer")
"""Classifiers that read ``classifier.model``."""


def create(context: ClassifierContext) -> ClassifierFactory:
    """The factory that the settings name.

    Raises:
        ModelError: unknown name or option, with the nearest spelling.
    """
    section = context.section
    _refuse_windows(context)
    if is_dotted(section.name):
        from loopd.learning.classifiers.custom import CustomFactory

        return CustomFactory(context)
    name = canonical(section.name)
    factories = TAGGERS if context.kind == "spans" else FACTORIES
    if name in FACTORIES and name not in factories:
        raise ModelError(
            f"classifier {section.name!r} cannot mark spans", f"these can: {', '.join(factories)}"
        )
    if name not in factories:
        raise unknown_name("classifier", name, factories)
    module_name, _, attribute = factories[name].partition(":")
    factory = getattr(importlib.import_module(module_name), attribute)
    refuse_unknown_options(f"classifier {section.name!r}", section.options, factory.OPTIONS)
    built: ClassifierFactory = factory(context)
    return built


def _refuse_windows(context: ClassifierContext) -> None:
    windows, name = context.section.windows, canonical(context.section.name)
    if windows == CUT or (name in WITH_WINDOWS and context.kind != "spans"):
        return
    what = "spans" if context.kind == "spans" else f"the classifier {name!r}"
    raise ModelError(
        f"classifier.windows is {windows}, and {what} cannot read a text in windows",
        f"leave it {CUT!r}; these have it for labels of texts: {', '.join(WITH_WINDOWS)}",
    )


def canonical(name: str) -> str:
    """The registered spelling of a name."""
    return SPELLINGS.get(name, name)


def identity(section: ClassifierSection) -> dict[str, object]:
    """What a trained model depends on besides the data; cheap.

    Device and threads are left out: they change a result's last bits, not what it is.
    """
    name = canonical(section.name)
    parts: dict[str, object] = {
        "name": name,
        "recipe": RECIPES.get(name, 0),
        "options": {key: section.options[key] for key in sorted(section.options)},
    }
    if name in WITH_A_BACKBONE or is_dotted(name):
        parts |= {"model": source_identity(section.model), "max_tokens": section.max_tokens}
    if section.windows != CUT:
        parts["windows"] = section.windows
    return parts
