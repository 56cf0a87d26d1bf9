"""Owns why a strategy asks for a record, in one sentence with the numbers that matter; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from loopd.learning.strategies.catalogue import STRATEGIES

LONGEST_LABEL = 40
"""Characters of a label that a sentence shows."""

AGAIN = "asks for a second opinion"
"""Why a record is shown once more."""

ANEW = "ranked anew: the model is unsure of its proposal"
"""Why a record that waits stands where it does, after a newer model has ranked it."""

AMONG_NEW = "one of the new texts, which get a share of the batch"
"""Why a record was chosen before others that the strategy may have wanted more."""

FOREIGN = ("likeliest",)
"""The numbers behind the choice of a strategy that is not loopd's."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a record when it is chosen, all of it from one model.

    Attributes:
        likeliest: the two likeliest labels with their probabilities; empty without a model, and for
            spans.
        similar: so many texts of the pool were looked at that are most like it; 0 for none.
        unlabelled: how many of them have no label.
        spans: probabilities of the spans that the model proposes; ``None`` where it proposes none.
    """

    likeliest: tuple[tuple[str, float], ...] = ()
    similar: int = 0
    unlabelled: int = 0
    spans: tuple[float, ...] | None = None


def words(strategy: str) -> str:
    """Why a strategy asks, without numbers; empty for one that is not loopd's.

    Args:
        strategy: as the journal has it: ``auto/margin`` where one has a choice of others.
    """
    entry = STRATEGIES.get(strategy.rpartition("/")[2])
    return "" if entry is None else entry.reason


def numbers(strategy: str) -> tuple[str, ...]:
    """What of an :class:`Evidence` a strategy's sentence tells."""
    entry = STRATEGIES.get(strategy.rpartition("/")[2])
    return FOREIGN if entry is None else entry.numbers


def sentence(strategy: str, evidence: Evidence, own: str = "") -> str:
    """Why a record is asked, such as ``unsure, and typical of other unsure texts: a 41 %, b 39 %``.

    Args:
        strategy: as the journal has it.
        evidence: about the record.
        own: words of a strategy that is not loopd's.
    """
    return told(words(strategy) or own, numbers(strategy), evidence)


def among_new(reason: str) -> str:
    """Why a record was chosen among the new texts, and why it and no other of these."""
    return "; ".join(part for part in (AMONG_NEW, reason) if part)


def is_among_new(reason: str) -> bool:
    """Whether a record with this reason was chosen among the new texts."""
    return reason.startswith(AMONG_NEW)


def told(reason: str, names: tuple[str, ...], evidence: Evidence) -> str:
    """A reason with those of the numbers that there are."""
    parts = [part for name in names if (part := _WORDS[name](evidence))]
    return ": ".join(part for part in (reason, ", ".join(parts)) if part)


def _likeliest(evidence: Evidence) -> str:
    return ", ".join(f"{_short(label)} {_percent(share)}" for label, share in evidence.likeliest)


def _unlabelled(evidence: Evidence) -> str:
    if not evidence.similar:
        return ""
    share = _percent(evidence.unlabelled / evidence.similar)
    return f"{share} of the {evidence.similar} most similar texts are unlabelled"


def _spans(evidence: Evidence) -> str:
    if evidence.spans is None:
        return ""
    if not evidence.spans:
        return "the model marks nothing"
    least = _percent(min(evidence.spans))
    if len(evidence.spans) == 1:
        return f"its only span has {least}"
    return f"the least sure of its {len(evidence.spans)} spans has {least}"


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


_WORDS: Mapping[str, Callable[[Evidence], str]] = {
    "likeliest": _likeliest,
    "unlabelled": _unlabelled,
    "spans": _spans,
}
"""How each kind of number is told."""
