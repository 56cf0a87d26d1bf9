"""Owns a table that came in and goes out with labels; reads the run and must not change it.

The file appears at once, or not at all. Argilla is not asked, and a daemon may work meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loopd.config import Config, PoolSection
from loopd.data.incoming import Incoming, another, incoming, of_pool, with_others, without
from loopd.data.outgoing import Column, holds_lists, refuse_other_names, write_table
from loopd.data.pool_files import is_many
from loopd.data.unwritable import TEXT, Tally, Written
from loopd.errors import ConfigError, DataError
from loopd.events import BEFORE
from loopd.export.last_model import last_model, last_trained
from loopd.export.models import Progress
from loopd.export.quiet import Glance, looking
from loopd.export.rows import consensus_of
from loopd.export.table import LabelCells, free_names, rows
from loopd.export.text_labels import (
    MODEL,
    NOBODY,
    PERSON,
    TWIN,
    Asking,
    TextLabel,
    TextLabels,
    Twins,
)
from loopd.learning.classifiers.contract import silent
from loopd.loop.tools import Tools
from loopd.records import PoolId
from loopd.storage.files import storage_error
from loopd.storage.withdrawn_texts import read_withdrawn

NO_MODEL = "no model was trained yet"


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """What is labelled and where it goes.

    Attributes:
        out: the file to write; its ending says how.
        input: another table than the pool's; ``None`` for that.
        model: whether the last model says what nobody has labelled.
        force: whether a file that is there is replaced.
        for_excel: whether an apostrophe keeps spreadsheets from computing text.
    """

    out: Path
    input: Path | None = None
    model: bool = True
    force: bool = False
    for_excel: bool = False


@dataclass(frozen=True, slots=True)
class LabelledTable:
    """A table with what is known of its texts.

    Attributes:
        table: as it came in.
        labels: of each different text.
        reason: why a text has no label, where there is nothing else to say.
    """

    table: Incoming
    labels: Mapping[str, TextLabel]
    reason: str

    def write(self, path: Path, config: Config, *, for_excel: bool = False) -> Written:
        """Write it with all its columns, in its order and every row once.

        Raises:
            DataError: the format cannot hold it, or it changed while it was read.
            StorageError: the disk is full or the place cannot be written.
        """
        columns, cells = self.cells(config, lists=holds_lists(path))
        try:
            return write_table(path, columns, cells, for_excel=for_excel)
        except OSError as error:
            raise storage_error(path, error) from error

    def cells(
        self, config: Config, *, lists: bool
    ) -> tuple[list[Column], Iterator[tuple[object, ...]]]:
        """All columns and rows, those that are added with them; cells may be lists or not."""
        task = config.task
        shown = LabelCells(task.type, config.pool.separator, task.none_label, lists)
        return shown.columns(self.table.columns), rows(self.table, self.labels, shown)


def labelled_table(
    look: Glance, path: Path | None = None, *, model: bool, progress: Progress | None = None
) -> LabelledTable:
    """The table of a run's pool, or another one like it, and the labels of its texts.

    Args:
        look: at the run.
        path: of another table; ``None`` for the pool's.
        model: whether the last model says what nobody has labelled.
        progress: called with (what, done, total) during long steps.

    Raises:
        DataError: the table cannot be read.
        ModelError: the last model cannot be made again.
    """
    table = table_of(look.config, look.tools, path)
    return labelled(look, table, model=model, progress=progress)


def labelled(
    look: Glance, table: Incoming, *, model: bool, progress: Progress | None = None
) -> LabelledTable:
    """Any table with the labels of its texts; arguments and errors as for the pool's."""
    asked = _text_labels(look, model=model, progress=progress)
    texts = (line.text for line in table.lines if not line.reason)
    return LabelledTable(table, asked.of(texts), asked.no_model)


def _text_labels(look: Glance, *, model: bool, progress: Progress | None) -> TextLabels:
    trained = last_trained(look.state) if model else None
    tools = look.tools if trained is None else look.tools.having(trained.classifier)
    last = None if trained is None else last_model(look.events, trained, tools)
    asking = None if last is None else Asking(tools.learner, last, progress or silent)
    consensus = consensus_of(look.state, look.tools)
    reason = NO_MODEL if model else NOBODY
    twins = _twins(tools)
    return TextLabels(look.tools.data.pool, look.state, consensus, asking, reason, twins)


