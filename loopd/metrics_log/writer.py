"""Owns ``metrics.jsonl``: one flat line for each evaluated round, derived from the state.

Must not hold anything that the journal does not: the file may be deleted and is written again.
Every key is described in ``KEYS``, from which the documentation is made.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import BinaryIO

from loopd.events import BEFORE, BatchCollected, RoundEvaluated
from loopd.machine import State
from loopd.metrics_log import shift
from loopd.metrics_log.classifier_words import contest_row
from loopd.metrics_log.measured import measured_in
from loopd.records import JsonValue
from loopd.storage.files import storage_error, write_atomic
from loopd.storage.run_folder import METRICS_NAME

Row = dict[str, JsonValue]

KEYS: dict[str, str] = {
    "round": "Number of the round, from 0; -1 if labels are described, so that there is a model "
    "before the first batch; that line has no keys of a batch.",
    "batch_id": "The batch that the round published and collected.",
    "batch_size": "Records in that batch, copies for second opinions included.",
    "second_opinions": "Copies in that batch that ask for a second opinion.",
    "collected": "Why collecting ended: `complete`, `watermark`, `patience` or `opening`.",
    "labels": "Records with a label so far; the model was trained on all but the random draws.",
    "discarded": "Records so far that people discarded and nobody labelled.",
    "open": "Records still unanswered when collecting ended.",
    "annotations": "Answers behind the labels so far; each person counts once for each text.",
    "annotators": "People who gave them.",
    "consensus.agreement": "How similar two answers on one text are on average, from 0 to 1.",
    "consensus.alpha": "Krippendorff's alpha: 1 for full agreement, 0 for chance; not for spans.",
    "consensus.disputed": "Texts on which two people differ.",
    "consensus.ties": "Texts on which a tie was settled by rule.",
    "consensus.quality": "Mean quality of the labels, as `consensus.strategy` sees it.",
    "annotators.lowest_quality": "Quality of the annotator who agrees least.",
    "annotators.median_quality": "Median quality of the annotators.",
    "annotators.<id>.quality": "Quality of one annotator; only where there are at most 20.",
    "waiting.total": "Seconds in which people had no open record before this batch came, summed "
    "over all who were at work.",
    "waiting.p50": "Median of these seconds over the people.",
    "waiting.p95": "95th percentile of these seconds over the people.",
    "turnaround": "Seconds from the last answer that the previous batch needed until this batch "
    "was shown to people.",
    "staleness": "Answers, including edited ones, that came before this batch was published but "
    "that its model had not seen.",
    "labels.<label>": "Training records with this label.",
    "measured": "The accuracy, or the measure of the kind of task (`metric`), from the best "
    "source there is; page, status, report, stopping rules and Prometheus use the "
    "same. The five keys are absent while nothing is known.",
    "measured_low": "Lower end of its 95 % interval.",
    "measured_high": "Upper end of its 95 % interval.",
    "measured_by": "Where it comes from: `test`, `test-asked` (a test set that people label), "
    "`draws` (random draws) or `cross-validation`.",
    "measured_on": "Texts that it was measured on.",
    "cross.accuracy": "By cross-validation: share of the training texts that models get right "
    "without having been shown them. The `cross.*` keys are there without a "
    "test set, while there are too few random draws.",
    "cross.accuracy_low": "Lower end of its 95 % Wilson interval.",
    "cross.accuracy_high": "Upper end of its 95 % Wilson interval.",
    "cross.micro_f1": "The same as F1 over all pairs of text and label (several labels).",
    "cross.micro_f1_low": "Lower end of its 95 % interval (Fieller) over texts.",
    "cross.micro_f1_high": "Upper end of its 95 % interval.",
    "cross.f1": "The same as F1 over entities (spans); null while hardly any text is marked.",
    "cross.f1_low": "Lower end of its 95 % interval (Fieller) over texts.",
    "cross.f1_high": "Upper end of its 95 % interval.",
    "cross.texts": "Training texts that were predicted; only some if there are many.",
    "accuracy": "Share of the test set that the model gets right.",
    "accuracy_low": "Lower end of its 95 % Wilson interval.",
    "accuracy_high": "Upper end of its 95 % Wilson interval.",
    "macro_f1": "Mean of the F1 of all classes on the test set; without a test file, the mean of "
    "the `f1.<label>` that are there: on a test set that people label, or on the "
    "random draws once there are enough.",
    "f1.<label>": "F1 of one class, measured likewise; on texts that people labelled it is absent "
    "if fewer than 5 have the label, by people or by the model.",
    "metric": "The measure by which the kind of task is judged; absent where it is `accuracy`.",
    "micro_f1": "F1 over all pairs of text and label (several labels).",
    "micro_f1_low": "Lower end of its 95 % bootstrap interval over texts.",
    "micro_f1_high": "Upper end of its 95 % bootstrap interval over texts.",
    "hamming_loss": "Share of pairs of text and label that are wrong (several labels).",
    "f1": "F1 over entities with the right borders and label (spans).",
    "f1_low": "Lower end of its 95 % bootstrap interval over texts.",
    "f1_high": "Upper end of its 95 % bootstrap interval over texts.",
    "precision": "Share of the marked entities that are right (spans).",
    "recall": "Share of the known entities that are found (spans).",
    "test_size": "Texts in the test set; if people label it, those that have a label.",
    "test_by": "`test-asked` if people label the test set (`test.ask`); else absent.",
    "test_open": "Texts of such a test set that are waiting for somebody.",
    "test_discarded": "Texts of it that people discarded and that others have replaced.",
    "audit.draws": "Random draws with a label so far; the `audit.*` keys are there if records are "
    "drawn at random (`audit.random_share`).",
    "audit.discarded": "Random draws that people discarded and nobody labelled.",
    "audit.open": "Random draws that nobody has answered yet.",
    "audit.accuracy": "Share of the labelled draws that the model gets right: an unbiased "
    "estimate of its accuracy on texts like the pool's. Null while there are "
    "fewer than 5.",
    "audit.accuracy_low": "Lower end of its 95 % interval (Clopper-Pearson).",
    "audit.accuracy_high": "Upper end of its 95 % interval.",
    "audit.micro_f1": "F1 over all pairs of draw and label (several labels); absent while unknown.",
    "audit.micro_f1_low": "Lower end of its 95 % interval (Fieller) over draws.",
    "audit.micro_f1_high": "Upper end of its 95 % interval.",
    "audit.f1": "F1 over the draws' entities (spans); absent while unknown.",
    "audit.f1_low": "Lower end of its 95 % interval (Fieller) over draws.",
    "audit.f1_high": "Upper end of its 95 % interval.",
    "audit.compared": "How many chosen labels are compared with as many random ones, by a cheap "
    "head on fixed vectors (only with one label per text); null while there are "
    "too few.",
    "audit.chosen_accuracy": "What that head reaches with the chosen ones, on the draws.",
    "audit.random_accuracy": "What it reaches with the random ones, cross-validated on the draws.",
    "audit.gain": "`audit.chosen_accuracy` minus `audit.random_accuracy`.",
    "audit.gain_low": "Lower end of its 95 % bootstrap interval.",
    "audit.gain_high": "Upper end of its 95 % bootstrap interval.",
    "audit.edge": "Accuracy of a cheap head with chosen labels minus that with as many random "
    "ones, draws judged only by what came before them. The `audit.edge*` keys are absent while no "
    "draw can be judged.",
    "audit.edge_low": "Lower end of its 90 % confidence sequence, which holds at all rounds at "
    "once; above 0, choosing pays.",
    "audit.edge_high": "Upper end of it; below 0, choosing is behind, and random texts are mixed "
    "into batches (`audit.fallback_share`).",
    "audit.edge_draws": "Draws that were judged for it.",
    "audit.chosen_right": "Share of the last 100 chosen texts whose label the model proposed when "
    "they were chosen; absent while fewer than 10 are known, as are the next three.",
    "audit.chosen_disputed": "Share of the chosen texts with several answers on which people "
    "differ.",
    "audit.draws_disputed": "The same for the random draws.",
    "audit.class_distance": "Share of the chosen texts that would have to be of another class for "
    "the classes to be as frequent as among the draws (total variation).",
    "audit.saved": "Labels saved: how many random labels reach what `audit.compared` chosen ones "
    "do, minus `audit.compared`. If it equals `audit.compared`, it means that many "
    "or more. Null while unknown.",
    "audit.saved_low": "Lower end of its 95 % bootstrap interval.",
    "audit.saved_high": "Upper end of its 95 % bootstrap interval.",
    "audit.next_labels": "How many further labels the forecast looks ahead; null while nothing is "
    "known.",
    "audit.next_gain": "Accuracy that these labels are expected to add.",
    "audit.next_low": "Lower end of its 95 % bootstrap interval.",
    "audit.next_high": "Upper end of its 95 % bootstrap interval.",
    "classifier": "The kind of the round's model; only if `classifier.name` is `auto`.",
    "contest.by": "Whether the two classifiers of `auto` were compared on `draws` or by "
    "`cross-validation`; the `contest.*` keys are there in rounds that compare them.",
    "contest.labels": "Labels that they learned from.",
    "contest.used": "The classifier of the round.",
    "contest.of": "Digest of both classifiers: only comparisons of the same two count.",
    "contest.texts": "Texts on which they were compared, and from which neither had learned.",
    "contest.right.<classifier>": "How many of these texts the classifier gets right.",
    "contest.only.<classifier>": "How many of these texts only this classifier gets right.",
    "contest.next": "The classifier from the next round on.",
    **shift.KEYS,
    "stop.<criterion>.value": "Value of a stopping criterion or rule; null if not known yet.",
    "stop.<criterion>.stop": "Whether it advises stopping, on its own and without patience.",
    "seconds.choosing": "Choosing this round's batch from the scored pool; absent if a recovered "
    "journal does not know it.",
    "seconds.publishing": "Publishing it; absent likewise.",
    "seconds.waiting": "From published to collected, while people work.",
    "seconds.training": "Training on all labels so far.",
    "seconds.scoring": "Scoring the pool with the new model, for the criteria and the next choice.",
    "seconds.evaluation": "Measuring on the test set, and the stopping criteria.",
    "strategy": "Query strategy that chose this round's batch.",
    "model_id": "The model that was trained in this round.",
    "config_digest": "Digest of the configuration in force.",
    "at": "When the round was evaluated, in seconds since 1970.",
}

TIMED = ("at", "seconds.", "waiting.", "turnaround", "staleness")
"""How keys begin that clocks have a part in: the others are the same when a run is repeated."""


def rows(state: State) -> list[Row]:
    """One row for each evaluated round, in order."""
    return [_row(state, number) for number in sorted(state.evaluated)]


def last_row(state: State) -> Row:
    """That of the last evaluated round, empty without one."""
    return _row(state, max(state.evaluated)) if state.evaluated else {}


def write(state: State, folder: Path) -> None:
    """Write the whole file, atomically."""
    lines = (_line(state, number) for number in sorted(state.evaluated))
    write_atomic(folder / METRICS_NAME, b"".join(lines))


def add_last(state: State, folder: Path) -> None:
    """Write the line of the last evaluated round; the whole file where it lacks the one before.

    Raises:
        StorageError: the disk is full, or the file cannot be written.
    """
    earlier = (number for number in range(state.round - 1, -1, -1) if number in state.evaluated)
    before = next(earlier, None)
    if state.round in state.evaluated and before is not None:
        line, before_it = _line(state, state.round), _line(state, before)
        if _add(folder / METRICS_NAME, line, before_it):
            return
    write(state, folder)


def _add(path: Path, line: bytes, before: bytes) -> bool:
    """Write a line behind the one before it; ``False`` where that is not the last one."""
    try:
        with path.open("r+b") as file:
            if not _ends_with(file, before):
                return False
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
            return True
    except (FileNotFoundError, PermissionError):
        return False
    except OSError as error:
        raise storage_error(path, error) from error


def _ends_with(file: BinaryIO, line: bytes) -> bool:
    """Whether that is the last line; leaves the file at its end."""
    size = file.seek(0, os.SEEK_END)
    behind = max(0, size - len(line) - 1)
    file.seek(behind)
    return (b"\n" + file.read()).endswith(b"\n" + line)


def _line(state: State, number: int) -> bytes:
    row = json.dumps(_row(state, number), ensure_ascii=False, allow_nan=False)
    return f"{row}\n".encode()


def _row(state: State, number: int) -> Row:
    evaluated, trained = state.evaluated[number], state.trained[number]
    collected = state.collected.get(number)
    row: Row = {
        "round": number,
        **_batch(state, number),
        "labels": trained.labels,
        "discarded": trained.discarded,
        "open": 0 if collected is None else collected.open_records,
        **({} if collected is None else _queue(collected)),
        **trained.consensus,
        **evaluated.metrics,
        **evaluated.audit,
        **_measured(evaluated),
        **contest_row(evaluated.classifiers),
        **evaluated.shift,
        **{f"labels.{label}": count for label, count in trained.label_counts.items()},
    }
    for name, verdict in evaluated.stopping.items():
        row[f"stop.{name}.value"] = verdict["value"]
        row[f"stop.{name}.stop"] = verdict["stop"]
    return row | _seconds(state, number) | _origin(state, number)


def _batch(state: State, number: int) -> Row:
    """What the round published and collected; there is nothing before the first batch."""
    if number == BEFORE:
        return {"batch_size": 0, "second_opinions": 0}
    batch = state.batches[number]
    return {
        "batch_id": batch.id,
        "batch_size": len(batch.items),
        "second_opinions": sum(item.copy_id is not None for item in batch.items),
        "collected": state.collected[number].reason,
    }


def _queue(collected: BatchCollected) -> Row:
    return {name: value for name, value in collected.queue.items() if name != "last_answer"}


def _measured(evaluated: RoundEvaluated) -> Row:
    accuracy = measured_in(evaluated)
    return {} if accuracy is None else accuracy.row()


def _seconds(state: State, number: int) -> Row:
    published, collected = state.published.get(number), state.collected.get(number)
    planned = state.planned.get(number)  # not in a recovered run
    durations = {
        "choosing": None if planned is None else planned.seconds,
        "publishing": None if published is None else published.seconds,
        "waiting": max(0.0, collected.at - published.at) if published and collected else None,
        "training": state.trained[number].seconds,
        "scoring": state.evaluated[number].scoring_seconds,
        "evaluation": state.evaluated[number].seconds,
    }
    return {
        f"seconds.{name}": round(value, 3) for name, value in durations.items() if value is not None
    }


def _origin(state: State, number: int) -> Row:
    return {
        **({} if number == BEFORE else {"strategy": state.batches[number].strategy}),
        **_classifier(state, number),
        "model_id": state.trained[number].model_id,
        "config_digest": state.evaluated[number].config_digest,
        "at": round(state.evaluated[number].at, 3),
    }


def _classifier(state: State, number: int) -> Row:
    name = state.trained[number].classifier
    return {"classifier": name} if name else {}
