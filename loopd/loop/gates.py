"""Owns the list of everything that may keep a run from beginning: ``run`` and ``check`` walk it.

Must not take or make anything itself: what a run takes, and a check only looks at, is the visit's.
A new reason to refuse a run before it publishes is a new gate here, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from loopd.annotation.server_version import ServerVersion
from loopd.config import Config
from loopd.errors import AuthError, StorageError
from loopd.evaluation.stopping import check_criteria
from loopd.learning.auto_classifiers import check
from loopd.learning.learner import Learner
from loopd.loop.asked_once import refuse_without_vectors
from loopd.loop.data_sets import DataSets
from loopd.loop.start_or_resume import check_extras, check_sinks, other_dataset, refuse_changes
from loopd.machine import Phase, State
from loopd.storage.files import free_bytes, probe_atomic, probe_folder
from loopd.storage.run_folder import (
    CACHE_FOLDER,
    HEARTBEAT_NAME,
    METRICS_NAME,
    MODELS_FOLDER,
    PEOPLE_NAME,
    POOL_FOLDER,
    RUN_ID_NAME,
    TOKENS_FOLDER,
)

LEAST_ROOM = 16 * 2**20
"""Bytes on the disk with which a run may begin."""

CACHES = (MODELS_FOLDER, TOKENS_FOLDER)
"""Folders below ``cache`` in which the learner writes."""


class Visit(Protocol):
    """Who comes to the gates: a run, which takes what it passes, or a check, which only looks.

    Every method may raise the ``LoopdError`` with which a run ends there. ``state``, ``datasets``
    and ``learner`` are what the gates before have let through.
    """

    @property
    def config(self) -> Config:
        """Of the run."""

    @property
    def state(self) -> State:
        """What the journal says."""

    @property
    def datasets(self) -> DataSets:
        """Pool and test set."""

    @property
    def learner(self) -> Learner:
        """Over the pool."""

    @property
    def is_new(self) -> bool:
        """Whether no run has worked with this configuration yet: then the model is loaded."""

    def lock(self) -> None:
        """One daemon for each run."""

    def open_journal(self) -> None:
        """Read it, from its beginning."""

    def read_data(self) -> None:
        """Read pool and test set."""

    def take_key(self) -> None:
        """Find the API key."""

    def open_door(self) -> None:
        """Listen for Argilla's webhooks, if they are on."""

    def account(self) -> tuple[str, str]:
        """Name and role of the key's account."""

    def server(self) -> ServerVersion:
        """What the server says that it is."""

    def look_at_dataset(self) -> str:
        """What there is to say of the dataset; nothing is changed."""

    def open_dataset(self) -> str:
        """Make it if it is not there, and hold it for the run."""

    def holds(self, dataset_id: str) -> bool:
        """Whether that is the dataset."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A reason why a run may be refused.

    Attributes:
        name: of what it looks at.
        look: returns what there is to say of it, may be empty.
        needs: names of the gates without which it cannot be looked at.

    Where it refuses, ``look`` raises a ``LoopdError``.
    """

    name: str
    look: Callable[[Visit], str]
    needs: tuple[str, ...] = ()


def _sinks(visit: Visit) -> str:
    names = check_sinks(visit.config)
    return f"the rounds are also written to {', '.join(names)}" if names else ""


def _folder(visit: Visit) -> str:
    visit.lock()
    folder = visit.config.run.dir
    for name in (METRICS_NAME, HEARTBEAT_NAME, PEOPLE_NAME, RUN_ID_NAME):
        probe_atomic(folder / name)
    for name in CACHES:
        probe_folder(folder / CACHE_FOLDER / name)
    probe_folder(folder / POOL_FOLDER)
    return ""


def _disk(visit: Visit) -> str:
    folder = visit.config.run.dir
    room = free_bytes(folder)
    if room < LEAST_ROOM:
        raise StorageError(
            f"only {room / 2**20:.1f} MB are free on the disk of {folder}",
            f"free some space: a run begins with {LEAST_ROOM / 2**20:.0f} MB at least",
        )
    return ""


def _journal(visit: Visit) -> str:
    visit.open_journal()
    folder, phase = visit.config.run.dir, visit.state.phase
    if phase is Phase.NEW:
        return f"a new run will begin in {folder}"
    return f"{folder} holds a run in phase {phase.value}"


def _data(visit: Visit) -> str:
    visit.read_data()
    return ""


def _key(visit: Visit) -> str:
    visit.take_key()
    return ""


def _door(visit: Visit) -> str:
    visit.open_door()
    return ""


def _same_run(visit: Visit) -> str:
    refuse_changes(visit.state, visit.config, visit.datasets)
    return ""


def _packages(visit: Visit) -> str:
    check_extras(visit.config)
    return ""


def _model(visit: Visit) -> str:
    refuse_without_vectors(visit.config, visit.learner)
    return check(visit.learner) if visit.is_new else ""


def _stopping(visit: Visit) -> str:
    criteria = visit.config.stopping.criteria
    if visit.is_new:
        check_criteria(criteria, visit.learner.decision_classes)
    return f"criteria on record: {', '.join(criterion.name for criterion in criteria) or 'none'}"


def _account(visit: Visit) -> str:
    name, role = visit.account()
    url = visit.config.argilla.url
    if role == "annotator":
        raise AuthError(
            f"the account may not do this on {url}: `{name}` is an annotator, who manages no "
            "datasets",
            "use the key of an owner, or of an admin who is a member of the workspace",
        )
    return f"{url} answers; account `{name}` ({role})"


def _server(visit: Visit) -> str:
    version = visit.server()
    version.refuse_old(visit.config.argilla.url)
    return f"{version}"


def _dataset(visit: Visit) -> str:
    return visit.look_at_dataset()


def _same_dataset(visit: Visit) -> str:
    begun = visit.state.started
    if begun is not None and not visit.holds(begun.dataset_id):
        raise other_dataset()
    return ""


def _hold(visit: Visit) -> str:
    return visit.open_dataset()


GATES: tuple[Gate, ...] = (
    Gate("sinks", _sinks),
    Gate("folder", _folder),
    Gate("disk", _disk, ("folder",)),
    Gate("run", _journal),
    Gate("data", _data),
    Gate("key", _key),
    Gate("webhooks", _door, ("key",)),
    Gate("same run", _same_run, ("run", "data")),
    Gate("packages", _packages),
    Gate("model", _model),
    Gate("stopping", _stopping, ("model",)),
    Gate("argilla", _account, ("key",)),
    Gate("server", _server, ("argilla",)),
    Gate("dataset", _dataset, ("server", "run")),
    Gate("same dataset", _same_dataset, ("dataset",)),
    Gate("hold", _hold, ("same dataset",)),
)
"""In the order in which a run comes to them."""


def in_order(gates: Sequence[Gate], config: Config) -> Sequence[Gate]:
    """The same for a configuration: a pool in Argilla is read once Argilla answers."""
    if config.pool.argilla is None:
        return gates
    early = {gate.name: gate for gate in gates if gate.name in ("argilla", "data")}
    early["data"] = replace(early["data"], needs=("run", "argilla"))
    ordered: list[Gate] = []
    for gate in gates:
        ordered += [gate] if gate.name not in early else []
        ordered += [early["argilla"], early["data"]] if gate.name == "key" else []
    return ordered
