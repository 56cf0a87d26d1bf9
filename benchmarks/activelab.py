"""ActiveLab against random, CROWDLAB against the majority: accuracy by number of annotations.

    python benchmarks/activelab.py DATA WORK [--classifier frozen-head] [--seeds 5] [--rounds 26]

DATA is the folder of the Stanford politeness data as the ActiveLab experiment used it:
``train.jsonl`` (``id``, ``text``, ``part``, ``initial_annotations`` and ``extra_annotations``,
{annotator: 0 or 1}), ``test.jsonl`` (``text``, ``label``), and for the overlay
``reference_activelab_accuracy.csv`` and ``reference_random_accuracy.csv``, one published run on
each line, 200 annotations to 800 in steps of 25. 219 people gave the answers.

Every run is loopd's own loop on a store in memory: it begins with the 100 texts that two people
answered, and each round publishes 25 items. A new text, or a copy that asks for a second opinion,
is answered by the next person in the text's reserve, whose order the seed shuffles. The random arms
draw new texts. Runs are kept in WORK and go on where they were; the seeds share what begins them.

Writes ``activelab_CLASSIFIER.json`` and a picture beside it into ``benchmarks/results``, or
``--out``, and prints a table.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import machine

from loopd.annotation.memory_store import MemoryStore
from loopd.backtest.interval import estimate
from loopd.backtest.trial import share_caches
from loopd.config import Config
from loopd.config_file import parse_config
from loopd.data.pool import Pool
from loopd.drawing import legend, new_figure, png, style
from loopd.events import BatchPlanned, Event, RoundEvaluated
from loopd.loop.data_sets import DataSets
from loopd.loop.run import Loop
from loopd.loop.start_or_resume import begin
from loopd.loop.stop import Stop, on_signals
from loopd.loop.tools import build_tools
from loopd.machine import Phase, State, fold
from loopd.metrics_log import writer as metrics_log
from loopd.records import Batch, BatchItem, ExternalId, PoolId, Record
from loopd.storage.journal import Journal
from loopd.tasks.registry import build_task

LABELS = ("impolite", "polite")
ARMS = tuple((s, c) for s in ("activelab", "random_sampling") for c in ("crowdlab", "majority"))
BATCH, FIRST, STEP = 25, 200, 25
GOAL = 0.90
SHOWN = (200, 275, 400, 500, 600, 700, 800)

Annotations = Mapping[str, int]
Row = dict[str, Any]


@dataclass(frozen=True)
class Answers:
    """What people said of one text: before the run, and when they are asked."""

    initial: Annotations
    extra: Annotations


class ReserveStore(MemoryStore):
    """A store in which real people's answers wait.

    Args:
        config: of the run.
        answers: by record id.
        published: batches that were published before, oldest first.
    """

    def __init__(
        self, config: Config, answers: Mapping[str, Answers], published: Sequence[Batch]
    ) -> None:
        super().__init__(build_task(config.task))
        self._before = published
        self._answers = answers
        self._reserve = {id_: list(each.extra.items()) for id_, each in answers.items()}
        for id_, left in self._reserve.items():
            random.Random(f"{config.run.seed}|{id_}").shuffle(left)  # noqa: S311

    def open(self, pool: Pool, *, fresh: bool) -> str:
        """Publish again what was published before; it gets the same answers."""
        del fresh
        opened = super().open(pool, fresh=True)
        for batch in self._before:
            self.publish(batch, {id_: pool[id_].text for id_ in batch.record_ids})
        return opened

    def publish(self, batch: Batch, texts: Mapping[PoolId, str]) -> frozenset[ExternalId]:
        """Publish and answer."""
        fresh = [item for item in batch.items if not self.holds(item.external_id)]
        left_out = super().publish(batch, texts)
        for item in fresh:
            initial = self._answers[item.record_id].initial if batch.round == 0 else {}
            for person, number in initial.items() or [self._reserve[item.record_id].pop(0)]:
                self.submit(item.external_id, person, LABELS[number])
        return left_out


# -- the data --------------------------------------------------------------------------------------


def read(folder: Path) -> tuple[DataSets, dict[str, Answers], Batch]:
    """Pool and test set, everybody's answers, and the batch with which every run begins."""
    train, test = (
        [json.loads(line) for line in (folder / f"{name}.jsonl").open(encoding="utf-8")]
        for name in ("train", "test")
    )
    pool = Pool(tuple(Record(row["id"], row["text"]) for row in train))
    held_out = Pool(
        tuple(
            Record(PoolId(f"t{n}"), row["text"], LABELS[row["label"]]) for n, row in enumerate(test)
        )
    )
    answers = {
        row["id"]: Answers(row["initial_annotations"], row["extra_annotations"]) for row in train
    }
    items = tuple(BatchItem(row["id"]) for row in train if row["part"] == "initial")
    return DataSets(pool, held_out, {}), answers, Batch("b0000", 0, "given", None, items)


