"""How the answers of several annotators become one target for each record."""

from loopd.annotation.consensus.index import NOTHING, index_of, is_given
from loopd.annotation.consensus.resolving import (
    Consensus,
    ConsensusOptions,
    label_counts,
    majorities,
    resolve,
    targets,
)
from loopd.annotation.consensus.votes import (
    Ballots,
    Vote,
    answered,
    any_answered,
    ballots,
    discarded,
    given,
    labelled,
    outside,
    reacted,
    reactions,
    repeats,
    to_set_aside,
    unresolved,
)

__all__ = [
    "NOTHING",
    "Ballots",
    "Consensus",
    "ConsensusOptions",
    "Vote",
    "answered",
    "any_answered",
    "ballots",
    "discarded",
    "given",
    "index_of",
    "is_given",
    "label_counts",
    "labelled",
    "majorities",
    "outside",
    "reacted",
    "reactions",
    "repeats",
    "resolve",
    "targets",
    "to_set_aside",
    "unresolved",
]
