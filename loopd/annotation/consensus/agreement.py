"""Owns how far annotators agree, with each other and with the rest; pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from loopd.annotation.consensus.majority import leading
from loopd.annotation.consensus.votes import Ballots, Vote
from loopd.records import Span, Target

SMOOTHING = 5.0
"""Records of average agreement that each annotator is credited with: three answers prove little."""

BLOCK = 512
"""Different sets of labels that are compared with all others at a time."""


Alike = Callable[[Target, Target], float]
"""How far two targets agree, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far votes agree on records that have at least two.

    Attributes:
        pairs: mean over these records of the similarity of two votes, ``None`` without any.
        alpha: Krippendorff's alpha, 1 for full agreement and 0 for chance; ``None`` where there
            is nothing to agree on, and for spans, which other texts say nothing about.
        disputed: records on which two people differ.
    """

    pairs: float | None
    alpha: float | None
    disputed: int


def similarity(one: Target, other: Target) -> float:
    """1 for the same, 0 for nothing in common; of several labels or spans the Jaccard index."""
    if isinstance(one, str) or isinstance(other, str):
        return float(one == other)
    both: set[str | Span] = {*one, *other}
    return len({*one} & {*other}) / len(both) if both else 1.0


def agreement(ballots: Ballots) -> Agreement:
    """Agreement over all records.

    Source of alpha: Krippendorff, *Content Analysis*, 3rd ed. 2013, chapter 12, with one minus the
    similarity as distance.
    """
    shared = [votes for votes in ballots.values() if len(votes) > 1]
    if not shared:
        return Agreement(None, None, 0)
    means = [_mean_pair(votes) for votes in shared]
    disputed = sum(len({vote.target for vote in votes}) > 1 for votes in shared)
    return Agreement(sum(means) / len(means), _alpha(shared, means), disputed)


def against_the_rest(ballots: Ballots, labels: Sequence[str]) -> dict[str, float]:
    """How often each annotator agrees with the majority of the others, smoothed towards the mean.

    An annotator who never met another one has the mean; without any record that two people answered
    it is empty.

    Args:
        ballots: the votes.
        labels: all labels in the order of the configuration.
    """
    return smoothed(meetings(ballots, labels), ballots)


def meetings(
    ballots: Ballots, labels: Sequence[str], alike: Alike = similarity
) -> dict[str, tuple[float, int]]:
    """How often each annotator who met others agreed with their majority, and how often they met.

    Where the others are at a tie, agreeing with one side of it counts in part.

    Args:
        ballots: the votes.
        labels: all labels in the order of the configuration.
        alike: how far two targets agree, from 0 to 1.
    """
    agreed: dict[str, float] = defaultdict(float)
    met: Counter[str] = Counter()
    for votes in ballots.values():
        for vote in votes if len(votes) > 1 else ():
            others = [other for other in votes if other is not vote]
            best = leading(others, labels)
            agreed[vote.annotator] += sum(alike(vote.target, target) for target in best) / len(best)
            met[vote.annotator] += 1
    return {person: (agreed[person], met[person]) for person in sorted(met)}


def smoothed(met: Mapping[str, tuple[float, int]], ballots: Ballots) -> dict[str, float]:
    """Shares of the meetings, smoothed towards their mean; of those who met nobody the mean."""
    if not met:
        return {}
    mean = sum(agreed for agreed, _ in met.values()) / sum(number for _, number in met.values())
    people = sorted({vote.annotator for votes in ballots.values() for vote in votes})
    return {
        person: (agreed + SMOOTHING * mean) / (number + SMOOTHING)
        for person, (agreed, number) in ((person, met.get(person, (0.0, 0))) for person in people)
    }


def _mean_pair(votes: Sequence[Vote]) -> float:
    """Mean similarity of two votes; those on the same target are counted at once."""
    counts = Counter(vote.target for vote in votes)
    same = sum(count * (count - 1) for count in counts.values())
    return (same + _across(counts, counts)) / (len(votes) * (len(votes) - 1))


def _across(counts: Mapping[Target, int], other: Mapping[Target, int]) -> float:
    """Summed similarity of all ordered pairs of different targets."""
    return sum(
        count * others * similarity(target, another)
        for target, count in counts.items()
        for another, others in other.items()
        if target != another and not isinstance(target, str)
    )


def _across_all(times: Mapping[Target, int]) -> float:
    """The same for thousands of different sets of labels: block by block, as arrays."""
    sets = {target: count for target, count in times.items() if not isinstance(target, str)}
    if not sets:
        return 0.0
    import numpy as np

    columns = {
        label: index
        for index, label in enumerate(sorted({str(label) for target in sets for label in target}))
    }
    holds = np.zeros((len(sets), max(1, len(columns))), dtype=np.float32)
    for row, target in enumerate(sets):
        holds[row, [columns[str(label)] for label in target]] = 1
    sizes, counts = holds.sum(axis=1), np.array([*sets.values()], dtype=np.float64)
    total = 0.0
    for start in range(0, len(sets), BLOCK):
        part = slice(start, start + BLOCK)
        both = holds[part] @ holds.T
        either = np.maximum(sizes[part, None] + sizes - both, 1)
        total += float(counts[part] @ (both / either) @ counts)
    # Each set meets itself above; the empty one shares nothing even with itself there.
    return total - float((counts[sizes > 0] ** 2).sum())


def _alpha(shared: Sequence[Sequence[Vote]], means: Sequence[float]) -> float | None:
    counts = Counter(vote.target for votes in shared for vote in votes)
    if any(isinstance(part, Span) for target in counts for part in target):
        return None
    whole = sum(counts.values())
    observed = sum(len(votes) * (1 - mean) for votes, mean in zip(shared, means, strict=True))
    same = sum(count * (count - 1) for count in counts.values())
    expected = 1 - (same + _across_all(counts)) / (whole * (whole - 1))
    return 1 - observed / whole / expected if expected > 0 else None
