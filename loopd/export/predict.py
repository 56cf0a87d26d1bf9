"""Owns a table that came in and goes out with labels; reads the run and must not change it.

The file appears at once, or not at all. Argilla is not asked, and a daemon may work meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loopd.config import Config
from loopd.data.incoming import Incoming, incoming, of_pool
from loopd.data.outgoing import holds_lists, refuse_other_names, write_table
from loopd.errors import ConfigError, DataError
from loopd.events import Event
from loopd.export.cache_view import apart
from loopd.export.last_model import last_model, last_trained
from loopd.export.models import Progress
from loopd.export.quiet import quiet_tools
from loopd.export.rows import consensus_of
from loopd.export.table import LabelCells, free_names, rows
from loopd.export.text_labels import MODEL, PERSON, Asking, TextLabel, TextLabels
from loopd.learning.classifiers.contract import silent
from loopd.loop.stop import Stop, on_signals
from loopd.loop.tools import Tools
from loopd.machine import State
from loopd.storage.files import storage_error
from loopd.storage.recorded_run import recorded_run

NO_MODEL = "no model was trained yet"


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """What is labelled and where it goes.

    Attributes:
        out: the file to write; its ending says how.
        input: another table than the pool's; ``None`` for that.
        force: whether a file that is there is replaced.
    """

    out: Path
    input: Path | None = None
    force: bool = False


def run_predict(
    config: Config,
    options: PredictOptions,
    tell: Callable[[str], None],
    progress: Progress | None = None,
) -> Path:
    """Write a table with all its columns, in its order and every row once, and a label for each.

    Args:
        config: of the run.
        options: what and where to.
        tell: called with lines for people.
        progress: called with (what, done, total) during long steps.

    Returns:
        The file.

    Raises:
        RunError: there is no run, or the pool is another one.
        ConfigError: the file is there, or its name does not say how to write it.
        DataError: the table cannot be read, or the format cannot hold it.
        ModelError: the last model cannot be made again.
        LoopdError: as reading data and journal, and counting votes.
    """
    out = options.out.absolute()
    _refuse_taken(config, options)
    run, stop = recorded_run(config.run.dir), Stop()
    events, state = run.events, run.state
    with on_signals(stop), apart(config) as own:
        tools = quiet_tools(own, state, stop, progress)
        table = table_of(config, tools, options.input)
        labels = _labels(events, state, tools, table, progress)
        task = config.task
        cells = LabelCells(task.type, config.pool.separator, task.none_label, holds_lists(out))
        try:
            write_table(out, cells.columns(table.columns), rows(table, labels, cells))
        except OSError as error:
            raise storage_error(out, error) from error
    for line in _lines(out, table, labels, state):
        tell(line)
    return out


def _refuse_taken(config: Config, options: PredictOptions) -> None:
    refuse_other_names(options.out)
    out = options.out
    test = None if config.test is None else config.test.path
    for source in (config.pool.path, options.input, test):
        if source is not None and out.exists() and source.exists() and out.samefile(source):
            raise ConfigError(f"{out} is a table that is read", "choose another --out")
    if out.resolve().is_relative_to(config.run.dir.resolve()):
        raise ConfigError(f"{out} is in the folder of the run", "choose another --out")
    if out.is_dir():
        raise ConfigError(f"{out} is a folder", "give --out the name of a file")
    if out.exists() and not options.force:
        raise ConfigError(f"{out} is there already", "replace it with --force, or choose --out")


def table_of(config: Config, tools: Tools, path: Path | None) -> Incoming:
    """The table of a run's pool, or another one like it.

    Raises:
        DataError: it cannot be read.
    """
    pool, task = config.pool, config.task
    if path is None and pool.argilla is not None:
        return of_pool(tools.data.pool)
    if path is None:
        return incoming(pool, task.type, task.labels)
    other = pool.model_copy(
        update={
            **dict.fromkeys(("hub", "hub_config", "split", "argilla", "label", "answers")),
            **dict.fromkeys(("annotator_column", "verdict_column", "encoding")),
            "path": path,
            "format": "auto",
            "show": {},
        }
    )
    try:
        return incoming(other, task.type, task.labels)
    except DataError:
        if pool.encoding is None:
            raise
        stated = other.model_copy(update={"encoding": pool.encoding})
        return incoming(stated, task.type, task.labels)


def _labels(
    events: Sequence[Event],
    state: State,
    tools: Tools,
    table: Incoming,
    progress: Progress | None,
) -> dict[str, TextLabel]:
    trained = last_trained(state)
    model = None if trained is None else last_model(events, trained, tools)
    asking = None if model is None else Asking(tools.learner, model, progress or silent)
    consensus = consensus_of(state, tools)
    labels = TextLabels(tools.data.pool, state, consensus, asking, NO_MODEL)
    return labels.of(line.text for line in table.lines if not line.reason)


def _lines(
    out: Path, table: Incoming, labels: Mapping[str, TextLabel], state: State
) -> Iterator[str]:
    told = [labels[line.text].source for line in table.lines if not line.reason]
    counts = Counter(told)
    refused = len(table.lines) - len(told)
    yield f"{len(table.lines):,} rows in {out}"
    yield f"  {counts[PERSON]:,} labelled by people, {counts[MODEL]:,} by the model"
    if refused:
        yield f"  {refused:,} that cannot be used; `{_reason(table)}` says why"
    if counts[""]:
        yield f"  {counts['']:,} without a label: {NO_MODEL}"
    trained = last_trained(state)
    if trained is not None:
        count = trained.labels - trained.held_out
        yield f"  the model is that of round {trained.round}, trained on {count:,} labels"


def _reason(table: Incoming) -> str:
    return free_names(table.columns)[-1]
