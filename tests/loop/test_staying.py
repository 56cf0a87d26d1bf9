"""What a run that stays takes for a reason to go on, and what not."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from structlog.testing import capture_logs

from loopd.config import Config
from loopd.config_file import load_config
from loopd.loop.observers import Observer
from loopd.loop.staying import Rest, run_and_stay
from loopd.loop.stop import Stop
from loopd.machine import Phase, State

SETTINGS: dict[str, Any] = {
    "task": {"labels": ["fruit", "tool"]},
    "pool": {"path": "pool.csv"},
    "stopping": {"max_rounds": 2},
    "queue": {"poll_interval": 60.0},
}


class Waits:
    """A loop of which each wait does the next of these; after the last a stop is asked for."""

    def __init__(self, *actions: Callable[[], None]) -> None:
        self.actions = list(actions)
        self.seconds: list[float] = []
        self.beats = 0
        self.is_stopped = False
        self.stop = SimpleNamespace(wait=self._wait, is_set=lambda: self.is_stopped)

    def _wait(self, seconds: float) -> bool:
        self.seconds.append(seconds)
        if not self.actions:
            self.is_stopped = True
            return True
        self.actions.pop(0)()
        return False

    def beat(self) -> None:
        self.beats += 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def writing(path: Path, text: str | None = None, **sections: Any) -> Callable[[], None]:
    """Write this instead of the configuration, or the configuration with these sections."""
    content = yaml.safe_dump(SETTINGS | sections) if text is None else text

    def write() -> None:
        path.write_text(content, encoding="utf-8")

    return write


def rested(path: Path, *actions: Callable[[], None]) -> tuple[Rest, Waits, list[str]]:
    """The rest of a run after all that, and what was logged."""
    writing(path)()
    rest, loop = Rest(path, load_config(path)), Waits(*actions)
    with capture_logs() as lines:
        rest(loop)  # type: ignore[arg-type]
    return rest, loop, [line["event"] for line in lines]


RAISED: dict[str, Any] = {"stopping": {"max_rounds": 3}}


def test_a_raised_limit_is_news(path: Path) -> None:
    rest, loop, events = rested(path, lambda: None, writing(path, **RAISED))
    assert rest.news is not None
    assert rest.news.stopping.max_rounds == 3
    assert events == ["staying", "configuration_changed"]
    assert loop.beats == 2
    assert set(loop.seconds) == {30.0}  # and not every 60 s


def test_what_shapes_nothing_is_none(path: Path) -> None:
    shapeless: dict[str, Any] = {"log": {"level": "debug"}, "dashboard": {"port": 7000}}
    rest, _, events = rested(path, writing(path, **shapeless), writing(path), lambda: None)
    assert rest.news is None
    assert events == ["staying"]


def test_a_file_that_cannot_be_used_is_said_once_and_waited_out(path: Path) -> None:
    broken = writing(path, "stopping: [not, yet")
    wrong = writing(path, stopping={"max_round": 3})
    actions = (broken, lambda: None, wrong, lambda: None, path.unlink, writing(path, **RAISED))
    rest, _, events = rested(path, *actions)
    assert rest.news is not None
    assert events == ["staying", *["configuration_refused"] * 2, "configuration_changed"]


def test_a_write_between_two_looks_at_the_file_is_not_lost(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editor saves the same content twice; the second time is in the middle of a look."""
    real = Rest._content

    def read_just_before_it_is_emptied(rest: Rest) -> bytes | None:
        content = real(rest)
        path.write_bytes(b"")
        return content

    monkeypatch.setattr(Rest, "_content", read_just_before_it_is_emptied)
    writes = [writing(path, **RAISED)] * 3
    rest, loop, events = rested(path, *writes)
    assert rest.news is not None
    assert rest.news.stopping.max_rounds == 3
    assert loop.beats == 1
    assert "configuration_refused" not in events


def test_a_file_that_was_changed_before_the_run_was_done_counts_at_once(path: Path) -> None:
    writing(path)()
    rest = Rest(path, load_config(path))
    writing(path, **RAISED)()
    rest(Waits(lambda: None))  # type: ignore[arg-type]
    assert rest.news is not None


# -- one stretch of the run after the other --------------------------------------------------------


class Stretches:
    """Daemons that are done at once, and rest; each waits through the next of these."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *waits: Waits) -> None:
        self.waits = list(waits)
        self.max_rounds: list[int | None] = []
        self.watched: list[Sequence[object]] = []
        self.closing: Callable[[Waits], None] = lambda _: None
        monkeypatch.setattr("loopd.loop.staying.run_daemon", self._run)

    def _run(
        self,
        config: Config,
        _progress: object,
        observers: Sequence[Observer],
        *,
        rest: Rest,
        stop: Stop,
    ) -> State:
        assert stop.second_kills
        self.max_rounds.append(config.stopping.max_rounds)
        self.watched.append(observers)
        loop = self.waits.pop(0)
        rest(loop)  # type: ignore[arg-type]
        self.closing(loop)
        return State(phase=Phase.DONE, config_digest=config.digest())

    def stay(self, path: Path) -> State:
        """Run with what the file says now."""
        writing(path)()
        observers: Callable[[Config], Any] = lambda config: [config.stopping.max_rounds]  # noqa: E731
        return run_and_stay(path, load_config(path), None, observers)


def test_a_run_goes_on_with_what_its_configuration_says_then(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    further = writing(path, stopping={"max_rounds": 5})
    waits = (Waits(writing(path, **RAISED)), Waits(lambda: None, further), Waits())
    stretches = Stretches(monkeypatch, *waits)
    state = stretches.stay(path)
    assert stretches.max_rounds == [2, 3, 5]
    assert stretches.watched == [[2], [3], [5]], "observers are of one stretch"
    assert state.config_digest == load_config(path).digest()


def test_a_stop_while_parts_are_closed_counts_although_the_configuration_changed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(loop: Waits) -> None:
        loop.is_stopped = True

    stretches = Stretches(monkeypatch, Waits(writing(path, **RAISED)))
    stretches.closing = stop
    assert stretches.stay(path).phase is Phase.DONE
    assert stretches.max_rounds == [2]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_between_two_stretches_is_not_lost(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    before = signal.getsignal(number)
    stretches = Stretches(monkeypatch, Waits(writing(path, **RAISED)))
    stretches.closing = lambda _: signal.raise_signal(number)
    assert stretches.stay(path).phase is Phase.DONE
    assert stretches.max_rounds == [2]
    assert signal.getsignal(number) is before
