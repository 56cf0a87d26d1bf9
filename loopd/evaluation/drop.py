"""Owns whether a model is worse on texts that joined the pool than on those before; pure.

It may be looked at after every label. Must not know which texts these are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from loopd.evaluation.shift import Likeness, level
from loopd.records import JsonValue

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Judged:
    """Labelled random draws, and how many of them the model got right."""

    right: int
    total: int

    @property
    def share(self) -> float:
        """Of the right ones; there is at least one draw."""
        return self.right / self.total


@dataclass(frozen=True, slots=True)
class Drop:
    """Whether the model is worse on texts that came late.

    Attributes:
        before: draws of the texts before, and what the model of the day of the intake says of them.
        after: draws of later texts; each is judged by the first model after its label came.
        evidence: how much likelier two accuracies make all this than any single one, as a bet that
            pays nothing on average without a difference (an e-value).
        level: the bet must have paid 1 / level.
    """

    before: Judged
    after: Judged
    evidence: float
    level: float

    @property
    def interval(self) -> Interval:
        """Of the accuracy on later texts; with 95 % right at all times together."""
        return sequence(self.after)

    @property
    def is_drop(self) -> bool:
        """Whether the model is worse on later texts, beyond luck."""
        is_lower = self.after.share < self.before.share
        return is_lower and self.evidence >= 1 / self.level


def drop(before: Judged, after: Judged, *, intake: int) -> Drop | None:
    """Compare the model's accuracy on texts from an intake on with that before.

    It may be looked at after every label: at all times together the probability of a false alarm
    is at most ``level(intake)``, as long as the accuracy is the same on both sides. One that grows
    with the model's labels is measured later on the new side, which works against an alarm.

    The evidence is the likelihood of both sides under a mixture of accuracies (Jeffreys' prior), in
    relation to the largest likelihood with one accuracy for both. Under any such accuracy it is at
    most a martingale that begins at 1, and so is ever above 1 / level with probability level at
    most (Ville 1939; Wasserman, Ramdas and Balakrishnan 2020, "Universal inference").

    Args:
        before, after: counts of either side.
        intake: number of the intake, from 1.

    Returns:
        The comparison; ``None`` as long as a side has no labelled draw.
    """
    if not before.total or not after.total:
        return None
    both = Judged(before.right + after.right, before.total + after.total)
    log_evidence = _mixed(before) + _mixed(after) - _likelihood(both, both.share)
    return Drop(before, after, math.exp(min(log_evidence, 700.0)), level(intake))


def sequence(judged: Judged, error: float = 0.05) -> Interval:
    """A confidence sequence of an accuracy: intervals that hold at all times together.

    It holds the accuracies against which the same mixture has not gained 1 / error (Robbins 1970;
    Howard, Ramdas, McAuliffe and Sekhon 2021, "Time-uniform, nonparametric, nonasymptotic
    confidence sequences").

    Args:
        judged: the draws so far.
        error: probability that it is ever wrong.
    """
    if not judged.total:
        return 0.0, 1.0
    least = _mixed(judged) + math.log(error)

    def edge(outside: float) -> float:
        inside = judged.share
        for _ in range(50):  # halves the step to less than what a double can tell
            middle = (inside + outside) / 2
            if _likelihood(judged, middle) > least:
                inside = middle
            else:
                outside = middle
        return outside

    return edge(0.0), edge(1.0)


def _mixed(judged: Judged) -> float:
    """Logarithm of the likelihood under Jeffreys' mixture of accuracies."""
    wrong = judged.total - judged.right
    return (
        math.lgamma(judged.right + 0.5)
        + math.lgamma(wrong + 0.5)
        - math.lgamma(judged.total + 1)
        - math.log(math.pi)
    )


def _likelihood(judged: Judged, accuracy: float) -> float:
    """Logarithm of the likelihood of one accuracy."""
    counts = ((judged.right, accuracy), (judged.total - judged.right, 1 - accuracy))
    if any(count and share <= 0 for count, share in counts):
        return -math.inf
    return sum(count * math.log(share) for count, share in counts if count)


def figures(look: Likeness | None, drop: Drop | None, late: int = 0) -> dict[str, JsonValue]:
    """What was measured after an intake, as flat numbers; what is unknown is left out.

    ``metrics_log.shift.KEYS`` describes them.

    Args:
        look: at the vectors of the newest texts.
        drop: of the model's accuracy.
        late: texts for which its later draws stand.
    """
    told: dict[str, JsonValue] = {}
    if look is not None:
        told |= {
            "shift.new": look.new,
            "shift.auc": look.auc,
            "shift.auc_low": look.low,
            "shift.auc_high": look.high,
            "shift.unlike": int(look.is_shift),
        }
    if drop is not None:
        told |= {
            "shift.late": late,
            "shift.draws": drop.after.total,
            "shift.accuracy": drop.after.share,
            "shift.accuracy_low": drop.interval[0],
            "shift.accuracy_high": drop.interval[1],
            "shift.accuracy_before": drop.before.share,
            "shift.worse": int(drop.is_drop),
        }
    return told
