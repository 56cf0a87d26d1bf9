"""Owns the steps of the loop: each looks at the state, does one thing, says what happened.

Every step may be repeated: it is, after a crash or a failure. The fact is written by the caller
after the step returns; only ``BatchPlanned`` is written before its effect, so that the ids of a
batch are fixed before Argilla hears of it.
"""

from __future__ import annotations

from collections.abc import Callable

from loopd.annotation.consensus import discarded, label_counts, targets, unresolved
from loopd.evaluation.metrics import classification_metrics
from loopd.evaluation.stopping import evaluate_criteria
from loopd.learning.learner import Choice, Model
from loopd.loop.collecting import changes
from loopd.loop.tools import Tools
from loopd.loop.verdict import labels_left, limit_reached, rules, stop_reason
from loopd.machine import (
    BatchCollected,
    BatchPlanned,
    BatchPublished,
    Event,
    ModelTrained,
    Phase,
    RoundEvaluated,
    RunStopped,
    State,
)
from loopd.records import Batch, BatchItem

Step = Callable[[State, Tools], Event | None]

EXHAUSTED = "pool_exhausted"


def seed(state: State, tools: Tools) -> Event:
    """Choose the first batch, without a model."""
    return _cold_batch(state, tools, tools.config.queue.first_size)


def publish(state: State, tools: Tools) -> Event:
    """Upsert the planned batch into Argilla."""
    started = tools.clock.monotonic()
    batch = state.batch
    texts = {record_id: tools.data.pool[record_id].text for record_id in batch.record_ids}
    tools.store.publish(batch, texts)
    return BatchPublished(tools.clock.wall(), batch.id, tools.clock.monotonic() - started)


def collect(state: State, tools: Tools) -> Event | None:
    """Read new answers; when enough records are resolved, close the batch."""
    sweep = tools.watcher.look(state.planned_ids)
    if sweep is not None:
        news = changes(state, sweep, tools.clock.wall())
        if news is not None:
            return news
    waiting = unresolved(state, tools.config.queue.min_submitted)
    reason = _collection_over(state, tools, len(waiting))
    if reason is None:
        return None
    return BatchCollected(tools.clock.wall(), state.batch.id, reason, len(waiting))


def train(state: State, tools: Tools) -> Event:
    """Train on everything known; with too little to train on, ask for another cold batch."""
    labels = targets(state)
    if not tools.learner.can_fit(labels):
        section = tools.config.stopping
        limit = limit_reached(section, labels=len(labels), rounds=len(state.batches))
        if limit is not None:
            return RunStopped(tools.clock.wall(), limit)
        return _cold_batch(state, tools, tools.config.queue.batch_size)
    started = tools.clock.monotonic()
    model = tools.learner.fit(state.round, labels)
    return ModelTrained(
        at=tools.clock.wall(),
        round=state.round,
        model_id=model.id,
        labels=len(labels),
        discarded=len(discarded(state)),
        label_counts=label_counts(labels),
        seconds=tools.clock.monotonic() - started,
    )


def evaluate(state: State, tools: Tools) -> Event:
    """Measure the model on the test set and the stopping criteria on the stop set."""
    model = _model(state, tools)
    started = tools.clock.monotonic()
    proba = tools.learner.predict_pool(model, tools.stop_set)
    scored = tools.clock.monotonic()
    metrics = _test_metrics(model, tools)
    history = [state.evaluated[number].stop_set for number in sorted(state.evaluated)]
    stopping, stop_set = evaluate_criteria(tools.config.stopping.criteria, history, proba)
    stopping |= rules(
        tools.config.stopping,
        labels=state.trained[state.round].labels,
        rounds=len(state.evaluated) + 1,
        accuracy=metrics.get("accuracy"),
    )
    return RoundEvaluated(
        at=tools.clock.wall(),
        round=state.round,
        metrics=dict(metrics),
        stopping=stopping,
        stop_set=stop_set,
        config_digest=state.config_digest,
        scoring_seconds=scored - started,
        seconds=tools.clock.monotonic() - scored,
    )


def decide(state: State, tools: Tools) -> Event:
    """Stop, or choose the next batch."""
    reason = stop_reason(state, tools.config.stopping)
    if reason is not None:
        return RunStopped(tools.clock.wall(), reason)
    started = tools.clock.monotonic()
    labels, model = targets(state), _model(state, tools)
    queue, stopping = tools.config.queue, tools.config.stopping
    choice = tools.learner.choose(
        model,
        labels_left(stopping, len(labels), queue.batch_size),
        round=state.round + 1,
        targets=labels,
        exclude=state.planned_ids - set(labels),
    )
    return _plan(state, tools, choice, (model.id, started))


STEPS: dict[Phase, Step] = {
    Phase.SEED: seed,
    Phase.PUBLISH: publish,
    Phase.COLLECT: collect,
    Phase.TRAIN: train,
    Phase.EVALUATE: evaluate,
    Phase.DECIDE: decide,
}


def _cold_batch(state: State, tools: Tools, size: int) -> Event:
    started = tools.clock.monotonic()
    labels = targets(state)
    choice = tools.learner.first_batch(
        labels_left(tools.config.stopping, len(labels), size),
        round=state.round + 1,
        targets=labels,
        exclude=state.planned_ids - set(labels),
    )
    return _plan(state, tools, choice, (None, started))


def _plan(state: State, tools: Tools, choice: Choice, origin: tuple[str | None, float]) -> Event:
    model_id, started = origin
    items = choice.items
    if not items:
        return RunStopped(tools.clock.wall(), EXHAUSTED)
    number = state.round + 1
    if not tools.config.queue.suggestions:
        items = tuple(BatchItem(item.record_id, item.score) for item in items)
    batch = Batch(f"b{number:04d}", number, choice.strategy, model_id, items)
    return BatchPlanned(tools.clock.wall(), batch, tools.clock.monotonic() - started)


def _collection_over(state: State, tools: Tools, waiting: int) -> str | None:
    queue = tools.config.queue
    if waiting == 0:
        return "complete"
    exhausted = len(state.planned_ids) >= len(tools.data.pool)
    untouched = set(state.batch.record_ids) <= unresolved(state, queue.min_submitted)
    if waiting <= queue.low_watermark and not untouched and not exhausted:
        return "watermark"
    waited = tools.clock.wall() - state.published[state.round].at
    labelled = not set(state.batch.record_ids).isdisjoint(targets(state))
    if queue.patience is not None and waited >= queue.patience and labelled:
        return "patience"
    return None


def _model(state: State, tools: Tools) -> Model:
    """The round's model: from memory or cache, else trained again with the same result."""
    return tools.learner.fit(state.round, targets(state))


def _test_metrics(model: Model, tools: Tools) -> dict[str, float]:
    test = tools.data.test
    if test is None:
        return {}
    columns = tools.learner.predict_proba(model, test).argmax(axis=1)
    labels = tools.config.task.labels
    gold = [record.gold or "" for record in test]
    return classification_metrics(gold, [labels[column] for column in columns], labels)
