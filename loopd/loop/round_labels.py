"""Owns the labels of a round: votes and the learner's predictions in, consensus out.

Must not change anything. What it remembers is only a short cut: the steps of a round ask for the
same labels one after the other, and a process that was killed between them gets them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from loopd.annotation.consensus import Ballots, Consensus, ConsensusOptions, ballots, resolve
from loopd.learning.seeding import for_step
from loopd.loop.audit_draws import held_out
from loopd.loop.classifier_in_use import learner_of
from loopd.machine import State
from loopd.records import PoolId, Span, Target, Targets

if TYPE_CHECKING:
    from loopd.loop.tools import Tools


class LabelResolver:
    """Counts the votes of a state."""

    def __init__(self) -> None:
        self._last: tuple[State, Consensus] | None = None

    def consensus(self, state: State, tools: Tools) -> Consensus:
        """What the votes say, as the configuration wants them counted.

        Raises:
            ModelError, Interrupted, StorageError: as the learner's ``out_of_fold``, which only
                ``consensus.strategy: crowdlab`` asks.
        """
        if self._last is None or not _same_votes(self._last[0], state):
            self._last = state, self._counted(state, tools)
        return self._last[1]

    def _counted(self, state: State, tools: Tools) -> Consensus:
        def predict(majority: Targets) -> Mapping[PoolId, Any] | None:
            learner = learner_of(state, tools)
            if not learner.can_fit(majority):
                return None
            return learner.out_of_fold(state.round, majority, tools.config.consensus.folds)

        consensus_options = ConsensusOptions(
            strategy=tools.config.consensus.strategy,
            labels=tools.config.task.labels,
            seed=for_step(tools.config.run.seed, state.round, "consensus"),
            predict=predict,
            held_out=held_out(state, tools.config.audit.share),
        )
        return resolve(votes(state, tools), consensus_options)


def votes(state: State, tools: Tools) -> Ballots:
    """The votes that count, by pool id."""
    another = tools.config.relabel.another_person
    by_record = ballots(state, tools.task.target, another_person=another)
    if tools.task.kind != "spans":
        return by_record
    # Somebody may have changed the text in Argilla, where it can be longer than here.
    fitting = {
        id_: tuple(vote for vote in votes if _fits(vote.target, tools.data.pool[id_].text))
        for id_, votes in by_record.items()
    }
    return {id_: votes for id_, votes in fitting.items() if votes}


def _fits(target: Target, text: str) -> bool:
    """Whether all spans lie inside the text."""
    return all(span.end <= len(text) for span in target if isinstance(span, Span))


def _same_votes(one: State, other: State) -> bool:
    """Whether two states hold the same answers in the same round under the same configuration."""
    return (
        one.answers is other.answers
        and one.deleted == other.deleted
        and one.batches is other.batches
        and one.config_digest == other.config_digest
    )
