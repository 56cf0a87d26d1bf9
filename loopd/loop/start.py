"""Owns the beginning of a process: is this the run that the journal is about?

Must not do any step of the loop.
"""

from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import replace

from loopd import __version__
from loopd.errors import RunError
from loopd.evaluation.stopping import check_criteria
from loopd.loop.tools import Tools
from loopd.machine import Event, Phase, RunResumed, RunStarted, State

_PACKAGES = ("argilla", "small-text", "torch", "transformers", "numpy", "scikit-learn")


def begin(state: State, tools: Tools) -> Event | None:
    """The event with which this process begins, ``None`` when it simply goes on.

    Raises:
        RunError: labels, seed, pool or test set are not those of the journal.
    """
    digest = tools.config.digest()
    if state.started is not None:
        _same_run(state.started, tools)
    if digest == state.config_digest:
        return None
    tools.learner.check()
    check_criteria(tools.config.stopping.criteria, len(tools.config.task.labels))
    if state.started is None:
        return _started(tools)
    return RunResumed(tools.clock.wall(), digest, "the configuration changed")


def at_dataset(state: State, first: Event | None, dataset_id: str) -> Event | None:
    """The first event with the dataset that was found.

    Raises:
        RunError: the run began with another dataset.
    """
    if isinstance(first, RunStarted):
        return replace(first, dataset_id=dataset_id)
    if state.started is not None and state.started.dataset_id != dataset_id:
        raise RunError(
            "the Argilla dataset is not the one that this run began with",
            "restore argilla.url and argilla.dataset, or begin a new run in another run.dir",
        )
    return first


def is_fresh(state: State) -> bool:
    """Whether nothing of the run can be in Argilla yet."""
    return not state.published and state.phase in (Phase.NEW, Phase.SEED)


def _started(tools: Tools) -> RunStarted:
    return RunStarted(
        at=tools.clock.wall(),
        config_digest=tools.config.digest(),
        seed=tools.config.run.seed,
        labels=tools.config.task.labels,
        pool_fingerprint=tools.data.pool.fingerprint,
        test_fingerprint=_test_fingerprint(tools),
        dataset_id="",  # known once the store is open
        versions=versions(),
    )


def versions() -> dict[str, str]:
    """Versions of loopd, Python and the packages that shape the results."""
    found = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"loopd": __version__, "python": platform.python_version(), **found}


def _test_fingerprint(tools: Tools) -> str:
    return tools.data.test.fingerprint if tools.data.test is not None else ""


def _same_run(started: RunStarted, tools: Tools) -> None:
    now = _started(tools)
    changed = [
        what
        for what, before, after in (
            ("the labels", started.labels, now.labels),
            ("the seed", started.seed, now.seed),
            ("the pool", started.pool_fingerprint, now.pool_fingerprint),
            ("the test set", started.test_fingerprint, now.test_fingerprint),
        )
        if before != after
    ]
    if changed:
        raise RunError(
            f"{' and '.join(changed)} changed since this run began",
            "restore what changed, or begin a new run: another run.dir and argilla.dataset",
        )
