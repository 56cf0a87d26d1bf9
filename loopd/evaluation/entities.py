"""Owns how predicted spans on the test set become flat numbers; must not know the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from loopd.errors import DataError, ModelError
from loopd.installation import add_extra
from loopd.records import Span

RESAMPLES = 1000
"""Bootstrap samples of the texts behind the interval of F1."""

SEED = 0
"""Of the bootstrap: the same predictions have the same interval."""

Spans = Sequence[tuple[Span, ...]]
Counts = NDArray[np.int64]


def entity_metrics(gold: Spans, predicted: Spans, labels: Sequence[str]) -> dict[str, float]:
    """Measure predicted spans; one is right if start, end and label are.

    Args:
        gold: (n,) true spans of each text, none overlapping another.
        predicted: (n,) predicted ones, in the same order.
        labels: all label names.

    Returns:
        ``precision``, ``recall`` and ``f1`` over all spans (micro) with the interval ``f1_low`` and
        ``f1_high`` (95 % percentiles of a bootstrap over texts), ``macro_f1`` over the labels that
        occur in either, ``f1.<label>`` (0.0 for one that never occurs), ``accuracy``, the share of
        texts with exactly the true spans, with its Wilson interval ``accuracy_low`` and
        ``accuracy_high``, and ``test_size``. All F1 are seqeval's, strict; they are 0.0 where there
        are no spans at all.

    Raises:
        DataError: there is nothing to measure on, or spans overlap.
        ModelError: seqeval is not installed.
    """
    from scipy.stats import binomtest

    if not gold or len(gold) != len(predicted):
        raise DataError(f"cannot compare {len(predicted)} predictions with {len(gold)} texts")
    right = sum(set(true) == set(guess) for true, guess in zip(gold, predicted, strict=True))
    interval = binomtest(right, len(gold)).proportion_ci(0.95, method="wilson")
    (precision, recall, f1), f1_by_label = _by_seqeval(gold, predicted)
    low, high = _bootstrapped(_counts(gold, predicted))
    return {
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "f1_low": low,
        "f1_high": high,
        "macro_f1": float(np.mean([*f1_by_label.values()])) if f1_by_label else 0.0,
        "accuracy": right / len(gold),
        "accuracy_low": float(interval.low),
        "accuracy_high": float(interval.high),
        "test_size": len(gold),
        **{f"f1.{label}": f1_by_label.get(label, 0.0) for label in labels},
    }


def _by_seqeval(
    gold: Spans, predicted: Spans
) -> tuple[tuple[float, float, float], dict[str, float]]:
    """Micro precision, recall and F1, and the F1 of each label that occurs in either.

    Source: Nakayama 2018, seqeval, in strict mode.
    """
    try:
        from seqeval.metrics.v1 import precision_recall_fscore_support
        from seqeval.scheme import IOB2
    except ImportError as error:
        raise ModelError(
            "spans are measured with the package seqeval, which is not installed",
            add_extra("spans"),
        ) from error

    occurring = sorted({span.label for spans in (*gold, *predicted) for span in spans})
    if not occurring:
        return (0.0, 0.0, 0.0), {}
    # seqeval strips hyphens off label names and sorts them as strings: numbers are safe.
    names = {label: f"{index:06d}" for index, label in enumerate(occurring)}
    pairs = [_as_tags(*pair, names) for pair in zip(gold, predicted, strict=True)]
    true, guessed = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    options = {"scheme": IOB2, "zero_division": 0}
    micro = precision_recall_fscore_support(true, guessed, average="micro", **options)
    by_label = precision_recall_fscore_support(true, guessed, average=None, **options)[2]
    precision, recall, f1 = (float(value) for value in micro[:3])
    return (precision, recall, f1), dict(zip(occurring, map(float, by_label), strict=True))


def _as_tags(
    gold: Sequence[Span], predicted: Sequence[Span], names: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """IOB2 tags of the pieces into which the borders of both cut a text.

    Two spans have the same pieces if and only if they have the same characters.
    """
    cuts = sorted({border for span in (*gold, *predicted) for border in span[:2]})
    piece = {start: number for number, start in enumerate(cuts)}

    def tags(spans: Sequence[Span]) -> list[str]:
        by_piece = ["O"] * len(cuts)
        for start, end, label in spans:
            inside = range(piece[start], piece[end])
            if any(by_piece[index] != "O" for index in inside):
                raise DataError(f"span {start}-{end} ({label}) overlaps another of its text")
            for index in inside:
                by_piece[index] = ("B-" if index == piece[start] else "I-") + names[label]
        return by_piece

    return tags(gold), tags(predicted)


def _counts(gold: Spans, predicted: Spans) -> Counts:
    """Spans that are right, predicted and true of each text (n, 3)."""
    return np.array(
        [
            (len(set(true) & set(guess)), len(guess), len(true))
            for true, guess in zip(gold, predicted, strict=True)
        ],
        dtype=np.int64,
    )


def _bootstrapped(counts: Counts) -> tuple[float, float]:
    """95 % percentile interval of F1 (Efron 1979), the texts drawn with replacement."""
    rng = np.random.default_rng(SEED)
    f1 = np.empty(RESAMPLES)
    for sample in range(RESAMPLES):
        right, guessed, true = counts[rng.integers(len(counts), size=len(counts))].sum(axis=0)
        f1[sample] = 2 * right / max(guessed + true, 1)
    low, high = np.percentile(f1, [2.5, 97.5])
    return float(low), float(high)
