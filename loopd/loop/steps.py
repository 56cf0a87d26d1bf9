"""Owns the steps of the loop: each looks at the state, does one thing, says what happened.

Every step may be repeated: it is, after a crash or a failure. The fact is written by the caller
after the step returns; only ``BatchPlanned`` is written before its effect, so that the ids of a
batch are fixed before Argilla hears of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from loopd import log
from loopd.annotation.consensus import (
    discarded,
    label_counts,
    to_set_aside,
    unresolved,
)
from loopd.annotation.store import Sweep
from loopd.errors import TransientError
from loopd.evaluation.stopping import evaluate_criteria
from loopd.events import (
    AnswersCollected,
    BatchCollected,
    BatchPlanned,
    BatchPublished,
    Event,
    ModelTrained,
    RecordsReopened,
    RoundEvaluated,
    RunStopped,
)
from loopd.learning.learner import Model
from loopd.loop.audit_draws import training
from loopd.loop.audit_figures import audited
from loopd.loop.batch_closing import is_last, reason_to_close
from loopd.loop.batch_making import SelectionContext, chosen_batch, cold_batch, lacks_test_set
from loopd.loop.classifier_comparison import compared
from loopd.loop.classifier_in_use import classifier_of, with_classifier
from loopd.loop.collecting import changes
from loopd.loop.measuring import measures
from loopd.loop.new_texts import compared_with_old
from loopd.loop.opening import begins, cold_size, opening_size, was_opening
from loopd.loop.tools import Tools
from loopd.loop.tuning import encoder_of, encoder_round, tuned_in
from loopd.loop.verdict import limit_reached, rules, stop_reason
from loopd.loop.waiting_figures import figures
from loopd.loop.warm_start import imported
from loopd.machine import Phase, State
from loopd.metrics_log.measured import measured
from loopd.records import Batch, ExternalId, Targets

Step = Callable[[State, Tools], Event | None]

SHOWN_WITHIN = 10.0
"""Seconds in which a published batch is looked for in Argilla's search."""

LOOK_SECONDS, LONGEST_LOOK = 0.1, 2.0
"""Seconds between the first two looks, and at most; twice as many each time."""


def seed(state: State, tools: Tools) -> Event:
    """Take over the answers that came with the pool or are in the dataset, then choose a batch.

    Where those are enough to train on, a model chooses. Where descriptions of labels are, there is
    a model first, unless a few records are to go out at once: then it comes behind them.
    """
    news = imported(state, tools.data.pool, tools.task, tools.clock.wall())
    if news is None and (sweep := tools.watcher.look(state.external_ids)) is not None:
        news = _news(state, sweep, tools)
    if news is not None:
        return news
    labels, size = _labels(state, tools), tools.config.queue.first_size
    limit = limit_reached(tools.config.stopping, labels=len(labels), rounds=0)
    if limit is not None:
        return RunStopped(tools.clock.wall(), limit)
    context = SelectionContext(state, labels, tools.clock.monotonic(), len(labels))
    if tools.learner.can_fit(labels, described=False):
        return chosen_batch(context, tools, _model(state, tools), size)
    if begins_with_model(state, tools):
        return _trained(context, tools)
    opening = opening_size(tools.config, len(tools.data.pool))
    return cold_batch(context, tools, opening or size, at_random=opening is not None)


def begins_with_model(state: State, tools: Tools) -> bool:
    """Whether a model of what labels mean comes before the first batch.

    Not where that consists of a test set, which nobody is shown proposals for.
    """
    size = tools.config.queue.first_size
    if opening_size(tools.config, len(tools.data.pool)) or lacks_test_set(state, tools, size):
        return False
    labels = _labels(state, tools)
    fits = tools.learner.can_fit
    return fits(labels) and not fits(labels, described=False)


