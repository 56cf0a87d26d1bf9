"""Owns how a process starts or resumes a run: is the journal about it, is what it needs installed?

Must not do any step of the loop.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Collection
from importlib.util import find_spec

from loopd import __version__
from loopd import cleanlab_adapter as multiannotator
from loopd.config import Config
from loopd.config.sinks import SQLITE
from loopd.data.pool import Pool
from loopd.errors import ConfigError, ModelError, RunError
from loopd.evaluation.stopping import check_criteria
from loopd.events import HASHED, Event, PoolChanged, RunResumed, RunStarted
from loopd.installation import add_extra
from loopd.learning.auto_classifiers import check, contenders_digest
from loopd.loop.audit_in_force import folds_in_force
from loopd.loop.data_sets import DataSets
from loopd.loop.labelled_test import FINGERPRINT
from loopd.loop.tools import Tools
from loopd.machine import Phase, State

_PACKAGES = ("argilla", "small-text", "torch", "transformers", "numpy", "scikit-learn")


def same_run(state: State, tools: Tools) -> None:
    """Refuse to go on with what is not the run of the journal; cheap, and changes nothing.

    Raises:
        RunError: labels, seed, pool or test set are not those of the journal.
    """
    refuse_changes(state, tools.config, tools.data)


def refuse_changes(state: State, config: Config, data: DataSets, but: Collection[str] = ()) -> None:
    """Refuse a configuration or data that are not those of the journal.

    Args:
        state: what the journal says.
        config, data: as they are now.
        but: what may be another.

    Raises:
        RunError: labels, seed, pool or test set are others.
    """
    if state.started is None:
        return
    begun = state.started
    labels, seed, _, test = _identity(config, data)
    same = {
        "the labels": begun.labels == labels,
        "the seed": begun.seed == seed,
        "the pool": is_pool_of(state, data.pool) and not data.news.is_other,
        "the test set": begun.test_fingerprint == test,
    }
    changed = [name for name, is_same in same.items() if not is_same and name not in but]
    if changed:
        raise RunError(
            f"{' and '.join(changed)} changed since this run began",
            "restore what changed, or begin a new run: another run.dir and argilla.dataset",
        )


def is_pool_of(state: State, pool: Pool) -> bool:
    """Whether the run of the journal works with this pool, or with what it was before it grew."""
    return pool.size_at(state.pool_fingerprint) is not None


def pool_changed(state: State, data: DataSets, now: float) -> PoolChanged | None:
    """What has become of a pool in Argilla since the run looked last, ``None`` for nothing."""
    pool, gone = data.pool, data.gone | state.withdrawn
    added = len(pool) - (pool.size_at(state.pool_fingerprint) or 0)
    if not added and gone == state.gone:
        return None
    return PoolChanged(
        now,
        added,
        pool.fingerprint,
        gone=tuple(sorted(gone - state.gone)),
        back=tuple(sorted(state.gone - gone)),
    )


def begin(state: State, tools: Tools, dataset_id: str) -> Event | None:
    """The event with which this process begins, ``None`` when it simply goes on.

    Args:
        state: what the journal says.
        tools: the parts of the loop; the model is loaded once if anything is new.
        dataset_id: of the dataset that was found or made.

    Raises:
        RunError: the run began with another dataset.
        ModelError, ConfigError: classifier, strategy or stopping criteria cannot be used.
    """
    if state.started is not None and state.started.dataset_id != dataset_id:
        raise other_dataset()
    if tools.config.digest() != state.config_digest:
        check_parts(tools)
    return first_event(state, tools, dataset_id)


def first_event(state: State, tools: Tools, dataset_id: str) -> Event | None:
    """The event with which a process begins that was let in, ``None`` when it simply goes on."""
    digest, contenders = tools.config.digest(), _contenders(tools)
    is_same = digest == state.config_digest
    if is_same and not _has_other_contenders(state, contenders):
        return None
    if state.started is None:
        return started(tools, dataset_id)
    note = "an encoder or a recipe changed" if is_same else "the configuration changed"
    return RunResumed(tools.clock.wall(), digest, note, contenders)


def _contenders(tools: Tools) -> str:
    return contenders_digest(tools.config.classifier, tools.config.task.descriptions)


def _has_other_contenders(state: State, contenders: str) -> bool:
    """Whether a run that goes on has other classifiers to compare, by the same configuration."""
    return state.phase is not Phase.DONE and state.contenders not in ("", contenders)


def other_dataset() -> RunError:
    """The refusal of a dataset with which the run did not begin."""
    return RunError(
        "the Argilla dataset is not the one that this run began with",
        "restore argilla.url and argilla.dataset, or begin a new run in another run.dir",
    )


def check_parts(tools: Tools) -> None:
    """Refuse a model, strategy or criteria that cannot be used; loads the model once.

    Raises:
        ModelError, ConfigError: classifier, strategy or stopping criteria cannot be used.
    """
    check_extras(tools.config)
    check(tools.learner)
    check_criteria(tools.config.stopping.criteria, tools.learner.decision_classes)


def check_extras(config: Config) -> None:
    """Look for the packages that consensus and kind of task need, before people work.

    Raises:
        ModelError: a package is missing.
    """
    if config.consensus.strategy == "crowdlab":
        multiannotator.require()
    if config.task.type == "spans":
        lacking = [name for name in ("regex", "seqeval") if find_spec(name) is None]
        if lacking:
            raise ModelError(f"spans need {' and '.join(lacking)}", add_extra("spans"))


SINK_PACKAGES = {
    "tensorboard": ("tensorboard",),
    "mlflow": ("mlflow",),
    "mlflow with sqlite": ("mlflow", "sqlalchemy", "alembic"),
}
"""What a sink needs besides loopd itself."""


def check_sinks(config: Config) -> list[str]:
    """Look for the packages that the sinks need; returns the names of the sinks that are on.

    Raises:
        ConfigError: a package is missing.
    """
    sinks, wanted = config.sinks, []
    if sinks.tensorboard is not None:
        wanted.append("tensorboard")
    if sinks.mlflow is not None:
        local = sinks.mlflow.uri.startswith(SQLITE)
        wanted.append("mlflow with sqlite" if local else "mlflow")
    for name in wanted:
        lacking = [each for each in SINK_PACKAGES[name] if find_spec(each) is None]
        if lacking:
            sink = name.partition(" ")[0]
            raise ConfigError(f"sinks.{sink} needs {' and '.join(lacking)}", add_extra(sink))
    return [*(["csv"] if sinks.csv else []), *(name.partition(" ")[0] for name in wanted)]


def is_fresh(state: State) -> bool:
    """Whether nothing of the run can be in Argilla yet."""
    return not state.published and state.phase in (Phase.NEW, Phase.SEED)


def started(tools: Tools, dataset_id: str) -> RunStarted:
    """The first event of a run with these parts."""
    labels, seed, pool, test = _identity(tools.config, tools.data)
    return RunStarted(
        at=tools.clock.wall(),
        config_digest=tools.config.digest(),
        seed=seed,
        labels=labels,
        pool_fingerprint=pool,
        test_fingerprint=test,
        dataset_id=dataset_id,
        versions=versions(),
        random_share=tools.config.audit.share,
        folds=folds_in_force(tools.config, State()),
        texts=len(tools.data.pool),
        draw_order=HASHED,
        contenders=_contenders(tools),
    )


def versions() -> dict[str, str]:
    """Versions of loopd, Python and the packages that shape the results."""
    found = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"loopd": __version__, "python": platform.python_version(), **found}


def _identity(config: Config, data: DataSets) -> tuple[tuple[str, ...], int, str, str]:
    """Labels, seed, and fingerprints of pool and test set: what makes it this run."""
    test = data.test.fingerprint if data.test is not None else ""
    if config.test_ask:
        test = FINGERPRINT
    return config.task.labels, config.run.seed, data.pool.fingerprint, test
