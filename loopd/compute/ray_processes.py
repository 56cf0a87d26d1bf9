"""Owns processes on the machines of a Ray cluster that are spoken to line by line.

Must not know what they work on. Imports Ray at the first use.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopd.compute.processes import LocalProcess
from loopd.compute.ray_engine import connect
from loopd.compute.ray_workers import worker_environment
from loopd.errors import ModelError

LISTEN_SECONDS = 1.0
"""How long a machine waits for the next line before it says that there is none yet."""

ANSWER_SECONDS = 30.0
"""Time in which a machine must answer anything else."""

LITTLE = 0.01
"""CPUs that Ray is asked for: the places are counted here, and nobody may wait for one that all the
others keep to the end."""


class ProcessHost:
    """A process on its machine; Ray starts it as an actor.

    Args:
        folder: the working folder of the process that speaks to it.
        arguments: behind this machine's Python.
        variables: of the environment, besides those that the machine has.
        log_file: see :class:`~loopd.compute.processes.LocalProcess`.
    """

    def __init__(
        self, folder: str, arguments: Sequence[str], variables: Mapping[str, str], log_file: Path
    ) -> None:
        with contextlib.suppress(OSError):  # absent here: then paths had better be absolute
            os.chdir(folder)
        command, environment = [sys.executable, *arguments], {**os.environ, **variables}
        self._process = LocalProcess(command, environment, log_file)
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def write(self, line: str) -> bool:
        """Give it a line; whether it still reads."""
        try:
            self._process.write(line)
        except BrokenPipeError:
            return False
        return True

    def heard(self) -> list[str | None]:
        """What it wrote since, ``None`` at its end; waits a moment for the first line."""
        found: list[str | None] = []
        with contextlib.suppress(queue.Empty):
            found.append(self._lines.get(timeout=LISTEN_SECONDS))
            while True:
                found.append(self._lines.get_nowait())
        return found

    def close_input(self) -> None:
        """Tell it to end."""
        self._process.close_input()

    def code(self) -> int | None:
        """Its exit code; ``None`` as long as it works."""
        try:
            return self._process.wait(0.1)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def _listen(self) -> None:
        for line in self._process.lines():
            self._lines.put(line)
        self._lines.put(None)


class RemoteProcess:
    """A process on another machine, as :class:`~loopd.compute.processes.LineProcess`.

    Args:
        host: Ray's handle of a :class:`ProcessHost`.
    """

    def __init__(self, host: Any) -> None:
        self.is_lost = False
        self._host = host

    def write(self, line: str) -> None:
        """Give it a line."""
        if self._answer("write", line) is not True:
            raise BrokenPipeError

    def lines(self) -> Iterator[str]:
        """What it writes; also ends when its machine does."""
        import ray
        from ray.exceptions import RayError

        while True:
            try:
                found: list[str | None] = ray.get(self._host.heard.remote())
            except RayError:
                self.is_lost = True
                return
            for line in found:
                if line is None:
                    return
                yield line

    def close_input(self) -> None:
        """Tell it to end."""
        self._answer("close_input")

    def wait(self, seconds: float | None = None) -> int:
        """Its exit code; that of a killed process where its machine is gone."""
        left = ANSWER_SECONDS if seconds is None else seconds
        while (code := self._answer("code")) is None and not self.is_lost:
            left -= 0.1
            if left < 0:
                raise subprocess.TimeoutExpired("a process of the Ray cluster", seconds or 0)
        return -9 if self.is_lost or not isinstance(code, int) else code

    def kill(self) -> None:
        """End it at once."""
        self._answer("kill")

    def close(self) -> None:
        """Let its host go."""
        import ray

        ray.kill(self._host)

    def _answer(self, method: str, *arguments: str) -> object:
        import ray
        from ray.exceptions import GetTimeoutError, RayError

        answer = self._host.__getattr__(method).remote(*arguments)
        try:
            return ray.get(answer, timeout=ANSWER_SECONDS)
        except GetTimeoutError:  # a machine that is slow is not lost; a line reaches it later
            return True if method == "write" else None
        except RayError:
            self.is_lost = True
            return None


@dataclass(frozen=True)
class ClusterPlaces:
    """Where processes may be started, in turn.

    Attributes:
        nodes: Ray's name of each machine, once for each process that has room there.
    """

    nodes: tuple[str, ...]

    @classmethod
    def of(cls, address: str, threads: int) -> ClusterPlaces:
        """Those of a cluster, for processes of so many threads.

        Raises:
            ConfigError: the cluster cannot be used.
        """
        connect(address)
        import ray

        nodes = [node for node in ray.nodes() if node["Alive"]]
        rooms = {
            node["NodeID"]: int(float(node["Resources"].get("CPU", 0)) // threads) for node in nodes
        }
        turns = range(max(rooms.values(), default=0))
        return cls(tuple(name for turn in turns for name, room in rooms.items() if turn < room))

    def starter(self, arguments: Sequence[str], threads: int, log_file: Path) -> Starter:
        """What starts one process after the other.

        Args:
            arguments: behind each machine's Python.
            threads: CPU threads of each.
            log_file: takes what they write on standard error.
        """
        return Starter(
            itertools.cycle(self.nodes), len(self.nodes), tuple(arguments), threads, log_file
        )


@dataclass(frozen=True)
class Starter:
    """Starts processes on one machine after the other.

    Attributes:
        nodes: without end.
        count: how many of them are one turn.
        arguments, threads, log_file: of each process.
    """

    nodes: Iterator[str]
    count: int
    arguments: Sequence[str]
    threads: int
    log_file: Path

    def __call__(self) -> RemoteProcess:
        """A process on the next machine that is there."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        turn = itertools.islice(self.nodes, self.count)
        node = next((name for name in turn if name in alive), None)
        if node is None:
            raise ModelError(
                "all machines of the Ray cluster on which runs were begun are gone",
                "start again to go on, on the machines that are there then",
            )
        variables = worker_environment(self.threads)
        actor = (
            ray.remote(ProcessHost)
            .options(
                num_cpus=LITTLE,
                max_concurrency=4,  # a line may be written while the next one is waited for
                scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=True),
                runtime_env={"env_vars": variables},
            )
            .remote(str(Path.cwd()), self.arguments, variables, self.log_file.absolute())
        )
        return RemoteProcess(actor)
