"""How the answers of several annotators become one target for each record."""

from loopd.annotation.consensus.resolving import (
    Consensus,
    Electorate,
    label_counts,
    resolve,
    targets,
)
from loopd.annotation.consensus.votes import (
    Ballots,
    Vote,
    answered,
    ballots,
    discarded,
    given,
    labelled,
    outside,
    reactions,
    repeats,
    to_set_aside,
    unresolved,
)

__all__ = [
    "Ballots",
    "Consensus",
    "Electorate",
    "Vote",
    "answered",
    "ballots",
    "discarded",
    "given",
    "label_counts",
    "labelled",
    "outside",
    "reactions",
    "repeats",
    "resolve",
    "targets",
    "to_set_aside",
    "unresolved",
]
