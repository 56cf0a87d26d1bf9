"""One list of gates: what ``run`` refuses before it publishes, ``check`` refuses in the same words.

Each gate has its plants; a gate without one fails here.
"""

from __future__ import annotations

import hashlib
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

import loopd.operations.check
from loopd.errors import LoopdError
from loopd.loop.daemon import run_daemon
from loopd.loop.data_sets import read_data
from loopd.loop.gates import GATES
from loopd.operations.check import Finding, check
from tests.daemon import write_csv
from tests.live import LiveArgilla
from tests.loop.conftest import LABELS
from tests.loop.plants import LIVE, NOWHERE, PLANTS, Plant, Site


@pytest.fixture
def make_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Site]]:
    monkeypatch.delenv("LOOPD_TEST_UNSET", raising=False)
    with ExitStack() as stack:

        def make(live: LiveArgilla | None = None) -> Site:
            name = f"gates-{uuid.uuid4().hex[:10]}"
            folder = tmp_path / name
            folder.mkdir()
            write_csv(folder / "pool.csv", 60, "r")
            write_csv(folder / "test.csv", 20, "t")
            monkeypatch.setenv("ARGILLA_API_KEY", live.owner_key if live else "a-key")
            site = Site(folder, monkeypatch, stack, live)
            site.settings = {
                "run": {"dir": "run", "seed": 1},
                "argilla": {"url": live.url if live else NOWHERE, "dataset": name, "timeout": 20},
                "task": {"labels": list(LABELS)},
                "pool": {"path": "pool.csv", "id": "id"},
                "test": {"path": "test.csv", "id": "id", "label": "label"},
                "classifier": {"name": "tfidf"},
                "strategy": {"name": "breaking_ties", "cold_start": "random_sampling"},
                "queue": {"batch_size": 6, "low_watermark": 0, "poll_interval": 0.1},
                "stopping": {"criteria": []},
                "dashboard": {"enabled": False},
            }
            return site

        yield make


def refusal_of_run(site: Site) -> LoopdError:
    with pytest.raises(LoopdError) as caught:
        run_daemon(site.config)
    return caught.value


def errors_of_check(site: Site) -> list[Finding]:
    return [finding for finding in check(site.config) if finding.level == "error"]


def same_words(site: Site, gate: str) -> None:
    """Check and run refuse at this gate, alike, and check does so once more after the run."""
    before = snapshot(site.folder)
    early = errors_of_check(site)
    assert snapshot(site.folder) == before, "check changed something"
    refusal = refusal_of_run(site)
    late = errors_of_check(site)
    for errors in (early, late):
        assert errors, "check finds nothing wrong"
        first = errors[0]
        assert (first.text, first.hint) == (refusal.message, refusal.hint)
        assert first.exit_code == refusal.exit_code
        assert first.topic == gate


def snapshot(folder: Path) -> dict[str, str]:
    """Every file with its content, every folder and link."""
    return {
        str(path.relative_to(folder)): str(path.readlink())
        if path.is_symlink()
        else hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for path in sorted(folder.rglob("*"))
    }


def cases(plants: dict[str, dict[str, Plant]]) -> list[Any]:
    return [
        pytest.param(gate, name, id=f"{gate}: {name}")
        for gate, named in plants.items()
        for name in named
    ]


@pytest.mark.parametrize(("gate", "name"), cases(PLANTS))
def test_check_refuses_what_run_refuses(
    make_site: Callable[..., Site], gate: str, name: str
) -> None:
    site = make_site()
    PLANTS[gate][name](site)
    same_words(site, gate)


@pytest.mark.integration
@pytest.mark.parametrize(("gate", "name"), cases(LIVE))
def test_check_refuses_what_run_refuses_of_argilla(
    make_site: Callable[..., Site], argilla: LiveArgilla, gate: str, name: str
) -> None:
    site = make_site(argilla)
    LIVE[gate][name](site)
    same_words(site, gate)


