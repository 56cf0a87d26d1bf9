"""Owns the stopping criteria and the encoding of the predictions they replay; keeps no history.

small-text's criteria remember what they saw and count every call. Here each is built anew and shown
as much of the history as it remembers, so that a run that was interrupted gets the verdicts of one
that was not, and an old run does not pay for its age.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopd.config import CriterionSection
from loopd.errors import ConfigError, JournalError
from loopd.records import JsonValue

Predictions = NDArray[np.int64]

CLASSES: Mapping[str, str] = {
    "kappa_average": "KappaAverage",
    "delta_f_score": "DeltaFScore",
    "classification_change": "ClassificationChange",
    "overall_uncertainty": "OverallUncertainty",
    "max_iterations": "MaxIterations",
}
"""small-text's class of each criterion."""

BINARY_ONLY = ("delta_f_score",)

WINDOWED = ("kappa_average", "delta_f_score")
"""Criteria that compare each of the last rounds with the one before it."""


def evaluate_criteria(
    criteria: Sequence[CriterionSection],
    history: Sequence[str],
    proba: NDArray[np.floating[Any]],
    stop_sets: Sequence[Sequence[str]] = (),
) -> tuple[dict[str, dict[str, JsonValue]], str]:
    """Replay every criterion over what it remembers of the history, and the present round.

    Args:
        criteria: which criteria, with small-text's keyword arguments as options.
        history: what this function returned second in each earlier round, oldest first.
        proba: (n, C) probabilities on the stop set.
        stop_sets: ids of its texts after each intake of the pool, where it changes with these; the
            last has n. Rounds are then compared on the texts that all of them looked at.

    Returns:
        By criterion ``{"value": number or None, "stop": verdict of small-text}``, with a ``reason``
        where the criterion cannot be computed; and the present round, encoded for the next replay.
        The values are: mean kappa within the window, largest change of the F-score within the
        window, share of changed predictions, mean normalised entropy, number of rounds.

    Raises:
        ConfigError: options that small-text refuses.
        JournalError: what is replayed of the history cannot be read.
    """
    exact = np.asarray(proba, dtype=np.float64)
    present = exact.argmax(axis=1)
    verdicts: dict[str, dict[str, JsonValue]] = {
        criterion.name: _evaluate(criterion, history, present, exact, stop_sets)
        for criterion in criteria
    }
    return verdicts, encode(present, len(stop_sets))


def check_criteria(criteria: Sequence[CriterionSection], num_classes: int) -> None:
    """Build every criterion once.

    Raises:
        ConfigError: options that small-text refuses, or a criterion for two labels with more.
    """
    for criterion in criteria:
        if criterion.name in BINARY_ONLY and num_classes != 2:
            raise ConfigError(
                f"stopping criterion {criterion.name} needs two labels, not {num_classes}",
                "use kappa_average or classification_change",
            )
        _build(criterion, num_classes)


def encode(predictions: Predictions, intakes: int = 1) -> str:
    """Class numbers (n,) as compact text, with the intakes that the pool had if there were more."""
    kind = np.dtype(np.uint8 if predictions.size == 0 or predictions.max() < 256 else "<u2")
    packed = zlib.compress(predictions.astype(kind).tobytes(), 9)
    grown = [intakes] if intakes > 1 else []
    return json.dumps([kind.itemsize, base64.b64encode(packed).decode("ascii"), *grown])


def decode(text: str) -> Predictions:
    """The class numbers that ``encode`` wrote.

    Raises:
        JournalError: the text is something else.
    """
    try:
        size, packed, *_ = json.loads(text)
        raw = zlib.decompress(base64.b64decode(packed, validate=True))
        return np.frombuffer(raw, dtype={1: "u1", 2: "<u2"}[size]).astype(np.int64)
    except (ValueError, KeyError, TypeError, zlib.error):
        raise JournalError("the journal's stop-set predictions cannot be read") from None


@dataclass(frozen=True)
class _Seen:
    """What a criterion was shown, and the criterion itself afterwards.

    ``last`` are the predictions of the round before, ``None`` in the first.
    """

    criterion: Any
    last: Predictions | None
    present: Predictions
    proba: NDArray[np.float64]
    rounds: int


