"""Owns how a running daemon feeds a sink: in a thread of its own, so that the loop never waits."""

from __future__ import annotations

import threading
from pathlib import Path

from loopd import log
from loopd.errors import LoopdError
from loopd.events import Event, RoundEvaluated, RunRecovered, RunResumed, RunStarted
from loopd.export.models import export_model
from loopd.loop.observers import RunView
from loopd.loop.tools import Tools
from loopd.machine import Phase, State
from loopd.metrics_log import writer as metrics_log
from loopd.overview.provenance import flat, identity, origin, settings_in_force
from loopd.sinks.sink import Ending, LastModel, RunRecord, Sink
from loopd.storage.recorded_run import recorded_run

TELLING = (RunStarted, RunRecovered, RunResumed, RoundEvaluated)
"""Events after which there is something new to write."""

AGAIN = 60.0
"""Seconds until a sink that failed is tried again without anything new."""

LAST_WORDS, UPLOAD = 15.0, 300.0
"""Seconds that a sink has at the end, and those that it has for a model."""


class SinkWriter:
    """An onlooker that keeps one sink up to date; see :class:`~loopd.loop.observers.Observer`.

    A sink that fails is said once, tried again later, and given the whole story each time.

    Args:
        sink: where the rounds go.
        model: whether it wants the last model at the end.
    """

    def __init__(self, sink: Sink, *, model: bool = False) -> None:
        self._sink = sink
        self._model = model
        self._tools: Tools | None = None
        self._state = State()
        self._changed = threading.Condition()
        self._story: RunRecord | None = None
        self._over = False
        self._failing = False
        self._thread = threading.Thread(target=self._work, name=f"sink {sink.name}", daemon=True)

    def began(self, run_view: RunView) -> None:
        """Write what the sink lacks of a run that is there already."""
        self._tools = run_view.tools
        self._thread.start()
        self._tell(run_view.state)

    def saw(self, event: Event, state: State) -> None:
        """Write a new round."""
        self._state = state
        if isinstance(event, TELLING):
            self._tell(state)

    def waits(self, failure: LoopdError) -> None:
        """Nothing: an outage of Argilla is no matter of a sink."""

    def reached(self) -> None:
        """Nothing likewise."""

    def ended(self, failure: Exception | None) -> None:
        """Give the sink some time for the rest."""
        done = self._state.phase is Phase.DONE
        ending: Ending = "failed" if failure is not None else "done" if done else "stopped"
        self._tell(self._state, ending)
        self._finish(UPLOAD if done and self._model else LAST_WORDS)

    def close(self) -> None:
        """End the thread; one that hangs in a request dies with the process."""
        if self._thread.is_alive():
            self._finish(1.0)

    def _tell(self, state: State, ending: Ending = "running") -> None:
        self._state = state
        if state.started is None or self._tools is None:
            return
        with self._changed:
            self._story = self._story_of(state, state.started, self._tools, ending)
            self._changed.notify()

    def _story_of(
        self, state: State, started: RunStarted, tools: Tools, ending: Ending
    ) -> RunRecord:
        config = tools.config
        return RunRecord(
            identity=identity(started),
            name=config.run.dir.name,
            began=started.at,
            rows=tuple(metrics_log.rows(state)),
            settings=dict(flat(settings_in_force(config))),
            origin=origin(state, config),
            ending=ending,
            model=_last_model(state, tools) if ending == "done" and self._model else None,
        )

    def _finish(self, seconds: float) -> None:
        with self._changed:
            self._over = True
            self._changed.notify()
        self._thread.join(seconds)
        if self._thread.is_alive():
            hint = "what it lacks is written at the next start"
            log.get("sinks").warning("sink_left_behind", sink=self._sink.name, hint=hint)

    def _work(self) -> None:
        behind: RunRecord | None = None
        while True:
            with self._changed:
                wait = AGAIN if behind is not None else None
                self._changed.wait_for(lambda: self._story is not None or self._over, wait)
                story, self._story = self._story or behind, None
                over = self._over
            behind = story if story is not None and not self._wrote(story) else None
            if over and self._story is None:
                break
        self._sink.close()

    def _wrote(self, story: RunRecord) -> bool:
        try:
            self._sink.write(story)
        except Exception as error:  # noqa: BLE001 - no sink may harm the run, whatever it raises
            self._say_failed(error)
            return False
        if self._failing:
            self._failing = False
            log.get("sinks").info("sink_works_again", sink=self._sink.name)
        return True

    def _say_failed(self, error: Exception) -> None:
        problem = f"{type(error).__name__}: {error}"[:500]
        if not self._failing:
            log.get("sinks").warning("sink_failed", sink=self._sink.name, problem=problem)
        self._failing = True


def _last_model(state: State, tools: Tools) -> LastModel | None:
    """The last model, written when it is asked for, by which time the loop no longer works."""
    if not state.trained:
        return None

    def write(folder: Path) -> None:
        run = recorded_run(tools.config.run.dir)
        export_model(run.events, state, tools, folder, None)

    return LastModel(state.trained[max(state.trained)].model_id, write)
