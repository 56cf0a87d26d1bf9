"""Owns how the votes on one record are counted, equal or weighted, and who wins a tie; pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from loopd.annotation.consensus.votes import Vote
from loopd.records import Span, Target

Weight = Callable[[Vote], float]
"""How much a vote counts; above 0."""

EQUAL = 1e-9
"""Sums of weights that are closer than this are a tie."""


@dataclass(frozen=True, slots=True)
class VoteCount:
    """What the votes on one record say.

    Attributes:
        target: the winner.
        share: of the weight behind it in [0, 1]; of labels and spans the mean over all that
            anybody named, of the weight on the winning side.
        tied: whether a tie had to be settled.
    """

    target: Target
    share: float
    tied: bool


def one(vote: Vote) -> float:
    """Every vote counts the same."""
    del vote
    return 1.0


def count(votes: Sequence[Vote], labels: Sequence[str], weight: Weight = one) -> VoteCount:
    """Count the votes on one record.

    A label wins with the most weight. Of several labels or spans each wins for itself, with more
    than half of the weight: two that overlap never both do. A tie goes to the label whose first
    answer is the oldest, then to the alphabet; on a label or span of several to the oldest answer.

    Args:
        votes: at least one, in the order of their times.
        labels: all labels in the order of the configuration.
        weight: of a vote.
    """
    if isinstance(votes[0].target, str):
        return _one_label(votes, weight)
    return _parts(votes, labels, weight)


def leading(votes: Sequence[Vote], labels: Sequence[str]) -> list[Target]:
    """The targets that share the lead, where ties are not settled."""
    if not isinstance(votes[0].target, str):
        return [count(votes, labels).target]
    support = _support(votes, one)
    most = max(support.values())
    return [label for label, sum_ in support.items() if sum_ >= most - EQUAL]


def ordered(parts: set[str | Span], labels: Sequence[str]) -> Target:
    """Labels in the order of the configuration, spans by their start."""
    ranks = {label: number for number, label in enumerate(labels)}

    def rank(part: str | Span) -> tuple[int, int, int, str]:
        if isinstance(part, Span):
            return (0, part.start, part.end, part.label)
        return (0, ranks.get(part, len(ranks)), 0, part)

    return tuple(sorted(parts, key=rank))  # type: ignore[return-value] # all of one kind


def named(votes: Sequence[Vote]) -> list[str | Span]:
    """All labels or spans that anybody named, first come first."""
    return list(dict.fromkeys(chain.from_iterable(vote.target for vote in votes)))


def _one_label(votes: Sequence[Vote], weight: Weight) -> VoteCount:
    support = _support(votes, weight)
    most = max(support.values())
    tied = [label for label in support if support[label] >= most - EQUAL]
    winner = min(tied, key=lambda label: (_oldest(votes, label), label))
    return VoteCount(winner, most / sum(support.values()), len(tied) > 1)


def _support(votes: Sequence[Vote], weight: Weight) -> dict[str, float]:
    support: dict[str, float] = {}
    for vote in votes:
        label = str(vote.target)
        support[label] = support.get(label, 0.0) + weight(vote)
    return support


def _oldest(votes: Sequence[Vote], label: str) -> str:
    return min(vote.time for vote in votes if vote.target == label)


def _parts(votes: Sequence[Vote], labels: Sequence[str], weight: Weight) -> VoteCount:
    whole = sum(weight(vote) for vote in votes)
    won, sides, tied = set(), [], False
    for part in named(votes):
        behind = sum(weight(vote) for vote in votes if part in vote.target)
        even = abs(2 * behind - whole) <= EQUAL
        if part in votes[0].target if even else 2 * behind > whole:
            won.add(part)
        tied = tied or even
        sides.append(max(behind, whole - behind) / whole)
    share = sum(sides) / len(sides) if sides else 1.0
    if not won and _all_named_labels(votes):
        won, tied = _favourites(votes, weight), True
    return VoteCount(ordered(won, labels), share, tied)


def _all_named_labels(votes: Sequence[Vote]) -> bool:
    """Whether everybody ticked some label: that none applies is then nobody's opinion."""
    return all(vote.target and not isinstance(vote.target[0], Span) for vote in votes)


def _favourites(votes: Sequence[Vote], weight: Weight) -> set[str | Span]:
    """Of the labels with most support those of the oldest answer; all of them if it has none."""
    support = {
        part: sum(weight(vote) for vote in votes if part in vote.target) for part in named(votes)
    }
    most = max(support.values())
    best = {part for part, sum_ in support.items() if sum_ >= most - EQUAL}
    return best & {*votes[0].target} or best