def _evaluate(
    section: CriterionSection,
    history: Sequence[str],
    present: Predictions,
    proba: NDArray[np.float64],
    stop_sets: Sequence[Sequence[str]],
) -> dict[str, JsonValue]:
    num_classes = proba.shape[1]
    if section.name in BINARY_ONLY and num_classes != 2:
        return {"value": None, "stop": False, "reason": "only for two labels"}
    criterion = _build(section, num_classes)
    memory = _memory(section.name, criterion)
    if len(stop_sets) > 1:
        earlier, rows = _shared(history, memory, stop_sets)
        present, proba = present[rows], proba[rows]
    else:
        earlier = _latest(history, len(present), memory)
    with np.errstate(invalid="ignore"):  # DeltaFScore divides 0 by 0 without any positive
        for predictions in earlier:
            criterion.stop(predictions=predictions)
        if section.name == "max_iterations":
            _count(criterion, len(history))
        stop = criterion.stop(
            predictions=present, proba=proba, indices_stopping=np.arange(len(present))
        )
    last = earlier[-1] if earlier else None
    value = _VALUES[section.name](_Seen(criterion, last, present, proba, len(history) + 1))
    return {"value": value if value is None or np.isfinite(value) else None, "stop": bool(stop)}


def _memory(name: str, criterion: Any) -> int | None:
    """How many earlier rounds have a part in a criterion's value and verdict, ``None`` for all."""
    if name not in WINDOWED:
        return 1 if name == "classification_change" else 0
    window: int = criterion.window_size
    return window if window > 0 else None


def _latest(history: Sequence[str], size: int, most: int | None) -> list[Predictions]:
    """The latest rounds in a row with a stop set of that size: a changed one starts afresh."""
    latest: list[Predictions] = []
    for text in reversed(history):
        if len(latest) == most:
            break
        predictions = decode(text)
        if len(predictions) != size:
            break
        latest.append(predictions)
    return latest[::-1]


def _shared(
    history: Sequence[str], most: int | None, stop_sets: Sequence[Sequence[str]]
) -> tuple[list[Predictions], NDArray[np.int64]]:
    """The latest rounds that share at least half of the stop set, and the rows that all have."""
    present = stop_sets[-1]
    shared, rounds = frozenset(present), list[dict[str, int]]()
    for text in reversed(history):
        ids = stop_sets[min(_intakes(text), len(stop_sets)) - 1]
        predictions, left = decode(text), shared.intersection(ids)
        if len(rounds) == most or len(predictions) != len(ids) or 2 * len(left) < len(present):
            break
        shared = left
        rounds.append(dict(zip(ids, predictions.tolist(), strict=True)))
    rows = [row for row, id_ in enumerate(present) if id_ in shared]
    earlier = [np.array([labels[present[row]] for row in rows]) for labels in reversed(rounds)]
    return earlier, np.array(rows, dtype=np.int64)


def _intakes(text: str) -> int:
    """How many intakes the pool had in the round that ``encode`` wrote."""
    return int((*json.loads(text), 1)[2])


def _count(criterion: Any, rounds: int) -> None:
    """Let a criterion that only counts its calls count these."""
    for _ in range(rounds):
        criterion.stop(predictions=None)


def _build(section: CriterionSection, num_classes: int) -> Any:
    import small_text

    options = dict(section.options)
    if section.name != "max_iterations":
        options["num_classes"] = num_classes
    try:
        return getattr(small_text, CLASSES[section.name])(**options)
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"stopping criterion {section.name}: {reason}") from None


def _mean_kappa(seen: _Seen) -> float | None:
    kappas = seen.criterion.kappa_history
    return float(np.mean(kappas)) if kappas else None


def _largest_change(seen: _Seen) -> float | None:
    changes = seen.criterion.delta_history
    return float(np.max(changes)) if changes else None


def _changed_share(seen: _Seen) -> float | None:
    return None if seen.last is None else float(np.mean(seen.last != seen.present))


def _mean_entropy(seen: _Seen) -> float:
    from scipy.stats import entropy

    return float(np.mean(entropy(seen.proba, axis=1)) / np.log(seen.proba.shape[1]))


def _rounds(seen: _Seen) -> float:
    return float(seen.rounds)


_VALUES: Mapping[str, Callable[[_Seen], float | None]] = {
    "kappa_average": _mean_kappa,
    "delta_f_score": _largest_change,
    "classification_change": _changed_share,
    "overall_uncertainty": _mean_entropy,
    "max_iterations": _rounds,
}