def _twins(tools: Tools) -> Twins:
    """Finds texts that are nearly the same, if the configuration says from when on they are."""
    least = tools.config.pool.near_duplicates

    def find(ids: Sequence[PoolId], others: Sequence[PoolId]) -> Mapping[PoolId, PoolId]:
        # The offsets of spans are those of one text.
        if least is None or not ids or not others or tools.config.task.type == "spans":
            return {}
        from loopd.learning.near_duplicates import twins

        return twins(ids, others, tools.nearness.vectors, least, tools.nearness.tick)

    return find


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
    with looking(config, progress) as look:
        known = labelled_table(look, options.input, model=options.model, progress=progress)
        written = known.write(out, config, for_excel=options.for_excel)
        lines = [*_lines(out, known, look, options)]
    for line in (*lines, *remarks(written, known, for_excel=options.for_excel)):
        tell(line)
    return out


def remarks(written: Written, known: LabelledTable, *, for_excel: bool) -> Iterator[str]:
    """What became of cells that the file cannot hold as they are, or that are dangerous."""
    damaged, formulas = written.damaged, written.formulas
    if damaged.count:
        what = "holds signs" if damaged.count == 1 else "hold signs"
        yield (
            f"  {_cells(damaged)} {what} that are no text there, written as U+FFFD; the first is "
            f"{_where(damaged, known)}"
        )
    if not formulas.count:
        return
    first = f"the first is {_where(formulas, known)}"
    begins = "begins" if formulas.count == 1 else "begin"
    if for_excel:
        yield f"  {_cells(formulas)} that {begins} like a formula got an apostrophe; {first}"
    else:
        yield (
            f"  {_cells(formulas)} {begins} like a formula, which a spreadsheet computes; {first}; "
            "`--for-excel` puts an apostrophe before them"
        )


def _cells(tally: Tally) -> str:
    return f"{tally.count:,} {'cell' if tally.count == 1 else 'cells'}"


def _where(tally: Tally, known: LabelledTable) -> str:
    table = known.table
    if tally.row < 1:
        return "in the heading"
    return f"on {table.source.unit} {table.lines[tally.row - 1].number:,} of {table.source.name}"


def _refuse_taken(config: Config, options: PredictOptions) -> None:
    refuse_other_names(options.out)
    out = options.out
    if options.for_excel and holds_lists(out):
        raise ConfigError("--for-excel is for tables that Excel opens", f"write {', '.join(TEXT)}")
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
    """The table of a run's pool, or another one like it, in which ids are columns as any others.

    Rows of texts that were withdrawn are there, and get no label.

    Raises:
        DataError: it cannot be read.
    """
    table, known = _table_of(config, tools, path), read_withdrawn(config.run.dir)
    return without(table, known.holds) if known.digests else table


def _table_of(config: Config, tools: Tools, path: Path | None) -> Incoming:
    pool, task = config.pool, config.task
    if path is None and not _is_one_table(pool):
        return of_pool(tools.data.pool)
    if path is None:
        table = incoming(pool, task.type, task.labels)
        return with_others(table, tools.data.pool, pool) if tools.data.pool.intakes else table
    other = another(pool, path)
    try:
        return incoming(other, task.type, task.labels)
    except DataError:
        if pool.encoding is None:
            raise
        stated = other.model_copy(update={"encoding": pool.encoding})
        return incoming(stated, task.type, task.labels)


def _is_one_table(section: PoolSection) -> bool:
    """Whether the pool is a table that is here, and no folder of files."""
    if section.argilla is not None or section.url is not None:
        return False
    return section.path is None or (section.path.exists() and not is_many(section.path))


def _lines(out: Path, known: LabelledTable, look: Glance, options: PredictOptions) -> Iterator[str]:
    table = known.table
    told = [known.labels[line.text].source for line in table.lines if not line.reason]
    counts = Counter(told)
    refused = len(table.lines) - len(told)
    yield f"{len(table.lines):,} rows in {out}"
    yield f"  {counts[PERSON]:,} labelled by people, {counts[MODEL]:,} by the model"
    if counts[TWIN]:
        yield f"  {counts[TWIN]:,} nearly the same as one that people labelled, with its label"
    if refused:
        yield f"  {refused:,} that cannot be used; `{_reason(table)}` says why"
    if counts[""]:
        yield f"  {counts['']:,} without a label: {known.reason}"
    trained = last_trained(look.state) if options.model else None
    if trained is not None:
        count = trained.labels - trained.held_out
        if trained.round == BEFORE:
            yield f"  the model learned from descriptions of labels, and from {count:,} labels"
        else:
            yield f"  the model is that of round {trained.round}, trained on {count:,} labels"


def _reason(table: Incoming) -> str:
    return free_names(table.columns)[-1]
