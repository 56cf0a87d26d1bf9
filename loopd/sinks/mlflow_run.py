"""Owns the rounds as one MLflow run, found again by a tag; no other network than its address."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from loopd.config import MlflowSection
from loopd.config.sinks import SQLITE
from loopd.metrics_log.rows import Row, number
from loopd.sinks.sink import LastModel, RunRecord, numbers

RUN_TAG, MODEL_TAG = "loopd.run", "loopd.model"
MARK = "round"
"""This number is written last of all numbers of a round: where it is, all of them are."""

STATUS = {"running": "RUNNING", "done": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}

MOST_NUMBERS, MOST_PARAMS, LONGEST_VALUE = 900, 100, 5000
"""What MLflow takes in one request, and in one value."""

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
}
"""What MLflow reads when it is imported; the last three only where people have not set them."""

MOVING = ("run", "last_model")
"""Of a run's origin: what has a tag of its own, and what is another one after each round."""

FORCED = ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")


class MlflowRun:
    """One run of the experiment for one loop; params are the configuration it began with.

    Args:
        section: the configuration.
    """

    name = "mlflow"

    def __init__(self, section: MlflowSection) -> None:
        self._section = section
        self._client: Any = None
        self._run_id = ""
        self._done: set[int] = set()
        self._unsure = True
        self._status = ""

    def write(self, story: RunRecord) -> None:
        """Write the rounds that the run lacks, how it stands, and the model if it is wanted."""
        if not self._run_id:
            self._find(story)
        for row in story.rows:
            step = int(number(row, MARK) or 0)
            if step not in self._done:
                self._round(row, step)
                self._done.add(step)
        self._unsure = False
        if story.model is not None and self._section.model:
            self._upload(story.model)
        self._stand(story)

    def close(self) -> None:
        """Nothing is open: each request stands alone."""

    def _find(self, story: RunRecord) -> None:
        self._client = self._client or _client(self._section.uri)
        experiment = self._experiment()
        runs = self._client.search_runs([experiment], f"tags.`{RUN_TAG}` = '{story.identity}'")
        if runs:
            run_id = runs[0].info.run_id
        else:
            began, tags = int(story.began * 1000), {RUN_TAG: story.identity}
            run_id = self._client.create_run(
                experiment, start_time=began, tags=tags, run_name=story.name
            ).info.run_id
        self._describe(run_id, story)
        self._done = {point.step for point in self._client.get_metric_history(run_id, MARK)}
        self._run_id, self._unsure = run_id, bool(runs)

    def _experiment(self) -> str:
        experiment = self._client.get_experiment_by_name(self._section.experiment)
        if experiment is None:
            artifacts = _artifacts(self._section.uri)
            created: str = self._client.create_experiment(self._section.experiment, artifacts)
            return created
        return str(experiment.experiment_id)

    def _describe(self, run_id: str, story: RunRecord) -> None:
        """Params never change in MLflow: a setting that did becomes a tag."""
        from mlflow.entities import Param, RunTag

        data = self._client.get_run(run_id).data
        logged = data.params
        settings = {key: value[:LONGEST_VALUE] for key, value in story.settings.items()}
        missing = [Param(key, value) for key, value in settings.items() if key not in logged]
        for some in _pieces(missing, MOST_PARAMS):
            self._client.log_batch(run_id, params=some)
        changed = {
            f"changed.{key}": value
            for key, value in settings.items()
            if logged.get(key, value) != value or f"changed.{key}" in data.tags
        }
        lasting = {key: value for key, value in story.origin.items() if key not in MOVING}
        tags = {f"loopd.{key}": value for key, value in lasting.items()}
        rest = [RunTag(key, value) for key, value in (tags | changed).items()]
        for some in _pieces(rest, MOST_PARAMS):
            self._client.log_batch(run_id, tags=some)

    def _round(self, row: Row, step: int) -> None:
        from mlflow.entities import Metric

        moment = int((number(row, "at") or 0.0) * 1000)
        points = [
            Metric(key, value, moment, step)
            for key, value in numbers(row)
            if key != MARK and not (self._unsure and self._has(key, step))
        ]
        for some in _pieces(points, MOST_NUMBERS):
            self._client.log_batch(self._run_id, metrics=some)
        self._client.log_batch(self._run_id, metrics=[Metric(MARK, float(step), moment, step)])

    def _has(self, key: str, step: int) -> bool:
        """Whether a process that died in the middle of a round wrote this number of it."""
        history = self._client.get_metric_history(self._run_id, key)
        return any(point.step == step for point in history)

    def _stand(self, story: RunRecord) -> None:
        status = STATUS[story.ending]
        if status == self._status:
            return
        if story.ending == "running":
            self._client.update_run(self._run_id, status=status)
        else:
            self._client.set_terminated(self._run_id, status)
        self._status = status

    def _upload(self, model: LastModel) -> None:
        tags = self._client.get_run(self._run_id).data.tags
        if tags.get(MODEL_TAG) == model.id:
            return
        with tempfile.TemporaryDirectory(prefix="loopd-model-") as folder:
            path = Path(folder) / "model"
            model.write(path)
            self._client.log_artifacts(self._run_id, str(path), "model")
        self._client.set_tag(self._run_id, MODEL_TAG, model.id)


def _client(uri: str) -> Any:
    """MLflow's client, which asks nothing and nobody but that address."""
    for name, value in ENVIRONMENT.items():
        if name in FORCED or name not in os.environ:
            os.environ[name] = value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its models declare names that pydantic dislikes
        from mlflow.tracking import MlflowClient

    logging.getLogger("alembic").setLevel(logging.WARNING)
    if uri.startswith(SQLITE):
        Path(uri.removeprefix(SQLITE)).parent.mkdir(parents=True, exist_ok=True)
    return MlflowClient(tracking_uri=uri)


def _artifacts(uri: str) -> str | None:
    """Where the files of a new experiment go: beside a database, else where the server says."""
    if not uri.startswith(SQLITE):
        return None
    file = Path(uri.removeprefix(SQLITE))
    return (file.parent / f"{file.stem}-artifacts").as_uri()


def _pieces(items: Sequence[Any], most: int) -> Iterator[list[Any]]:
    rest = iter(items)
    while piece := list(islice(rest, most)):
        yield piece
