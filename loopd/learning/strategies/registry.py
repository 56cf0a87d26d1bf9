"""Owns which query strategies there are and how one is built; must not import any of them early."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loopd.config import StrategySection
from loopd.errors import ModelError
from loopd.learning.dotted import is_dotted, resolve
from loopd.learning.spelling import refuse_unknown_options, unknown_name


@dataclass(frozen=True, slots=True)
class Entry:
    """One registered query strategy.

    Attributes:
        path: ``module:Class``, imported at the first use.
        seedable: whether the same seed gives the same batch.
        scores: whether each chosen record has an informativeness score.
        needs: what it needs: ``embed`` and ``dropout`` of the classifier, the package ``hnswlib``.
        wraps: whether it narrows the pool for another strategy, named by its option ``base``.
        num_classes: whether the class is told the number of labels.
        options: options that are passed unless the user sets them.
    """

    path: str
    seedable: bool = True
    scores: bool = False
    needs: tuple[str, ...] = ()
    wraps: bool = False
    num_classes: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


_OWN = "loopd.learning.strategies"

STRATEGIES: Mapping[str, Entry] = {
    "random_sampling": Entry("small_text:RandomSampling"),
    "breaking_ties": Entry(f"{_OWN}.uncertainty:FastBreakingTies", scores=True),
    "least_confidence": Entry("small_text:LeastConfidence", scores=True),
    "prediction_entropy": Entry(f"{_OWN}.uncertainty:FastPredictionEntropy", scores=True),
    "bald": Entry(f"{_OWN}.uncertainty:ScoredBALD", scores=True, needs=("dropout",)),
    "subsampling": Entry("small_text:SubsamplingQueryStrategy", scores=True, wraps=True),
    "embedding_kmeans": Entry(f"{_OWN}.diversity:QuietEmbeddingKMeans", needs=("embed",)),
    "contrastive_active_learning": Entry(
        f"{_OWN}.diversity:SafeContrastive", needs=("embed",), options={"pbar": None}
    ),
    "discriminative_active_learning": Entry(
        f"{_OWN}.discriminative:EmbeddingDiscriminative", needs=("embed",)
    ),
    "greedy_coreset": Entry("small_text:GreedyCoreset", needs=("embed",)),
    "lightweight_coreset": Entry(f"{_OWN}.diversity:SafeLightweightCoreset", needs=("embed",)),
    "badge": Entry(f"{_OWN}.badge:SeededBADGE", needs=("embed",), num_classes=True),
    "seals": Entry(
        "small_text:SEALS", seedable=False, scores=True, needs=("embed", "hnswlib"), wraps=True
    ),
    "anchor_subsampling": Entry(
        "small_text:AnchorSubsampling",
        seedable=False,
        scores=True,
        needs=("embed", "hnswlib"),
        wraps=True,
    ),
}
"""Every strategy of small-text 1.4.1 that works on this stack; see docs/strategies.md."""

_GIVEN = ("self", "num_classes", "base_query_strategy", "classifier_factory")
_FOR_WRAPPERS = ("base", "base_options")


def create(section: StrategySection, num_classes: int, code_paths: Sequence[Path] = ()) -> Any:
    """A fresh small-text ``QueryStrategy``.

    Args:
        section: name (registered or dotted) and options.
        num_classes: number of labels.
        code_paths: folders in which the user's own class is looked for.

    Raises:
        ModelError: unknown name or option, missing package, or the class refuses its options.
    """
    if is_dotted(section.name):
        return _own(section, code_paths)
    if section.name not in STRATEGIES:
        raise unknown_name("strategy", section.name, STRATEGIES)
    entry = STRATEGIES[section.name]
    _refuse_missing_packages(section.name, entry)
    chosen = _load(entry)
    options = {**entry.options, **section.options}
    refuse_unknown_options(f"strategy {section.name!r}", options, _option_names(chosen, entry))
    if entry.wraps:
        options = _with_base(section, options, num_classes)
    if entry.num_classes:
        options["num_classes"] = num_classes
    return _call(section.name, chosen, options)


def _load(entry: Entry) -> Any:
    module_name, _, attribute = entry.path.partition(":")
    return getattr(importlib.import_module(module_name), attribute)


def _refuse_missing_packages(name: str, entry: Entry) -> None:
    if "hnswlib" in entry.needs and importlib.util.find_spec("hnswlib") is None:
        raise ModelError(f"strategy {name!r} needs the package hnswlib", "pip install hnswlib")


def _option_names(chosen: Any, entry: Entry) -> Collection[str]:
    named = set(inspect.signature(chosen.__init__).parameters) - {*_GIVEN, "kwargs", "args"}
    return named | set(_FOR_WRAPPERS) if entry.wraps else named


def _with_base(
    section: StrategySection, options: Mapping[str, Any], num_classes: int
) -> dict[str, Any]:
    name = str(options.get("base", "breaking_ties"))
    if name in STRATEGIES and STRATEGIES[name].wraps:
        raise ModelError(f"strategy {section.name!r} cannot have the base {name!r}", "nest once")
    inner = create(StrategySection(name=name, options=options.get("base_options", {})), num_classes)
    rest = {key: value for key, value in options.items() if key not in _FOR_WRAPPERS}
    return {**rest, "base_query_strategy": inner}


def _own(section: StrategySection, code_paths: Sequence[Path]) -> Any:
    strategy = _call(section.name, resolve(section.name, code_paths), dict(section.options))
    if not callable(getattr(strategy, "query", None)):
        raise ModelError(
            f"{section.name} is no query strategy: it has no method `query`",
            "write a class with query(clf, dataset, indices_unlabeled, indices_labeled, y, n=10)",
        )
    return strategy


def _call(name: str, build: Any, options: Mapping[str, Any]) -> Any:
    try:
        with warnings.catch_warnings():
            # GreedyCoreset warns of a default that changed in small-text 1.2, whatever one does.
            warnings.filterwarnings("ignore", "Default distance metric has changed")
            return build(**options)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"strategy {name!r} refuses its options: {reason}") from error