def published_curves(folder: Path) -> dict[str, list[list[float]]]:
    """Accuracies of the published runs by name."""
    found = {}
    for name in ("activelab", "random"):
        path = folder / f"reference_{name}_accuracy.csv"
        with path.open(encoding="utf-8", newline="") as file:
            found[f"published: {name}"] = [
                [float(cell) for cell in row] for row in csv.reader(file)
            ]
    return found


# -- one run ---------------------------------------------------------------------------------------


def configuration(arm: tuple[str, str], seed: int, options: Any) -> Config:
    """The configuration of one run."""
    strategy, consensus = arm
    chosen: Row = {"name": strategy}
    if strategy == "activelab" and options.ensemble > 1:
        chosen["options"] = {"ensemble": options.ensemble}
    folder = options.work / f"{options.classifier}" / f"{strategy}-{consensus}" / f"seed-{seed}"
    return parse_config(
        {
            "run": {"dir": str(folder), "seed": seed},
            "task": {"labels": list(LABELS)},
            "pool": {"path": "train.jsonl"},
            "test": {"path": "test.jsonl", "label": "label"},
            "classifier": {"name": options.classifier, "threads": options.threads},
            "strategy": chosen,
            "consensus": {"strategy": consensus, "folds": options.folds},
            "queue": {"low_watermark": 0, "batch_size": BATCH},
            "stopping": {"max_rounds": options.rounds, "criteria": []},
        },
        Path.cwd(),
    )


def run(arm: tuple[str, str], seed: int, options: Any, stop: Stop) -> list[Row]:
    """The metrics of one run, which goes on where it was."""
    data, answers, first = read(options.data)
    config = configuration(arm, seed, options)
    folder = config.run.dir
    share_caches(folder / "cache", options.work / options.classifier / "cache")
    with Journal(folder / "journal.sqlite") as journal:
        state = fold(journal.read())
        published = [batch for batch in state.batches if batch.round in state.published]
        store = ReserveStore(config, answers, published)
        tools = build_tools(config, data, stop, store=store)

        def write(event: Event, after: State) -> None:
            journal.append(event)
            if isinstance(event, RoundEvaluated):
                tools.learner.keep([after.trained[event.round].model_id])
                _tell(arm, seed, metrics_log.rows(after)[-1])

        loop = Loop(tools, stop, write)
        event = begin(state, tools, store.open(data.pool, fresh=True))
        if event is not None:
            state = loop.record(state, event)
        if state.phase is Phase.SEED:
            state = loop.record(state, BatchPlanned(tools.clock.wall(), first, 0.0))
        return metrics_log.rows(loop.run(state))


def _tell(arm: tuple[str, str], seed: int, row: Row) -> None:
    print(
        f"{'+'.join(arm)}, seed {seed}, round {row['round']}: {row['annotations']} annotations, "
        f"{row['labels']} texts, accuracy {row['accuracy']:.3f}, {row['second_opinions']} again",
        flush=True,
    )


# -- what came out ---------------------------------------------------------------------------------


def reached(accuracies: Sequence[float]) -> tuple[int | None, int | None]:
    """Annotations at which a curve first is at the goal, and from which on it stays there."""
    at = [place for place, value in enumerate(accuracies) if value >= GOAL]
    first = at[0] if at else None
    below = [place for place, value in enumerate(accuracies) if value < GOAL]
    good = (below[-1] + 1 if below else 0) if accuracies else 0
    for_good = good if good < len(accuracies) else None
    return _annotations(first), _annotations(for_good)


def _annotations(place: int | None) -> int | None:
    return None if place is None else FIRST + STEP * place


def summary(curves: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, Row]:
    """Means with intervals, and where each arm reaches the goal, by arm."""
    found = {}
    for name, runs in curves.items():
        means = [estimate(values) for values in zip(*runs, strict=False)]
        average = [each.mean for each in means if each is not None]
        found[name] = {
            "runs": len(runs),
            "annotations": [FIRST + STEP * place for place in range(len(average))],
            "mean": [round(value, 4) for value in average],
            "half": [None if e is None or e.half is None else round(e.half, 4) for e in means],
            "goal_first_each": [reached(each)[0] for each in runs],
            "goal_for_good_each": [reached(each)[1] for each in runs],
            "goal_first_mean_curve": reached(average)[0],
            "goal_for_good_mean_curve": reached(average)[1],
        }
    return found


