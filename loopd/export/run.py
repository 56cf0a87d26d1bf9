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
from loopd.annotation.memory_store import MemoryStore
from loopd.config import Config
from loopd.errors import ModelError, RunError
from loopd.events import Event
from loopd.export.cache_view import apart
from loopd.export.card import data_card
from loopd.export.folder import FACTS, new_folder, refuse_taken
from loopd.export.formats import DEFAULT_FORMATS, FORMATS, LabelScheme, refuse_unfit, write_formats
from loopd.export.models import ModelCard, Progress, export_model
from loopd.export.rows import LabelledRow, consensus_of, labelled_rows
from loopd.loop.draws import in_force
from loopd.loop.start import is_pool_of
from loopd.loop.stop import Stop, on_signals
from loopd.loop.tools import Tools, build_tools, read_data
from loopd.machine import State
from loopd.storage.files import SHARED, write_atomic
from loopd.storage.recorded_run import recorded_run
from loopd.tasks.registry import build_task

MODEL = "model"


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What is exported and where to.

    Attributes:
        out: folder; ``None`` is that of the run with ``-export`` behind it.
        formats: names of formats; empty for the usual ones.
        model: whether with the last model; ``None`` where it can be exported.
        force: whether an earlier export in the folder is replaced.
    """

    out: Path | None = None
    formats: tuple[str, ...] = ()
    model: bool | None = None
    force: bool = False


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
        LoopdError: as reading data and journal, and counting votes.
    """
    folder = (options.out or config.run.dir.with_name(f"{config.run.dir.name}-export")).absolute()
    formats = options.formats or DEFAULT_FORMATS
    refuse_unfit(formats, config.task.type)
    refuse_taken(folder, force=options.force)
    run, stop = recorded_run(config.run.dir), Stop()
    events, state = run.events, run.state
    with on_signals(stop), apart(config) as own:
        tools = _tools(own, state, stop, progress)
        consensus = consensus_of(state, tools)
        rows = labelled_rows(state, tools.data.pool, consensus)
        if not rows:
            raise RunError("nothing is labelled yet", "export when people have answered")
        with new_folder(folder) as partial:
            write_formats(formats, rows, LabelScheme(config.task.type, config.task.labels), partial)
            card, reason = _model(events, state, tools, (partial / MODEL, options.model, progress))
            facts = _facts(state, tools, consensus, rows) | {
                "events": len(events),
                "formats": list(formats),
                "model": card and card.to_json(),
                "no_model": reason,
            }
            written = json.dumps(facts, ensure_ascii=False, indent=1)
            write_atomic(partial / FACTS, written + "\n", SHARED)
            write_atomic(partial / "README.md", data_card(facts), SHARED)
    for line in _lines(folder, formats, rows, card, reason):
        tell(line)
    return folder


def _tools(config: Config, state: State, stop: Stop, progress: Progress | None) -> Tools:
    """The parts of the loop, without Argilla: nothing is asked of the store."""
    data = read_data(config.model_copy(update={"test": None}))
    started = state.started
    if started is not None and not is_pool_of(state, data.pool):
        raise RunError("the pool changed since this run began", "restore it, then export")
    if started is not None and started.labels != config.task.labels:
        raise RunError("the labels changed since this run began", "restore them, then export")
    config = in_force(config, state)
    return build_tools(config, data, stop, progress, store=MemoryStore(build_task(config.task)))


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
        "draws": sum(row.draw for row in rows),
        "discarded": len(discarded(state)),
        "consensus": config.consensus.strategy,
        "agreement": consensus.agreement.pairs,
        "phase": state.phase.value,
        "round": state.round,
        "config_digest": state.config_digest,
        "seed": config.run.seed,
        "pool_size": len(pool),
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
