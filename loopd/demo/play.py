"""Owns what a demo plays: the bundled sample data, or a configuration of the user's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopd.config import Config, DataSection
from loopd.config_file import load_config
from loopd.data.reading import read_pool
from loopd.demo import sample_data
from loopd.errors import ConfigError
from loopd.oracle.oracle import OracleTask
from loopd.oracle.rehearsal import oracle_task, refuse_argilla
from loopd.records import Target
from loopd.tasks.registry import build_task
from loopd.tasks.single_label import SingleLabelTask

DATASET = "customer-questions"
WORKSPACE = "loopd"
QUESTION = "label"
TITLE = "What does the customer ask for?"
SAMPLE_ROUNDS = 9

Sections = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Play:
    """What is played.

    Attributes:
        sections: the daemon's configuration, without the server's address.
        task: what the simulated people are asked, and what is right.
        folder: where the daemon works, so that dotted paths of a configuration are found.
        rounds: rounds after which it ends unless told otherwise; ``None``: as configured.
    """

    sections: Sections
    task: OracleTask
    folder: Path
    rounds: int | None


def sample_play(by_hand: bool = False) -> Play:
    """The bundled customer questions.

    Args:
        by_hand: real people label, and must not wait.
    """
    return Play(sample_sections(by_hand), sample_task(), Path.cwd(), SAMPLE_ROUNDS)


def config_play(path: Path, by_hand: bool = False) -> Play:
    """A configuration of the user's; the labels of its pool play the people.

    Args:
        path: of the configuration.
        by_hand: real people label, and nobody knows what is right.

    Raises:
        ConfigError: simulated people label, and the pool's label column is not named.
    """
    config = load_config(path)
    refuse_argilla(config)
    return Play(_sections(config), _task_of(config, by_hand), config.folder, rounds=None)


def _task_of(config: Config, by_hand: bool) -> OracleTask:
    if by_hand:
        there = config.argilla
        return OracleTask(there.workspace, there.dataset, build_task(config.task), gold={})
    if config.pool.label is None:
        raise ConfigError(
            "simulated people need `pool.label`, the column with the right labels",
            "name it, or label yourself with --label-yourself",
        )
    return oracle_task(config, config.pool.label)


def sample_task() -> OracleTask:
    """The bundled data set as the simulated people know it."""
    section = DataSection.model_validate(
        {"path": sample_data.POOL_FILE, "id": "id", "label": "label"}
    )
    pool, _ = read_pool(section, labels=sample_data.LABELS)
    gold: dict[str, Target] = {record.id: record.gold for record in pool if record.gold is not None}
    task = SingleLabelTask(sample_data.LABELS, QUESTION, "text", TITLE)
    return OracleTask(WORKSPACE, DATASET, task, gold)


def sample_sections(by_hand: bool = False) -> Sections:
    """The configuration of the sample data; its files lie beside it."""
    return {
        "run": {"dir": "run"},
        "argilla": {"workspace": WORKSPACE, "dataset": DATASET, "max_backoff": 2.0},
        "task": {
            "labels": list(sample_data.LABELS),
            "question": QUESTION,
            "title": TITLE,
            "guidelines": sample_data.GUIDELINES,
        },
        "pool": _data(sample_data.POOL_FILE),
        "test": _data(sample_data.TEST_FILE),
        "queue": {
            "batch_size": 20,
            # Whole batches otherwise: simulated people answer ten times as fast as real ones.
            "low_watermark": "auto" if by_hand else 0,
            "poll_interval": 0.5,
            "sweep_interval": 10.0,
        },
        "log": {"format": "text"},
    }


def merged(sections: Mapping[str, Mapping[str, Any]], changes: Sections) -> Sections:
    """The sections with some keys replaced or added."""
    names = [*sections, *(name for name in changes if name not in sections)]
    return {name: {**sections.get(name, {}), **changes.get(name, {})} for name in names}


def _sections(config: Config) -> Sections:
    """Everything the configuration says, with its data where it lies and its run in the demo."""
    dumped: Sections = {
        name: values
        for name, values in config.model_dump(mode="json").items()
        if values is not None
    }
    changes: Sections = {
        "run": {"dir": "run"},
        # The embedded server's own key, never the person's.
        "argilla": {
            "api_key_env": "ARGILLA_API_KEY",
            "api_key_file": None,
            "api_key_command": None,
            "give_up_after": None,
        },
        "log": {"format": "text"},
        # A rehearsal is no round of the real run.
        "sinks": {"csv": False, "tensorboard": None, "mlflow": None},
    }
    return merged(dumped, changes)


def _data(source: Path) -> dict[str, str]:
    return {"path": f"data/{source.name}", "id": "id", "text": "text", "label": "label"}