def publish(state: State, tools: Tools) -> Event:
    """Upsert the planned batch into Argilla; over when people are shown all of it.

    Where the search lacks some for long, it goes on: people can label the others meanwhile, and
    what is missing is looked for while answers are collected.
    """
    started = tools.clock.monotonic()
    batch = _without_withdrawn(state, state.batch)
    parts = state.planned[state.round].refreshed
    refreshed = [_without_withdrawn(state, part) for part in parts]
    ids = [id_ for part in (batch, *refreshed) for id_ in part.record_ids]
    texts = {record_id: tools.data.pool[record_id].text for record_id in ids}
    left_out = tools.store.publish(batch, texts)
    unseen = _unseen(batch, left_out, tools)
    seconds = tools.clock.monotonic() - started
    for part in refreshed:  # people have the batch meanwhile
        tools.interrupt()
        tools.store.refresh((part,), texts)
    return BatchPublished(tools.clock.wall(), batch.id, seconds, unseen=len(unseen))


def _without_withdrawn(state: State, batch: Batch) -> Batch:
    """The batch without records whose texts are withdrawn."""
    if state.withdrawn.isdisjoint(batch.record_ids):
        return batch
    items = tuple(item for item in batch.items if item.record_id not in state.withdrawn)
    return replace(batch, items=items)


def collect(state: State, tools: Tools) -> Event | None:
    """Read new answers; when enough records are resolved, close the batch."""
    adopted = tools.settings.look(state, tools.clock.wall())
    if adopted is not None:
        return adopted
    sweep = tools.watcher.look(state.external_ids, _open_batches(state, tools))
    news: Event | None = None if sweep is None else _news(state, sweep, tools)
    news = news or _reopened(state, tools)
    if news is not None:
        return news
    if sweep is not None:
        tools.store.show_only(_waiting(state, tools))  # somebody may have removed the mark
    if tools.closing.known_early(state, tools.config):
        return None
    return _closed(state, tools)


def _closed(state: State, tools: Tools) -> Event | None:
    """The batch's end, if it is time for it and nothing is left to be read before."""
    another = tools.config.relabel.another_person
    if another and (repeated := to_set_aside(state)):
        tools.store.set_aside(repeated)
        ids = [answer.external_id for answer in repeated]
        log.get("loop").info("answers_set_aside", count=len(ids), records=ids[:5])
    needed = state.answers_needed(tools.config.queue.min_submitted)
    waiting = _waiting(state, tools)
    tools.store.show_only(waiting)
    now, size = tools.clock.wall(), len(tools.data.pool)
    notice = max(tools.config.queue.poll_interval, tools.watcher.delay)
    reason = reason_to_close(
        state, tools.config, waiting, pool_size=size, now=now, noticed_after=notice
    )
    if reason is None:
        tools.closing.too_early(state)
        return None
    if is_last(state, tools.config, waiting, size):
        is_clear, news = _last_look(state, tools)
        if news is not None or not is_clear:
            return news
    return BatchCollected(now, state.batch.id, reason, len(waiting), figures(state, needed))


def train(state: State, tools: Tools) -> Event:
    """Train on everything known; with too little to train on, ask for another cold batch.

    So it goes on, too, while people label the test set: nothing new is there to train on.
    """
    started = tools.clock.monotonic()
    labels = tools.resolver.consensus(state, tools).targets
    trains = training(labels, state, tools.config.audit.share)
    context = SelectionContext(state, trains, started, len(labels))
    size = cold_size(state, tools.config, len(tools.data.pool))
    is_early = was_opening(state) and not tools.learner.can_fit({})
    is_early = is_early or lacks_test_set(state, tools, size)
    if not is_early and tools.learner.can_fit(trains):
        return _trained(context, tools)
    section = tools.config.stopping
    limit = limit_reached(section, labels=len(labels), rounds=state.rounds_measured)
    if limit is not None:
        return RunStopped(tools.clock.wall(), limit)
    return cold_batch(context, tools, size)


