"""What is wrong with a cluster is said in one line, before anything is encoded."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from loopd import errors
from loopd.compute.engine import LOCAL
from loopd.compute.ray_engine import RayEngine, engine_of
from loopd.compute.ray_workers import WorkerNeeds
from loopd.compute.shard_worker import Failure, ShardWorker, WorkerFacts, facts
from loopd.config import ComputeSection
from loopd.config_file import parse_config
from loopd.errors import ConfigError, LoopdError

MINIMAL = {"task": {"labels": ["a", "b"]}, "pool": {"path": "pool.csv"}}


@pytest.fixture(autouse=True)
def _no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))


def engine(address: str) -> RayEngine:
    return RayEngine(address, WorkerNeeds(1))


@pytest.mark.parametrize("address", ["auto", "local", "10.0.0.5:6379", "head:1", "[::1]:6379"])
def test_addresses(address: str) -> None:
    assert ComputeSection(engine="ray", address=address).address == address


@pytest.mark.parametrize("address", ["", "ray://h:1", "head", "head:", "head:0", "head:70000"])
def test_no_addresses(address: str) -> None:
    content = {**MINIMAL, "compute": {"engine": "ray", "address": address}}
    with pytest.raises(ConfigError, match=r"compute.address.*HOST:PORT"):
        parse_config(content, Path.cwd())


def test_the_engine_is_no_other_run() -> None:
    here = parse_config(MINIMAL, Path.cwd())
    there = parse_config({**MINIMAL, "compute": {"engine": "ray"}}, Path.cwd())
    assert here.digest() == there.digest()


def test_this_process_does_the_work_unless_told_otherwise() -> None:
    assert engine_of(ComputeSection(), None, "auto") is LOCAL
    results = LOCAL.run(pow, 2, [1, 2, 3], lambda: None)
    assert list(results) == [2, 4, 8]


def test_ray_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match="the package ray is not installed") as error:
        engine("local").describe()
    assert "[ray]" in error.value.hint


def test_no_cluster_on_this_machine() -> None:
    with pytest.raises(ConfigError, match="no Ray cluster runs on this machine") as error:
        engine("auto").describe()
    assert "ray start --head" in error.value.hint


def test_nobody_listens() -> None:
    with socket.socket() as taken:  # bound, and deaf
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigError, match=f"no Ray cluster at {address}: .*refused"):
            engine(address).describe()


def test_the_last_cluster_of_this_machine_is_gone(tmp_path: Path) -> None:
    (tmp_path / "ray").mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        (tmp_path / "ray/ray_current_cluster").write_text(address)
        with pytest.raises(ConfigError, match=f"no Ray cluster at {address}"):
            engine("auto").describe()


@pytest.mark.parametrize(
    "kind", [kind for kind in vars(errors).values() if isinstance(kind, type)], ids=str
)
def test_errors_come_back_as_they_were(kind: type[LoopdError]) -> None:
    error = kind("what is wrong") if kind is errors.UnexpectedError else kind("what", "do this")
    again = Failure.of(error).error()
    assert (type(again), again.message, again.hint) == (kind, error.message, error.hint)


def test_versions_are_compared() -> None:
    mine = facts()
    assert mine.unlike(facts()) == ""
    older = WorkerFacts({**mine.versions, "loopd": "0.0.1"}, "a", 1)
    assert older.unlike(mine) == f"loopd 0.0.1 and not {mine.versions['loopd']}"
    bare = WorkerFacts({key: mine.versions[key] for key in ("loopd", "Python")}, "a", 1)
    assert "is missing" in bare.unlike(mine)


def refused(common: str, piece: int) -> None:
    raise ConfigError(f"{common} {piece}", "a hint")


def test_a_worker_sends_errors_of_its_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path.cwd())  # which is put back
    worker = ShardWorker(str(tmp_path))
    worker._kept["k"] = "what all share"
    found = worker.do(refused, "k", [], 3)
    assert found == Failure("ConfigError", "what all share 3", "a hint")
    assert Path.cwd() == tmp_path
