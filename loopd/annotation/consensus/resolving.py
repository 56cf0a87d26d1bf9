"""Owns the choice of a consensus strategy and what it reports; pure but for the predictions asked.

The result depends on its arguments alone: the steps of a round, and a daemon that was killed
between them, see the same labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from loopd.annotation.consensus.agreement import Agreement, against_the_rest, agreement
from loopd.annotation.consensus.majority import VoteCount, count
from loopd.annotation.consensus.votes import Ballots, Read, as_given, iter_ballots
from loopd.annotation.consensus.weighted import weighted
from loopd.machine import State
from loopd.records import JsonValue, PoolId, Target, Targets

NAMED_ANNOTATORS = 20
"""Up to so many annotators have a quality of their own in the figures."""

Predict = Callable[[Targets], "Mapping[PoolId, Any] | None"]
"""Out-of-sample probabilities (C,) of each labelled record; ``None`` if no model can be trained."""


@dataclass(frozen=True, slots=True)
class ConsensusOptions:
    """How votes are counted.

    Attributes:
        strategy: ``majority``, ``weighted``, ``crowdlab`` or ``dawid_skene``.
        labels: all labels in the order of the configuration.
        seed: for ties that nothing else breaks.
        predict: asked by ``crowdlab`` alone, with the majority's labels.
        held_out: records that test models: what is predicted neither learns from them nor has a
            say in their labels, which are the majority's.
    """

    strategy: str
    labels: tuple[str, ...]
    seed: int
    predict: Predict
    held_out: frozenset[PoolId] = frozenset()


@dataclass(frozen=True, slots=True)
class Consensus:
    """What the votes say of all records that have any.

    Attributes:
        targets: by record id, ids in order.
        quality: how likely each is right, or the share of votes behind it, by record id.
        annotators: quality of each annotator in [0, 1]; empty as long as no two people met.
        votes: how many votes count.
        people: how many people have a vote.
        ties: records on which a tie was settled.
        agreement: of the annotators with each other.
    """

    targets: Targets
    quality: Mapping[PoolId, float]
    annotators: Mapping[str, float]
    votes: int
    people: int
    ties: int
    agreement: Agreement = field(default_factory=lambda: Agreement(None, None, 0))

    def figures(self) -> dict[str, JsonValue]:
        """Flat numbers for the journal, rounded; of many annotators only a summary."""
        rounded: dict[str, JsonValue] = {"annotations": self.votes, "annotators": self.people}
        figures: dict[str, float | None] = {
            "consensus.ties": self.ties,
            "consensus.disputed": self.agreement.disputed,
            "consensus.agreement": self.agreement.pairs,
            "consensus.alpha": self.agreement.alpha,
        }
        if self.quality:
            figures["consensus.quality"] = sum(self.quality.values()) / len(self.quality)
        if self.annotators:
            figures["annotators.lowest_quality"] = min(self.annotators.values())
            figures["annotators.median_quality"] = median(self.annotators.values())
        if len(self.annotators) <= NAMED_ANNOTATORS:
            for person, quality in sorted(self.annotators.items()):
                figures[f"annotators.{person}.quality"] = quality
        rounded |= {name: round(value, 4) for name, value in figures.items() if value is not None}
        return rounded


def resolve(ballots: Ballots, consensus_options: ConsensusOptions) -> Consensus:
    """One target for each record that has votes.

    Args:
        ballots: the votes.
        consensus_options: how they are counted.

    Raises:
        ModelError: ``crowdlab`` without cleanlab, or as the predictions do.
    """
    tallies, annotators = _counted(ballots, consensus_options)
    return Consensus(
        targets={id_: tally.target for id_, tally in tallies.items()},
        quality={id_: tally.share for id_, tally in tallies.items()},
        annotators=annotators,
        votes=sum(len(votes) for votes in ballots.values()),
        people=len({vote.annotator for votes in ballots.values() for vote in votes}),
        ties=sum(tally.tied for tally in tallies.values()),
        agreement=agreement(ballots),
    )


def targets(
    state: State, read: Read = as_given, *, labels: tuple[str, ...] = ()
) -> dict[PoolId, Target]:
    """The majority's target of each record that is published or came with answers, and present."""
    return dict(sorted(majorities(state, read, labels=labels)))


def majorities(
    state: State, read: Read = as_given, *, labels: tuple[str, ...] = ()
) -> Iterator[tuple[PoolId, Target]]:
    """The same one by one, in no order, for callers that may stop early."""
    return ((id_, count(votes, labels).target) for id_, votes in iter_ballots(state, read))


def label_counts(labels: Targets) -> dict[str, int]:
    """How often each label occurs, by name; of several labels or spans each counts."""
    counts: Counter[str] = Counter()
    for target in labels.values():
        parts = (target,) if isinstance(target, str) else target
        counts.update(part if isinstance(part, str) else part.label for part in parts)
    return dict(sorted(counts.items()))


def _counted(
    ballots: Ballots, consensus_options: ConsensusOptions
) -> tuple[dict[PoolId, VoteCount], dict[str, float]]:
    labels = consensus_options.labels
    match consensus_options.strategy:
        case "weighted":
            return weighted(ballots, labels)
        case "dawid_skene":
            from loopd.annotation.consensus.dawid_skene import dawid_skene

            return dawid_skene(ballots, labels)
        case "crowdlab":
            return _crowdlab(ballots, consensus_options)
        case _:
            return _majority(ballots, labels), against_the_rest(ballots, labels)


def _majority(ballots: Ballots, labels: tuple[str, ...]) -> dict[PoolId, VoteCount]:
    return {id_: count(votes, labels) for id_, votes in ballots.items()}


def _crowdlab(
    ballots: Ballots, consensus_options: ConsensusOptions
) -> tuple[dict[PoolId, VoteCount], dict[str, float]]:
    """CROWDLAB; the majority of what is held out, and of all as long as CROWDLAB knows nothing.

    It knows nothing where no two people met, where no model can be trained yet, and where it
    foretells people's answers worse than the majority does.
    """
    labels, held_out = consensus_options.labels, consensus_options.held_out
    majority = _majority(ballots, labels)
    taught = {id_: votes for id_, votes in ballots.items() if id_ not in held_out}
    proba = None
    if any(len(votes) > 1 for votes in taught.values()):
        proba = consensus_options.predict({id_: majority[id_].target for id_ in taught})
    counted = None
    if proba is not None:
        from loopd.annotation.consensus.crowdlab import crowdlab

        counted = crowdlab(taught, labels, proba, consensus_options.seed)
    if counted is None:
        return majority, against_the_rest(ballots, labels)
    tallies, annotators = counted
    return majority | tallies, annotators
