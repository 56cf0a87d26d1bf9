"""Owns how a query strategy is built by its name; must not import any of them early."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from loopd import cleanlab_adapter as multiannotator
from loopd.config import StrategySection
from loopd.errors import LoopdError, ModelError
from loopd.installation import add_packages
from loopd.learning.arrays import Options
from loopd.learning.dotted import is_dotted, resolve
from loopd.learning.protocols import QueryStrategy
from loopd.learning.spelling import refuse_unknown_options, unknown_name
from loopd.learning.strategies import plugins
from loopd.learning.strategies.catalogue import STRATEGIES, Entry

RANDOM = "random_sampling"
"""What chooses where a cold start cannot."""

BASE = "breaking_ties"
"""What a wrapper wraps unless the user says otherwise."""

_FROM_LOOPD = ("self", "num_classes", "base_query_strategy", "classifier_factory")
_FOR_WRAPPERS = ("base", "base_options")


def create(
    section: StrategySection, num_classes: int, code_paths: Sequence[Path] = ()
) -> QueryStrategy:
    """A fresh small-text ``QueryStrategy``.

    Args:
        section: name (registered, offered by a package, or dotted) and options.
        num_classes: number of labels.
        code_paths: folders in which the user's own class is looked for.

    Raises:
        ModelError: unknown name or option, missing package, or the class refuses its options.
    """
    if is_dotted(section.name):
        return _checked(section.name, resolve(section.name, code_paths), section.options)
    offered = plugins.offered(section.name, STRATEGIES)
    if offered is not None:
        return _checked(section.name, plugins.load(offered), section.options)
    if section.name not in STRATEGIES:
        raise unknown_name("strategy", section.name, {*STRATEGIES, *plugins.names()})
    entry = STRATEGIES[section.name]
    _refuse_missing_packages(section.name, entry)
    strategy_class = _load(entry)
    options = {**entry.options, **section.options}
    names = _option_names(strategy_class, entry)
    refuse_unknown_options(f"strategy {section.name!r}", options, names)
    if entry.wraps:
        options = _with_base(section, options, num_classes)
    if entry.num_classes:
        options["num_classes"] = num_classes
    return _checked(section.name, strategy_class, options)


def cold_start(section: StrategySection, represented: Callable[[], bool]) -> StrategySection:
    """The strategy that chooses without a model.

    Args:
        section: the settings.
        represented: whether the classifier has a representation; only asked where it matters.

    Returns:
        ``strategy.cold_start`` with its options, or random sampling where that is one of loopd's
        own and the classifier lacks the representation that it needs.

    Raises:
        ModelError: it is registered and needs a model.
    """
    name = section.cold_start
    entry = STRATEGIES.get(name)
    if entry is not None and not entry.cold:
        fit = ", ".join(other for other in STRATEGIES if STRATEGIES[other].cold)
        raise ModelError(f"strategy.cold_start: {name!r} needs a model", f"without one work: {fit}")
    if entry is not None and name != RANDOM and not represented():
        return StrategySection(name=RANDOM)
    return StrategySection(name=name, options=section.cold_start_options)


def asks_the_model(section: StrategySection) -> bool:
    """Whether the strategy asks the model about each text that it may choose.

    If not, as random sampling, it may choose from a pool of any size: narrowing that to what a slow
    model can look at would cost time, and random records would be random no more. The user's own
    strategies and those of other packages are taken to ask.
    """
    entry = STRATEGIES.get(section.name)
    if entry is not None and entry.wraps:
        entry = STRATEGIES.get(str(section.options.get("base", BASE)))
    return entry is None or entry.asks


def labels_needed(section: StrategySection) -> int:
    """How many different answers people must have given before the strategy can choose.

    A wrapper needs what its base needs, too. The user's own strategies and those of other packages
    get what they have always got: two.
    """
    base = section.options.get("base", BASE)
    names = [section.name]
    if section.name in STRATEGIES and STRATEGIES[section.name].wraps:
        names.append(str(base))
    return max(STRATEGIES[name].labels if name in STRATEGIES else 2 for name in names)


@runtime_checkable
class Delegates(Protocol):
    """A strategy that has a choice of others."""

    @property
    def used_(self) -> str | None:
        """Name of the one that chose last."""
        ...


def used(section: StrategySection, strategy: QueryStrategy) -> str:
    """What the journal calls a strategy after its query: ``auto/margin`` where it has a choice."""
    inner = strategy.used_ if isinstance(strategy, Delegates) else None
    return section.name if inner is None else f"{section.name}/{inner}"


@runtime_checkable
class SaysWhy(Protocol):
    """A strategy of somebody else that brings a sentence of its own."""

    @property
    def reason(self) -> str:
        """Why it chooses a record, in a few words; loopd puts numbers behind them."""
        ...


def own_reason(strategy: QueryStrategy) -> str:
    """Why a strategy chooses a record, in its own words; empty where it has none."""
    said = strategy.reason if isinstance(strategy, SaysWhy) else ""
    return " ".join(said.split())[:LONGEST_REASON] if isinstance(said, str) else ""


LONGEST_REASON = 120
"""Characters of the words of a strategy that is not loopd's."""