def table(found: Mapping[str, Row]) -> str:
    """The figures as Markdown."""
    heads = [f"{count}" for count in SHOWN]
    lines = [f"| arm | runs | {' | '.join(heads)} | .90 first | .90 for good |"]
    lines.append("| --- " * (len(SHOWN) + 4) + "|")
    for name, row in found.items():
        cells = [_cell(row, count) for count in SHOWN]
        ends = [str(row[f"goal_{kind}_mean_curve"] or "never") for kind in ("first", "for_good")]
        lines.append(f"| {name} | {row['runs']} | {' | '.join(cells + ends)} |")
    return "\n".join(lines)


def _cell(row: Row, count: int) -> str:
    if count not in row["annotations"]:
        return "-"
    place = row["annotations"].index(count)
    half = row["half"][place]
    return f"{row['mean'][place]:.3f}" + ("" if half is None else f" ± {half:.3f}")


def draw(found: Mapping[str, Row], title: str) -> bytes:
    """Accuracy by annotations with 95 % t intervals; published curves are dashed."""
    figure = new_figure(title, height=5.0, width=10.0)
    axes = figure.subplots()
    lines = []
    for place, row in enumerate(found.values()):
        look = style(place) | {"linestyle": "--" if row["theirs"] else "-"}
        (line,) = axes.plot(row["annotations"], row["mean"], **look)
        if not row["theirs"] and None not in row["half"]:
            mean, half = row["mean"], row["half"]
            low, high = (
                [middle + sign * width for middle, width in zip(mean, half, strict=True)]
                for sign in (-1, 1)
            )
            axes.fill_between(row["annotations"], low, high, color=look["color"], alpha=0.12)
        lines.append(line)
    axes.axhline(GOAL, color="#888888", linewidth=0.8)
    axes.set_xlabel("annotations")
    axes.set_ylabel("test accuracy")
    axes.grid(alpha=0.3)
    legend(axes, lines, list(found))
    return png(figure)


def main() -> None:
    """Run what is missing, then report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--classifier", default="frozen-head")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=26)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--ensemble", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--arms", default=",".join("+".join(arm) for arm in ARMS))
    parser.add_argument("--out", type=Path, default=machine.RESULTS, help="of JSON and picture")
    options = parser.parse_args()
    options.work = options.work.absolute()
    chosen = [tuple(each.split("+")) for each in options.arms.split(",")]
    stop, rows = Stop(), {}
    with on_signals(stop):
        for seed in range(options.seeds):
            for arm in chosen:
                if not stop.is_set():
                    rows[arm, seed] = run((arm[0], arm[1]), seed, options, stop)
    report(rows, chosen, options)


def report(rows: Mapping[Any, list[Row]], arms: Sequence[Any], options: Any) -> None:
    """Write JSON and picture, print the table."""
    done = {key: found for key, found in rows.items() if len(found) == options.rounds}
    if not done:
        return
    curves = {
        "+".join(arm): [
            [row["accuracy"] for row in found] for (other, _), found in done.items() if other == arm
        ]
        for arm in arms
    }
    found = summary({name: runs for name, runs in curves.items() if runs})
    found |= summary(published_curves(options.data))
    for name, row in found.items():
        row["theirs"] = name.startswith("published")
    name = f"activelab_{options.classifier}"
    options.out.mkdir(exist_ok=True)
    (options.out / f"{name}.png").write_bytes(
        draw(found, f"Politeness: accuracy by annotations ({options.classifier})")
    )
    given = vars(options).items()
    settings = {key: value for key, value in given if key not in ("data", "work", "out")}
    runs = [
        {"arm": "+".join(arm), "seed": seed, "rounds": [_kept(row) for row in each]}
        for (arm, seed), each in done.items()
    ]
    figures = {"machine": machine.described(), "settings": settings, "arms": found, "runs": runs}
    machine.write(name, figures, options.out)
    print(table(found))


def _kept(row: Row) -> Row:
    names = ("annotations", "labels", "second_opinions", "accuracy", "macro_f1")
    kept = {name: row[name] for name in names}
    kept |= {key: value for key, value in row.items() if key.startswith("consensus.")}
    return kept | {key: value for key, value in row.items() if key.startswith("seconds.")}


if __name__ == "__main__":
    main()