def test_each_gate_has_a_plant() -> None:
    names = [gate.name for gate in GATES]
    assert len(set(names)) == len(names)
    # What `dataset` has looked at is taken by `hold`: it refuses only what came since then.
    assert set(names) - {"hold"} == {*PLANTS, *LIVE}
    for gate in GATES:
        assert set(gate.needs) <= set(names[: names.index(gate.name)]), gate.name


def test_a_gate_that_only_run_knows_is_noticed(
    make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault that this module is about, planted."""
    site = make_site()
    PLANTS["folder"]["a file for the cache"](site)
    fewer = tuple(gate for gate in GATES if gate.name != "folder")
    monkeypatch.setattr(loopd.operations.check, "GATES", fewer)
    with pytest.raises(AssertionError):
        same_words(site, "folder")


def test_check_tells_everything_and_ends_with_what_run_ends_with(
    make_site: Callable[..., Site],
) -> None:
    site = make_site()
    for gate, name in (
        ("run", "of a newer loopd"),
        ("model", "a misspelt classifier"),
        ("argilla", "away"),
    ):
        PLANTS[gate][name](site)
    errors = errors_of_check(site)
    assert [error.topic for error in errors] == ["run", "model", "argilla"]
    assert refusal_of_run(site).exit_code == errors[0].exit_code


@pytest.mark.integration
def test_check_changes_nothing_where_all_is_well(
    make_site: Callable[..., Site], argilla: LiveArgilla
) -> None:
    site = make_site(argilla)
    before, datasets = snapshot(site.folder), names_of_datasets(argilla)
    seen: list[str] = []
    findings = list(check(site.config, seen.append))
    assert [finding for finding in findings if finding.level == "error"] == []
    assert seen == [gate.name for gate in GATES]
    assert snapshot(site.folder) == before
    assert names_of_datasets(argilla) == datasets
    store = site.store(ours=True)
    site.begin(store.open(read_data(site.config).pool, fresh=True))
    before = snapshot(site.folder)
    assert errors_of_check(site) == []
    assert snapshot(site.folder) == before


def names_of_datasets(argilla: LiveArgilla) -> list[str]:
    headers = {"X-Argilla-Api-Key": argilla.owner_key}
    listed = httpx.get(f"{argilla.url}/api/v1/me/datasets", headers=headers).json()["items"]
    return sorted(dataset["name"] for dataset in listed)


def reading(site: Site, **classifier: object) -> list[Finding]:
    site.settings["classifier"] = classifier
    return [finding for finding in check(site.config) if finding.topic == "reading"]


@pytest.mark.integration
def test_what_the_model_does_not_read_is_a_warning(make_site: Callable[..., Site]) -> None:
    site = make_site()
    assert reading(site, name="tfidf") == []
    (fine,) = reading(site, name="frozen-head")
    assert (fine.level, fine.hint) == ("ok", "")
    (warning,) = reading(site, name="frozen-head", max_tokens=8)
    assert warning.level == "warning"
    assert "texts are longer than 8 tokens" in warning.text
    assert "never read" in warning.text
    assert "classifier.windows" in warning.hint
    (whole,) = reading(site, name="frozen-head", max_tokens=8, windows="mean")
    assert (whole.level, whole.hint) == ("ok", "")


def test_a_page_that_cannot_be_there_is_a_warning(make_site: Callable[..., Site]) -> None:
    site = make_site()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        site.settings["dashboard"] = {"port": taken.getsockname()[1]}
        (warning,) = [each for each in check(site.config) if each.topic == "dashboard"]
    assert warning.level == "warning"
    assert "is taken" in warning.text
    site.settings["dashboard"] = {"host": "192.0.2.1"}
    (warning,) = [each for each in check(site.config) if each.topic == "dashboard"]
    assert "cannot listen on 192.0.2.1" in warning.text
