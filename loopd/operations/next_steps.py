"""Owns what can be done with a run that is over, as commands to paste; pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loopd.config import Config
from loopd.machine import Phase, State

LIMITS = {
    "label_budget": "stopping.label_budget",
    "max_rounds": "stopping.max_rounds",
    "target_accuracy": "stopping.target_accuracy",
}
"""The key that ended a run, by the reason in the journal; the other reasons are criteria."""

EXHAUSTED = "pool_exhausted"

ACCOUNTS = "accounts.json"
"""Where an embedded Argilla keeps its keys, in its home."""


@dataclass(frozen=True, slots=True)
class NextStep:
    """Something to do.

    Attributes:
        what: it is, in a few words.
        command: that does it.
    """

    what: str
    command: str


def next_steps(state: State, config: Config) -> tuple[NextStep, ...]:
    """What to do with a finished run; nothing as long as it goes on."""
    return tuple(_steps(state, config)) if state.phase is Phase.DONE else ()


def step_lines(steps: tuple[NextStep, ...]) -> Iterator[str]:
    """The same for a terminal, a line for each thing and its command."""
    for step in steps:
        yield f"{step.what}:"
        yield f"  {step.command}"


def _steps(state: State, config: Config) -> Iterator[NextStep]:
    name, out = _names(config)
    if state.trained:
        yield NextStep("Label the whole table", f"loopd predict {name} --out {out}")
    yield NextStep("Take out labels and model", f"loopd export {name}")
    yield NextStep("Write the report", f"loopd report {name}")
    if more := _more(state, config):
        yield NextStep(more, f"loopd {_beginning(config)} {name}")


def _more(state: State, config: Config) -> str:
    """What lets the run go on; empty where nothing does."""
    reason = state.stopped.reason if state.stopped is not None else EXHAUSTED
    if reason == EXHAUSTED:
        return ""
    key = LIMITS.get(reason)
    if key is None:
        return f"Go on: take `stop: true` from `{reason}` in stopping.criteria, then"
    limit = getattr(config.stopping, reason)
    now = "" if limit is None else f" (now {limit})"
    return f"Go on: raise {key}{now} in the configuration, then"


def _beginning(config: Config) -> str:
    """The command that goes on: with an Argilla beside the configuration it brings that too."""
    key = config.argilla.api_key_file
    is_ours = key is not None and key.name == ACCOUNTS and key.parent.parent == config.folder
    return "start" if is_ours else "run"


def _names(config: Config) -> tuple[str, str]:
    """The configuration as it is typed, and a table beside it."""
    file = config.file
    if file is None:
        return "CONFIG", "predicted.csv"
    out = file.with_name(f"{file.stem}-predicted.csv")
    return shlex.quote(_shown(file)), shlex.quote(_shown(out))


def _shown(path: Path) -> str:
    """Relative to the working folder where it lies in it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
