"""Owns how predictions on the test set become flat numbers; must not know the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeAlias

from loopd.errors import DataError
from loopd.records import JsonValue, Target
from loopd.tasks.task import Task

Confusion: TypeAlias = "tuple[tuple[str, str, int], ...]"
"""How often each true label (first) was taken for each label (second); no pair twice, none at 0."""


def measure(
    task: Task, gold: Sequence[Target], predicted: Sequence[Target]
) -> dict[str, JsonValue]:
    """Measure predictions as the kind of task demands.

    Args:
        task: kind and labels.
        gold: (n,) true targets.
        predicted: (n,) predicted targets, in the same order.

    Returns:
        The numbers of :func:`classification_metrics`, ``multi_label_metrics`` or
        ``entity_metrics``, and as ``metric`` the name of the one by which the kind is judged
        (absent for single label: it is ``accuracy``).

    Raises:
        DataError: there is nothing to measure on.
    """
    told: Any = (gold, predicted, task.labels)  # targets of the task's own kind
    match task.kind:
        case "multi_label":
            from loopd.evaluation.multi_label import multi_label_metrics

            return {"metric": task.metric, **multi_label_metrics(*told)}
        case "spans":
            from loopd.evaluation.entities import entity_metrics

            return {"metric": task.metric, **entity_metrics(*told)}
        case _:
            return dict(classification_metrics(*told))


def classification_metrics(
    gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]
) -> dict[str, float]:
    """Measure single-label predictions.

    Args:
        gold: (n,) true labels.
        predicted: (n,) predicted labels, in the same order.
        labels: all label names.

    Returns:
        ``accuracy`` with its 95 % Wilson interval ``accuracy_low`` and ``accuracy_high``
        (``scipy.stats.binomtest``), ``macro_f1`` over the labels that occur in either,
        ``test_size``, and ``f1.<label>`` for each label (0.0 for one that never occurs), all from
        scikit-learn.

    Raises:
        DataError: there is nothing to measure on.
    """
    from scipy.stats import binomtest
    from sklearn.metrics import f1_score

    if not gold or len(gold) != len(predicted):
        raise DataError(f"cannot compare {len(predicted)} predictions with {len(gold)} labels")
    right = sum(true == guess for true, guess in zip(gold, predicted, strict=True))
    interval = binomtest(right, len(gold)).proportion_ci(0.95, method="wilson")
    by_label = f1_score(gold, predicted, labels=list(labels), average=None, zero_division=0.0)
    occurring = sorted({*gold, *predicted})
    macro = f1_score(gold, predicted, labels=occurring, average="macro", zero_division=0.0)
    return {
        "accuracy": right / len(gold),
        "accuracy_low": float(interval.low),
        "accuracy_high": float(interval.high),
        "macro_f1": float(macro),
        "test_size": len(gold),
        **{f"f1.{label}": float(value) for label, value in zip(labels, by_label, strict=True)},
    }


def confusion(gold: Sequence[Target], predicted: Sequence[Target]) -> Confusion:
    """Pairs of true and predicted label with their counts, by name; empty but for single labels.

    Args:
        gold: (n,) true targets.
        predicted: (n,) predicted targets, in the same order.
    """
    pairs = Counter(
        (true, guess)
        for true, guess in zip(gold, predicted, strict=True)
        if isinstance(true, str) and isinstance(guess, str)
    )
    return tuple((*pair, pairs[pair]) for pair in sorted(pairs))
