"""Owns the workers of a Ray cluster: where they are started, who is free, and who was lost.

Must not know what work there is. Imports Ray at the first use.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from loopd.compute.schedule import PieceOutcome
from loopd.compute.shard_worker import Failure, ShardWorker, WorkerFacts, facts
from loopd.errors import ConfigError, ModelError, UnexpectedError
from loopd.installation import add_extra

SHARE = 0.9
"""Of a machine's CPUs that the workers on it ask for: with all of them, and one thing more to be
started there, Ray waits for ever."""

PATIENCE = 120.0
"""Seconds in which one worker must have begun."""

LATECOMERS = 15.0
"""Seconds that are waited for further workers: others may hold the CPUs of a machine for days."""

Reference: TypeAlias = Any
"""Ray's reference to a result that may not be there yet."""


@dataclass(frozen=True)
class WorkerNeeds:
    """What a worker is given.

    Attributes:
        threads: CPU threads, as many as the process that waits would use: the last bits of sums
            depend on their number.
        gpu: whether a GPU may do the work.
    """

    threads: int
    gpu: bool = True


@dataclass(eq=False)
class WorkerHandle:
    """A worker that was started.

    Attributes:
        actor: Ray's handle.
        node: Ray's name of its machine.
        ready: the reference to its first words; ``None`` once they were heard.
        task: number and reference of the piece that it does; ``None`` for none.
    """

    actor: Any
    node: str
    ready: Reference | None
    task: tuple[int, Reference] | None = None

    @property
    def is_free(self) -> bool:
        """Whether it can be given a piece."""
        return self.ready is None and self.task is None

    @property
    def awaited(self) -> Reference | None:
        """The reference to what it says next."""
        return self.ready if self.task is None else self.task[1]


class RayWorkers:
    """All workers of the cluster that Ray is connected to.

    Args:
        needs: what each is given.
    """

    def __init__(self, needs: WorkerNeeds) -> None:
        self._needs = needs
        self._workers: list[WorkerHandle] = []
        self._begin: Callable[[Any, int], Reference] = _nothing_to_do
        self._begun = time.monotonic()

    @property
    def size(self) -> int:
        """How many there are."""
        return max(1, len(self._workers))

    @property
    def nodes(self) -> int:
        """On how many machines they are."""
        return len({worker.node for worker in self._workers})

    def take_on(self, start: Callable[[Any, int], Reference]) -> None:
        """Work on other pieces from now on.

        Args:
            start: gives the reference to the result of a piece by an actor.
        """
        self._begin = start
        self._begun = time.monotonic()
        self.recruit()

    def recruit(self) -> None:
        """Start workers wherever there should be more of them; forget those of lost machines."""
        import ray

        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        self._workers = [
            worker for worker in self._workers if worker.task is not None or worker.node in alive
        ]
        for node, count, resources in _places(self._needs):
            here = sum(worker.node == node for worker in self._workers)
            for _ in range(count - here):
                self._workers.append(_started(node, resources, self._needs.threads))

    def give(self, number: int) -> bool:
        """Hand out a piece; whether somebody was free."""
        for worker in self._workers:
            if worker.is_free:
                worker.task = number, self._begin(worker.actor, number)
                return True
        return False

    def finished(self, seconds: float) -> list[PieceOutcome[object]]:
        """What has become of pieces.

        Raises:
            ConfigError: a worker has other versions, or none can begin.
            ModelError: there are no workers any more.
            LoopdError: what the work raised.
        """
        import ray

        awaited = {worker.awaited: worker for worker in self._workers if worker.awaited is not None}
        if not awaited:
            if not self._workers:
                self.recruit()
                self._refuse_none()
                time.sleep(seconds)
            return []
        done, _ = ray.wait(list(awaited), num_returns=len(awaited), timeout=0)
        if not done:
            done, _ = ray.wait(list(awaited), timeout=seconds)
        self._refuse_none()
        heard = [self._heard(awaited[reference], reference) for reference in done]
        return [outcome for outcome in heard if outcome is not None]

    def abandon(self) -> None:
        """End those that still work; others take their place when there is work again."""
        import ray

        for worker in [worker for worker in self._workers if worker.task is not None]:
            self._workers.remove(worker)
            ray.kill(worker.actor)
        self._begin = _nothing_to_do  # it holds what the pieces share

    def wait_for_all(self, interrupt: Callable[[], None], seconds: float) -> list[WorkerFacts]:
        """Start them and let each say who it is.

        Raises:
            ConfigError: as ``finished``.
        """
        import ray
        from ray.exceptions import RayError

        self._begun = time.monotonic()
        self.recruit()
        until = time.monotonic() + PATIENCE
        while any(worker.ready is not None for worker in self._workers):
            interrupt()
            if any(worker.ready is None for worker in self._workers):
                until = min(until, time.monotonic() + LATECOMERS)
            if time.monotonic() > until:
                break
            self.finished(seconds)
        found: list[WorkerFacts] = []
        for worker in [worker for worker in self._workers if worker.is_free]:
            with contextlib.suppress(RayError):  # it was lost since, as may happen at any time
                found.append(ray.get(worker.actor.facts.remote(), timeout=LATECOMERS))
        return found

    def _heard(self, worker: WorkerHandle, reference: Reference) -> PieceOutcome[object] | None:
        import ray
        from ray.exceptions import RayError, RayTaskError

        task, is_first = worker.task, worker.task is None
        try:
            result: object = ray.get(reference)
        except RayTaskError as error:
            raise UnexpectedError(f"a worker of the Ray cluster: {_reason(error)}") from error
        except RayError as error:
            return self._lost(worker, error)
        if is_first and isinstance(result, WorkerFacts):
            _refuse_unlike(result)
            worker.ready = None
            return None
        worker.task = None
        if isinstance(result, Failure):
            raise result.error()
        return PieceOutcome(task[0] if task else 0, result)

    def _lost(self, worker: WorkerHandle, error: Exception) -> PieceOutcome[object] | None:
        self._workers.remove(worker)
        if worker.task is None:
            reason = _reason(error)
            if "No module named" in reason:
                raise ConfigError(
                    f"a machine of the Ray cluster cannot import loopd: {reason}",
                    f"install the same loopd on all of them: {add_extra('ray')}",
                )
            return None
        self.recruit()
        return PieceOutcome(worker.task[0], lost=_reason(error))

    def _refuse_none(self) -> None:
        """Somebody must begin within a while.

        Raises:
            ModelError: nobody has.
        """
        if any(worker.ready is None for worker in self._workers):
            self._begun = time.monotonic()
        elif time.monotonic() > self._begun + PATIENCE:
            raise ModelError(
                f"no worker of the Ray cluster has begun within {PATIENCE:.0f} s",
                "see with `ray status` whether its machines are there and its CPUs are free",
            )


