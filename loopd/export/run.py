"""Owns an export from the journal to the folder; reads the run and must not change it.

The folder appears at once, or not at all. Argilla is not asked, and a daemon may work meanwhile.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopd.annotation.consensus import Consensus, discarded, label_counts
from loopd.config import Config
from loopd.data.remote_files import hub_name
from loopd.errors import DataError, ModelError, RunError
from loopd.events import Event
from loopd.export.card import data_card
from loopd.export.folder import CARD, FACTS, MODEL, new_folder, refuse_taken
from loopd.export.formats import (
    DEFAULT_FORMATS,
    FORMATS,
    TABLE,
    LabelScheme,
    refuse_unfit,
    write_formats,
)
from loopd.export.hub import push, refuse_no_repo
from loopd.export.model_card import model_card
from loopd.export.models import ModelCard, Progress, export_model
from loopd.export.predict import labelled_table, remarks
from loopd.export.quiet import Glance, looking
from loopd.export.rows import LabelledRow, consensus_of, labelled_rows
from loopd.export.shipment import DIGESTS, MODEL_FILES, SOURCES, digests_of, files_in
from loopd.loop.tools import Tools
from loopd.machine import State
from loopd.storage.files import SHARED, write_atomic
from loopd.storage.names import SavedNames


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What is exported and where to.

    Attributes:
        out: folder; ``None`` is that of the run with ``-export`` behind it.
        formats: names of formats; empty for the usual ones.
        model: whether with the last model; ``None`` where it can be exported.
        force: whether an earlier export in the folder is replaced.
        push: name of the repositories on the Hugging Face hub to which it is sent; ``None`` for
            none.
        for_excel: whether an apostrophe keeps spreadsheets from computing text in the table.
    """

    out: Path | None = None
    formats: tuple[str, ...] = ()
    model: bool | None = None
    force: bool = False
    push: str | None = None
    for_excel: bool = False


def run_export(
    config: Config,
    options: ExportOptions,
    tell: Callable[[str], None],
    progress: Progress | None = None,
) -> Path:
    """Write the labelled data set of a run, and its last model.

    Args:
        config: of the run.
        options: what and where to.
        tell: called with lines for people.
        progress: called with (what, done, total) during long steps.

    Returns:
        The folder.

    Raises:
        RunError: there is no run, nothing is labelled, or the pool is another one.
        ConfigError: the folder is taken, or a format cannot hold the kind of task.
        ModelError: the model was asked for and cannot be exported.
        ServerError: the hub does not take it; the folder is there.
        LoopdError: as reading data and journal, and counting votes.
    """
    folder = (options.out or _usual_folder(config)).absolute()
    formats = options.formats or DEFAULT_FORMATS
    refuse_unfit(formats, config.task.type)
    refuse_taken(folder, force=options.force)
    if options.push is not None:
        refuse_no_repo(options.push, _sources(config))
    with looking(config, progress) as look:
        events, state, tools = look.events, look.state, look.tools
        consensus = consensus_of(state, tools)
        rows = _rows(config, state, tools, consensus)
        with new_folder(folder) as partial:
            write_formats(formats, rows, LabelScheme(config.task.type, config.task.labels), partial)
            if TABLE in formats:
                formats = _with_table(look, partial / FORMATS[TABLE].place, options, tell)
            card, reason = _model(events, state, tools, (partial / MODEL, options.model, progress))
            facts = _facts(state, tools, consensus, rows)
            facts |= {"events": len(events), "formats": list(formats), "no_model": reason}
            _write_cards(partial, facts, card, config.classifier.model)
    for line in _lines(folder, formats, rows, card, reason):
        tell(line)
    if options.push is not None:
        push(folder, options.push, None if card is None else folder / MODEL, tell)
    return folder


def _rows(config: Config, state: State, tools: Tools, consensus: Consensus) -> list[LabelledRow]:
    """The labelled texts, with people's names.

    Raises:
        RunError: there are none.
    """
    names = SavedNames(config.run.dir).read()
    rows = labelled_rows(state, tools.data.pool, consensus, names)
    if not rows:
        raise RunError("nothing is labelled yet", "export when people have answered")
    return rows


