"""Owns ``loopd check``: looks at everything that a run needs, and changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from loopd.config import Config
from loopd.credentials import exposed
from loopd.errors import LoopdError
from loopd.evaluation.stopping import check_criteria
from loopd.loop.daemon import JOURNAL_NAME
from loopd.loop.start import check_extras, check_sinks
from loopd.loop.stop import Stop
from loopd.loop.tools import DataSets, build_learner, build_store, read_data
from loopd.machine import fold
from loopd.records import Span, Target
from loopd.state.journal import Journal


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor.

    Attributes:
        topic: what was looked at.
        level: ``ok``, ``warning`` or ``error``.
        text: what was found.
        hint: what to do about it; may be empty.
        exit_code: of the error, 0 otherwise.
    """

    topic: str
    level: str
    text: str
    hint: str = ""
    exit_code: int = 0


def check(config: Config) -> Iterator[Finding]:
    """Look at data, model, server and run directory, one after the other.

    Yields:
        findings as they come; the model takes a few seconds.
    """
    data: list[DataSets] = []
    yield from _guarded("data", lambda: _data(config, data))
    if data:
        yield from _guarded("model", lambda: _model(config, data[0]))
    yield from _guarded("sinks", lambda: _sinks(config))
    yield from _guarded("argilla", lambda: _argilla(config))
    yield from _guarded("run", lambda: _run(config))


def _guarded(topic: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except LoopdError as error:
        yield Finding(topic, "error", error.message, error.hint, error.exit_code)


def _data(config: Config, found: list[DataSets]) -> Iterator[Finding]:
    data = read_data(config)
    found.append(data)
    for name, report in data.reports.items():
        level = "ok" if report.is_whole else "warning"
        for line in report.lines():
            yield Finding(name, level, line)
    yield from _labels(config, data)
    if all(record.answers for record in data.pool):
        text = "every text of the pool has an answer: nothing is left to ask, no model is trained"
        yield Finding("pool", "warning", text, "leave `pool.answers` empty, or add texts")
    if data.leaks:
        text = f"{len(data.leaks)} pool texts are also in the test set, such as {data.leaks[0]}"
        yield Finding("leaks", "warning", text, "remove them: they flatter the accuracy")


def _labels(config: Config, data: DataSets) -> Iterator[Finding]:
    if data.test is None:
        yield Finding("test", "warning", "no test set", "without one there is no accuracy")
        return
    counts = Counter(label for record in data.test for label in _labels_of(record.gold))
    absent = [label for label in config.task.labels if not counts[label]]
    if absent:
        text = f"the test set has no text with the labels {absent}"
        yield Finding("labels", "warning", text, "their F1 is not measured")
    else:
        yield Finding("labels", "ok", f"all {len(config.task.labels)} labels are in the test set")


def _labels_of(target: Target | None) -> tuple[str, ...]:
    if target is None or isinstance(target, str):
        return () if target is None else (target,)
    return tuple(each.label if isinstance(each, Span) else each for each in target)


def _model(config: Config, data: DataSets) -> Iterator[Finding]:
    check_extras(config)
    learner = build_learner(config, data.pool, Stop())
    yield Finding("model", "ok", learner.check())
    check_criteria(config.stopping.criteria, learner.decision_classes)
    names = ", ".join(criterion.name for criterion in config.stopping.criteria)
    yield Finding("stopping", "ok", f"criteria on record: {names or 'none'}")


def _sinks(config: Config) -> Iterator[Finding]:
    names = check_sinks(config)
    if names:
        yield Finding("sinks", "ok", f"the rounds are also written to {', '.join(names)}")


def _argilla(config: Config) -> Iterator[Finding]:
    store = build_store(config)
    if exposed(config.argilla):
        text = f"other users of this machine may read {config.argilla.api_key_file}"
        yield Finding("key", "warning", text, "chmod 600 it")
    try:
        name, role = store.account()
        yield Finding("argilla", "ok", f"{config.argilla.url} answers; account `{name}` ({role})")
        if role == "annotator":
            hint = "use the key of an owner or of an admin of the workspace"
            yield Finding("argilla", "error", "an annotator may not manage datasets", hint, 20)
        yield Finding("dataset", "ok", store.preview())
    finally:
        store.close()


def _run(config: Config) -> Iterator[Finding]:
    path = config.run.dir / JOURNAL_NAME
    if not path.exists():
        yield Finding("run", "ok", f"a new run will begin in {config.run.dir}")
        return
    with Journal(path, read_only=True) as journal:
        state = fold(journal.read())
    yield Finding("run", "ok", f"{config.run.dir} holds a run in phase {state.phase.value}")
