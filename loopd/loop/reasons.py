"""Owns the sentence with which each record of a batch says why it is asked; must not choose any."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from loopd.learning.batch_choice import BatchChoice
from loopd.learning.strategies import reason_words
from loopd.learning.strategies.reason_words import Evidence
from loopd.learning.trainer import Model
from loopd.loop.tools import Tools
from loopd.records import BatchItem, PoolId

SIMILAR = 20
"""Texts that are most like one: a group is seldom smaller."""

LOOKED_AT = 20_000
"""Texts of a bigger pool among which the most similar ones are looked for."""


def explained(
    choice: BatchChoice, tools: Tools, model: Model | None, labelled: Collection[PoolId]
) -> BatchChoice:
    """The choice, where each record says why it was chosen.

    Random draws say nothing: people should work on them as on all others.

    Args:
        choice: what a strategy has chosen.
        tools: the parts of the loop.
        model: that it asked; ``None`` before there is one.
        labelled: ids with a label.
    """
    strategy = choice.strategy
    asked = [item for item in choice.items if not item.draw and item.copy_id is None]
    evidence = _evidence(asked, tools, model, reason_words.numbers(strategy), labelled)
    sentences = {
        item.external_id: reason_words.sentence(strategy, told, choice.reason)
        for item, told in zip(asked, evidence, strict=True)
    }
    sentences |= {
        item.external_id: reason_words.AGAIN for item in choice.items if item.copy_id is not None
    }
    items = [replace(item, reason=sentences.get(item.external_id, "")) for item in choice.items]
    return replace(choice, items=tuple(items))


def ranked_anew(items: Sequence[BatchItem], tools: Tools, model: Model) -> list[BatchItem]:
    """Records that wait, with the reason for their new rank; their proposals are the model's."""
    names = ("spans",) if tools.config.task.type == "spans" else ("likeliest",)
    evidence = _evidence(items, tools, model, names, ())
    return [
        replace(item, reason=reason_words.told(reason_words.ANEW, names, told))
        for item, told in zip(items, evidence, strict=True)
    ]


def _evidence(
    items: Sequence[BatchItem],
    tools: Tools,
    model: Model | None,
    names: Collection[str],
    labelled: Collection[PoolId],
) -> list[Evidence]:
    """What is known of each item, as far as its sentence tells it."""
    ids = [item.record_id for item in items]
    evidence = [Evidence() for _ in items]
    if not items:
        return evidence
    if "likeliest" in names and model is not None and tools.config.task.type != "spans":
        pairs = _likeliest(ids, tools, model)
        evidence = [replace(e, likeliest=two) for e, two in zip(evidence, pairs, strict=True)]
    if "spans" in names and model is not None:
        evidence = [replace(e, spans=_spans(i)) for e, i in zip(evidence, items, strict=True)]
    if "unlabelled" in names:
        similar, open_ = _unlabelled(ids, tools, labelled)
        evidence = [
            replace(e, similar=similar, unlabelled=count)
            for e, count in zip(evidence, open_, strict=True)
        ]
    return evidence


def _likeliest(
    ids: Sequence[PoolId], tools: Tools, model: Model
) -> list[tuple[tuple[str, float], ...]]:
    proba = tools.learner.predict_pool(model, ids)
    labels = tools.config.task.labels
    best = np.argsort(-proba, axis=1, kind="stable")[:, :2]
    return [
        tuple((labels[column], float(proba[row, column])) for column in columns)
        for row, columns in enumerate(best)
    ]


def _spans(item: BatchItem) -> tuple[float, ...] | None:
    if item.suggestion is None:
        return None
    score = item.suggestion.score
    return score if isinstance(score, tuple) else (score,)


def _unlabelled(
    ids: Sequence[PoolId], tools: Tools, labelled: Collection[PoolId]
) -> tuple[int, list[int]]:
    """How many similar texts were looked at for each, and how many of them have no label."""
    pool = tools.data.pool
    step = max(1, -(-len(pool) // LOOKED_AT))
    others = pool.ids_at(range(0, len(pool), step))
    vectors = tools.learner.vectors(others)
    own = tools.learner.vectors(ids)
    count = min(SIMILAR, len(others) - 1)
    if vectors is None or own is None or count < 1:
        return 0, [0] * len(ids)
    closeness = np.asarray(own) @ np.asarray(vectors).T
    column = {id_: position for position, id_ in enumerate(others)}
    for row, id_ in enumerate(ids):
        if id_ in column:
            closeness[row, column[id_]] = -np.inf
    nearest = np.argpartition(-closeness, count - 1, axis=1)[:, :count]
    is_open = np.array([id_ not in labelled for id_ in others])
    return count, [int(is_open[columns].sum()) for columns in nearest]
