"""Owns how predictions on the test set become flat numbers; must not know the model."""

from __future__ import annotations

from collections.abc import Sequence

from loopd.errors import DataError


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
    right = sum(known == guess for known, guess in zip(gold, predicted, strict=True))
    interval = binomtest(right, len(gold)).proportion_ci(0.95, method="wilson")
    each = f1_score(gold, predicted, labels=list(labels), average=None, zero_division=0.0)
    occurring = sorted({*gold, *predicted})
    macro = f1_score(gold, predicted, labels=occurring, average="macro", zero_division=0.0)
    return {
        "accuracy": right / len(gold),
        "accuracy_low": float(interval.low),
        "accuracy_high": float(interval.high),
        "macro_f1": float(macro),
        "test_size": len(gold),
        **{f"f1.{label}": float(value) for label, value in zip(labels, each, strict=True)},
    }