def _nothing_to_do(actor: Any, number: int) -> Reference:  # Ray's
    raise LookupError(f"nobody has said what piece {number} of {actor} is")


def _places(needs: WorkerNeeds) -> list[tuple[str, int, dict[str, float]]]:
    """For each machine its name, how many workers belong there, and what each asks for.

    One for each GPU where any machine has one, as a CPU would be the last one to be waited for;
    else as many as have room for their threads.
    """
    import ray

    nodes = [node for node in ray.nodes() if node["Alive"]]
    gpus = {node["NodeID"]: int(node["Resources"].get("GPU", 0)) for node in nodes}
    if needs.gpu and any(gpus.values()):
        each = {"num_gpus": 1.0, "num_cpus": 0.1}
        return [(name, count, each) for name, count in gpus.items() if count]
    places = []
    for node in nodes:
        cpus = float(node["Resources"].get("CPU", 0))
        if cpus:
            count = max(1, int(cpus // needs.threads))
            places.append((node["NodeID"], count, {"num_cpus": _share(cpus, count)}))
    return places


def _share(cpus: float, count: int) -> float:
    """CPUs that each of so many workers asks for; above 1 Ray takes whole numbers only."""
    share = SHARE * cpus / count
    return round(share, 2) if share < 1 else float(int(share))


def _started(node: str, resources: dict[str, float], threads: int) -> WorkerHandle:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    actor = (
        ray.remote(ShardWorker)
        .options(
            **resources,
            max_restarts=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
            runtime_env={"env_vars": worker_environment(threads)},
        )
        .remote(str(Path.cwd()))
    )
    return WorkerHandle(actor, node, actor.facts.remote())


def worker_environment(threads: int) -> dict[str, str]:
    """Variables of a worker: its threads, and where loopd lies if it is not installed."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = dict.fromkeys(names, str(threads))
    for name in ("HF_HOME", "HF_HUB_OFFLINE"):
        if name in os.environ:
            environment[name] = os.environ[name]
    home = Path(__file__).parents[2]
    if home.name not in ("site-packages", "dist-packages"):
        before = os.environ.get("PYTHONPATH", "")
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(home), before]))
    return environment


def _refuse_unlike(theirs: WorkerFacts) -> None:
    difference = theirs.unlike(facts())
    if difference:
        raise ConfigError(
            f"{theirs.node}, a machine of the Ray cluster, has {difference}",
            "install the same versions on all machines: the results depend on them",
        )


def _reason(error: Exception) -> str:
    """The last line of what Ray says, in which the error itself stands."""
    lines: Sequence[str] = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if "Error" in line.partition(":")[0]]
    return (named or lines or [type(error).__name__])[-1][:200]