def _trained(context: SelectionContext, tools: Tools) -> ModelTrained:
    """The model of the round."""
    state, trains = context.state, context.targets
    consensus = tools.resolver.consensus(state, tools)
    inherits = encoder_round(state, tools, len(trains))
    encoder = tuned_in(state, tools, inherits)
    model = tools.learner.fit(state.round, trains, encoder=encoder)
    return ModelTrained(
        at=tools.clock.wall(),
        round=state.round,
        model_id=model.id,
        labels=len(consensus.targets),
        discarded=len(discarded(state)),
        label_counts=label_counts(trains),
        seconds=tools.clock.monotonic() - context.started,
        consensus=consensus.figures(),
        held_out=len(consensus.targets) - len(trains),
        encoder_round=inherits,
        classifier=classifier_of(state, tools),
    )


def evaluate(state: State, tools: Tools) -> Event:
    """Measure the model, on the test set if there is one, and the stopping criteria."""
    labels = _labels(state, tools)
    model = tools.learner.fit(state.round, labels, encoder=encoder_of(state, tools))
    started = tools.clock.monotonic()
    stop_sets = tools.stop_sets(state)
    proba = tools.learner.decisions(model, stop_sets[-1])
    scored = tools.clock.monotonic()
    audit = audited(state, tools, model)
    told = measures(state, model, audit.figures, tools)
    contest = compared(state, labels, tools)
    newcomers = compared_with_old(state, tools, audit)
    history = [state.evaluated[number].stop_set for number in sorted(state.evaluated)]
    stopping, stop_set = evaluate_criteria(
        tools.config.stopping.criteria, history, proba, stop_sets
    )
    stopping |= rules(
        tools.config.stopping,
        labels=state.trained[state.round].labels,
        rounds=state.rounds_measured + state.counts(state.round),
        accuracy=measured({**told.figures, **audit.figures}),
    )
    return RoundEvaluated(
        at=tools.clock.wall(),
        round=state.round,
        metrics=told.figures,
        stopping=stopping,
        stop_set=stop_set,
        config_digest=state.config_digest,
        scoring_seconds=scored - started,
        seconds=tools.clock.monotonic() - scored,
        confusion=told.confusion,
        audit=audit.figures,
        predicted=audit.predicted,
        predicted_since=audit.since,
        classifiers=contest,
        shift=newcomers,
    )


def decide(state: State, tools: Tools) -> Event | None:
    """Stop, or choose the next batch."""
    event = _decision(state, tools)
    if isinstance(event, RunStopped):
        is_clear, news = _last_look(state, tools)
        if news is not None or not is_clear:
            return news
    return event


def _decision(state: State, tools: Tools) -> BatchPlanned | RunStopped:
    reason = stop_reason(state, tools.config.stopping)
    if reason is not None:
        return RunStopped(tools.clock.wall(), reason)
    spent, cold = state.trained[state.round].labels, begins(state)
    size = tools.config.queue.batch_size
    if cold:
        size = cold_size(state, tools.config, len(tools.data.pool))
    labels = _labels(state, tools)
    context = SelectionContext(state, labels, tools.clock.monotonic(), spent)
    if not tools.learner.can_fit(labels):  # what came last may have left one class only
        return cold_batch(context, tools, size)
    return chosen_batch(context, tools, _model(state, tools), size, cold=cold)


def answers_meanwhile(state: State, tools: Tools) -> AnswersCollected | None:
    """What people have answered while the loop was busy, for a run that is stopped.

    The model that was trained meanwhile does not know it. So the next process trains once more than
    an undisturbed run: before it measures, or before it chooses, then with no new measures. What it
    does follows from the journal, however often it is killed.
    """
    busy = (Phase.COLLECT, Phase.TRAIN, Phase.EVALUATE, Phase.DECIDE)
    if state.phase not in busy or not state.batches:
        return None
    return _news(state, tools.watcher.glance(_open_batches(state, tools)), tools)