def refuse_unfit(section: StrategySection, kind: str) -> None:
    """Check that the strategy, and the one that it wraps, choose well for a kind of task.

    The user's own and those of other packages are taken at their word.

    Args:
        section: name and options.
        kind: ``single_label``, ``multi_label`` or ``spans``.

    Raises:
        ModelError: one does not.
    """
    for name in (section.name, section.options.get("base")):
        entry = STRATEGIES.get(str(name))
        if entry is not None and kind not in entry.kinds:
            fit = ", ".join(other for other in STRATEGIES if kind in STRATEGIES[other].kinds)
            raise ModelError(
                f"strategy {name!r} does not fit a task of the kind {kind}", f"those that do: {fit}"
            )


def check(
    section: StrategySection,
    num_classes: int,
    code_paths: Sequence[Path],
    *,
    represented: bool,
    embeds: bool = True,
    kind: str = "single_label",
) -> str:
    """Build what the settings name and describe it in a few words.

    Raises:
        ModelError: it cannot be built, does not fit the kind of task, or lacks the representation
            or the embeddings that it needs.
    """
    create(section, num_classes, code_paths)
    refuse_unfit(section, kind)
    entry = STRATEGIES.get(section.name)
    if entry is not None and "representation" in entry.needs and not represented:
        raise ModelError(
            f"strategy {section.name!r} needs a representation of the texts, which the classifier "
            "has not",
            "use one of loopd's own classifiers, or another strategy",
        )
    by_embedding = section.options.get("space", "embedding") == "embedding"
    if entry is not None and "embed" in entry.needs and by_embedding and not embeds:
        raise ModelError(
            f"strategy {section.name!r} needs embeddings, and the classifier has no method `embed`",
            "set `strategy.name: margin`, or give the classifier that method",
        )
    cold = cold_start(section, lambda: represented)
    create(cold, num_classes, code_paths)
    refuse_unfit(cold, kind)
    return f"strategy {section.name}, cold start {cold.name}"


def _load(entry: Entry) -> type[object]:
    module_name, _, attribute = entry.path.partition(":")
    strategy_class: type[object] = getattr(importlib.import_module(module_name), attribute)
    return strategy_class


def _refuse_missing_packages(name: str, entry: Entry) -> None:
    if "hnswlib" in entry.needs and importlib.util.find_spec("hnswlib") is None:
        raise ModelError(f"strategy {name!r} needs the package hnswlib", add_packages("hnswlib"))
    if "cleanlab" in entry.needs:
        multiannotator.require()


def _option_names(strategy_class: type[object], entry: Entry) -> Collection[str]:
    parameters = inspect.signature(strategy_class.__init__).parameters
    named = set(parameters) - {*_FROM_LOOPD, "kwargs", "args"}
    return named | set(_FOR_WRAPPERS) if entry.wraps else named


def _with_base(section: StrategySection, options: Options, num_classes: int) -> dict[str, object]:
    name = str(options.get("base", BASE))
    if name in STRATEGIES and STRATEGIES[name].wraps:
        raise ModelError(f"strategy {section.name!r} cannot have the base {name!r}", "nest once")
    inner = create(StrategySection(name=name, options=options.get("base_options", {})), num_classes)
    rest = {key: value for key, value in options.items() if key not in _FOR_WRAPPERS}
    return {**rest, "base_query_strategy": inner}


def _checked(name: str, build: object, options: Options) -> QueryStrategy:
    strategy = _call(name, build, options)
    if not isinstance(strategy, QueryStrategy) or not callable(strategy.query):
        raise ModelError(
            f"{name} is no query strategy: it has no method `query`",
            "write a class with query(clf, dataset, indices_unlabeled, indices_labeled, y, n=10)",
        )
    return strategy


def _call(name: str, build: object, options: Options) -> object:
    try:
        strategy: object = build(**options)  # type: ignore[operator] # of the user: it may be none
    except (LoopdError, KeyboardInterrupt):
        raise
    except BaseException as error:  # sys.exit() too
        reason = " ".join(str(error).split())
        raise ModelError(f"strategy {name!r} refuses its options: {reason}") from error
    return strategy
