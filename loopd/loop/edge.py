"""Owns whether choosing pays in a run, as flat numbers for the journal; must not act on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from loopd.evaluation.edge import BatchRows, Judge, edge
from loopd.learning.seeding import for_step
from loopd.loop.round_labels import votes
from loopd.loop.tools import Tools
from loopd.machine import State
from loopd.records import Batch, BatchItem, ExternalId, JsonValue, PoolId, Targets

PURPOSE = "edge"

WAITED_FOR = 5
"""Batches after which one is judged although some of its records still wait for an answer."""

LEAST, LAST = 10, 100
"""Texts from which on a share is told, and the last chosen texts that the model's share is of."""

Figures = dict[str, JsonValue]


def edge_figures(
    state: State,
    judge: Judge,
    row_by_id: Mapping[PoolId, int],
    waiting: Collection[ExternalId],
    seed: int,
) -> Figures:
    """How far chosen labels are ahead of random ones; empty while no draw can be judged.

    Args:
        state: what the journal says.
        judge: fits heads on rows.
        row_by_id: of the chosen texts and draws that have a label; others are left out.
        waiting: external ids that wait for an answer.
        seed: of the run.
    """
    batches = list(settled_batches(state, row_by_id, waiting))
    ahead = edge(judge, batches, for_step(seed, 0, PURPOSE))
    if ahead is None:
        return {}
    return {
        "audit.edge_draws": ahead.draws,
        "audit.edge": ahead.mean,
        "audit.edge_low": ahead.low,
        "audit.edge_high": ahead.high,
    }


def fallen_back(state: State) -> frozenset[PoolId]:
    """Pool ids of all texts that a fall-back has drawn."""
    return frozenset(id_ for event in state.planned.values() for id_ in event.fallback)


def signs(state: State, tools: Tools, labels_by_id: Targets) -> Figures:
    """What may explain why choosing pays or not; a number that is not known is left out."""
    selected, draws = list(selected_items(state)), list(state.draws)
    ids = [item.record_id for item in selected]
    sizes = {id_: [vote.target for vote in cast] for id_, cast in votes(state, tools).items()}
    several = {id_: len(set(cast)) > 1 for id_, cast in sizes.items() if len(cast) > 1}
    told = {
        "audit.chosen_right": _share(_right(selected, labels_by_id)[-LAST:]),
        "audit.chosen_disputed": _share([several[id_] for id_ in ids if id_ in several]),
        "audit.draws_disputed": _share([several[id_] for id_ in draws if id_ in several]),
        "audit.class_distance": _distance(ids, draws, labels_by_id),
    }
    return {name: value for name, value in told.items() if value is not None}


def settled_batches(
    state: State, row_by_id: Mapping[PoolId, int], waiting: Collection[ExternalId]
) -> Iterator[BatchRows]:
    """The rows of each batch that is answered, those left out that a fall-back has drawn.

    They end before the first one of which a record waits for an answer: its label would change what
    was said of earlier draws, while a bet stands only if what was judged stays as it is. A record
    that nobody answers is waited for as long as ``WAITED_FOR`` later batches take.
    """
    at_random, still_open = fallen_back(state), frozenset(waiting)
    for number, batch in enumerate(state.batches):
        is_recent = number + WAITED_FOR >= len(state.batches)
        if is_recent and not still_open.isdisjoint(batch.external_ids):
            return
        draws = [item.record_id for item in batch.items if item.draw]
        selected = [item.record_id for item in _chosen(batch, at_random)]
        yield BatchRows(_rows(selected, row_by_id), _rows(draws, row_by_id))


def _rows(ids: Sequence[PoolId], row_by_id: Mapping[PoolId, int]) -> NDArray[np.int64]:
    return np.array([row_by_id[id_] for id_ in ids if id_ in row_by_id], dtype=np.int64)


def selected_items(state: State) -> Iterator[BatchItem]:
    """What a strategy chose, oldest first."""
    at_random = fallen_back(state)
    return (item for batch in state.batches for item in _chosen(batch, at_random))


def _chosen(batch: Batch, at_random: Collection[PoolId]) -> Iterator[BatchItem]:
    for item in batch.items:
        if item.copy_id is None and not item.draw and item.record_id not in at_random:
            yield item


def _right(selected: Sequence[BatchItem], labels_by_id: Targets) -> list[bool]:
    """Of each chosen text with a label whether the model had it right when it was chosen."""
    return [
        item.suggestion.value == labels_by_id[item.record_id]
        for item in selected
        if item.suggestion is not None and item.record_id in labels_by_id
    ]


def _share(marks: Sequence[bool]) -> float | None:
    return sum(marks) / len(marks) if len(marks) >= LEAST else None


def _distance(
    ids: Collection[PoolId], draws: Collection[PoolId], labels_by_id: Targets
) -> float | None:
    """Total variation between the classes of both: the share that would have to change."""
    one, other = (
        Counter(str(labels_by_id[id_]) for id_ in some if id_ in labels_by_id)
        for some in (ids, draws)
    )
    if min(one.total(), other.total()) < LEAST:
        return None
    gaps = (abs(one[name] / one.total() - other[name] / other.total()) for name in one | other)
    return sum(gaps) / 2