STEPS: dict[Phase, Step] = {
    Phase.SEED: seed,
    Phase.PUBLISH: publish,
    Phase.COLLECT: collect,
    Phase.TRAIN: with_classifier(train),
    Phase.EVALUATE: with_classifier(evaluate),
    Phase.DECIDE: with_classifier(decide),
}


def _unseen(batch: Batch, left_out: frozenset[ExternalId], tools: Tools) -> frozenset[ExternalId]:
    """External ids of what was published of a batch and the search lacks for long; says so."""
    deadline, pause = tools.clock.monotonic() + SHOWN_WITHIN, LOOK_SECONDS
    while (
        unseen := tools.visibility.unseen(batch) - left_out
    ) and tools.clock.monotonic() < deadline:
        if tools.pause(pause):
            return unseen  # a stop was asked for; the batch is there all the same
        pause = min(LONGEST_LOOK, 2 * pause)
    if unseen:
        tools.visibility.soon()
        log.get("loop").warning(
            "batch_not_shown",
            batch=batch.id,
            count=len(unseen),
            records=sorted(unseen)[:5],
            hint="Argilla has them, and its search does not find them; loopd goes on looking, and "
            "people can answer the others",
        )
    return unseen


def _news(state: State, sweep: Sweep, tools: Tools) -> AnswersCollected | None:
    """What people did since the last look, as far as that is clear."""
    return _told(state, sweep, tools)[1]


def _told(state: State, sweep: Sweep, tools: Tools) -> tuple[bool, AnswersCollected | None]:
    """Whether it is clear what people did since the last look, and what they did.

    Who has left is told from who took answers back.
    """
    try:
        departed = tools.accounts.departed(state, sweep)
    except TransientError:
        tools.watcher.forget()  # it was not taken over
        raise
    if departed is None:
        tools.watcher.forget()  # the next look reads all of it again
        return False, None
    keep = tools.accounts.keep
    return True, changes(state, sweep, tools.clock.wall(), departed=departed, keep_departed=keep)


def _reopened(state: State, tools: Tools) -> RecordsReopened | None:
    """What nobody could answer and was published again."""
    if not tools.visibility.is_due():
        return None
    reopened = tools.visibility.look(state, _waiting(state, tools), tools.clock.wall())
    if tools.visibility.may_be_gone:
        tools.watcher.doubt()
    return reopened


def _last_look(state: State, tools: Tools) -> tuple[bool, AnswersCollected | None]:
    """Whether the phase may end by what all answers tell, and what is new among them."""
    if not tools.closing.may_look_again(state):
        return True, None
    is_clear, news = _told(state, tools.watcher.look_at_all(state.external_ids), tools)
    if is_clear:
        tools.closing.looked(state)
    return is_clear, news


def _waiting(state: State, tools: Tools) -> frozenset[ExternalId]:
    """External ids that wait for somebody."""
    needed = state.answers_needed(tools.config.queue.min_submitted)
    return unresolved(state, needed, another_person=tools.config.relabel.another_person)


def _open_batches(state: State, tools: Tools) -> tuple[Batch, ...]:
    """The current batch, and those before it of which a record waits for somebody."""
    positions = state.all_planned.positions
    open_ones = {positions[id_] for id_ in _waiting(state, tools)} | {len(state.batches) - 1}
    return tuple(state.batches[position] for position in sorted(open_ones))


def _labels(state: State, tools: Tools) -> Targets:
    """What the answers so far amount to, for a model to be trained on."""
    share = tools.config.audit.share
    return training(tools.resolver.consensus(state, tools).targets, state, share)


def _model(state: State, tools: Tools) -> Model:
    """The round's model: from memory or cache, else trained again with the same result."""
    encoder = encoder_of(state, tools)
    return tools.learner.fit(state.round, _labels(state, tools), encoder=encoder)