def _usual_folder(config: Config) -> Path:
    """Beside that of the run."""
    return config.run.dir.with_name(f"{config.run.dir.name}-export")


def _write_cards(
    folder: Path, facts: dict[str, Any], card: ModelCard | None, base: str | None
) -> None:
    """What the data set is, for machines and for people, and what the model is."""
    facts = {**facts, "model": card and card.to_json()}
    if card is not None:
        write_atomic(folder / MODEL / CARD, model_card(facts, card.figures, base), SHARED)
        facts[MODEL_FILES] = files_in(folder / MODEL)
    write_atomic(folder / CARD, data_card(facts), SHARED)
    written = json.dumps({**facts, DIGESTS: digests_of(folder)}, ensure_ascii=False, indent=1)
    write_atomic(folder / FACTS, written + "\n", SHARED)


def _with_table(
    look: Glance, path: Path, options: ExportOptions, tell: Callable[[str], None]
) -> tuple[str, ...]:
    """Write the table that came in with the labels that people gave; the formats that are there.

    Where nobody has named that format, a column that the run never reads keeps nobody from the
    others.
    """
    formats = options.formats or DEFAULT_FORMATS
    try:
        known = labelled_table(look, model=False)
        written = known.write(path, look.config, for_excel=options.for_excel)
    except DataError as error:
        if options.formats:
            raise
        tell(f"  no {FORMATS[TABLE].place}: {error.message}")
        return tuple(name for name in formats if name != TABLE)
    for line in remarks(written, known, for_excel=options.for_excel):
        tell(line)
    return tuple(formats)


def _model(
    events: Sequence[Event],
    state: State,
    tools: Tools,
    wish: tuple[Path, bool | None, Progress | None],
) -> tuple[ModelCard | None, str]:
    """What was exported, or why nothing was."""
    folder, choice, progress = wish
    if choice is False:
        return None, "it was not asked for"
    try:
        return export_model(events, state, tools, folder, progress), ""
    except ModelError as error:
        if choice:
            raise
        shutil.rmtree(folder, ignore_errors=True)  # one that does not predict what ours does
        return None, error.message


def _sources(config: Config) -> list[str]:
    """Names of the data sets on the hub that hold the texts of the run."""
    tests = [config.test.hub] if config.test is not None else []
    return [name for name in (config.pool.hub, hub_name(config.pool.url), *tests) if name]


def _facts(
    state: State, tools: Tools, consensus: Consensus, rows: Sequence[LabelledRow]
) -> dict[str, Any]:
    config, started, pool = tools.config, state.started, tools.data.pool
    annotators = {own.answer.annotator for row in rows for own in row.answers}
    return {
        "task": config.task.type,
        "labels": list(config.task.labels),
        "texts": len(rows),
        "answers": sum(len(row.answers) for row in rows),
        "annotators": len(annotators),
        "label_counts": label_counts({row.id: row.target for row in rows}),
        "draws": sum(row.draw and row.split == "train" for row in rows),
        "test_texts": sum(row.split == "test" for row in rows),
        "discarded": len(discarded(state)),
        "consensus": config.consensus.strategy,
        "agreement": consensus.agreement.pairs,
        "phase": state.phase.value,
        "round": state.round,
        "config_digest": state.config_digest,
        "seed": config.run.seed,
        "pool_size": len(pool),
        SOURCES: _sources(config),
        "pool_fingerprint": pool.fingerprint,
        "test_fingerprint": "" if started is None else started.test_fingerprint,
        "versions": {} if started is None else dict(started.versions),
    }


def _lines(
    folder: Path,
    formats: Sequence[str],
    rows: Sequence[LabelledRow],
    card: ModelCard | None,
    reason: str,
) -> Iterator[str]:
    answers = sum(len(row.answers) for row in rows)
    yield f"{len(rows):,} labelled texts with {answers:,} answers in {folder}"
    for name in formats:
        yield f"  {FORMATS[name].place:<22} {FORMATS[name].meaning}"
    if card is None:
        yield f"  no model: {reason}"
    else:
        same = f"same predictions on {card.agreement:.1%} of {card.compared} texts"
        yield f"  {MODEL:<22} for transformers.pipeline({card.pipeline!r}); {same}"
