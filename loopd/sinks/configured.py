"""Owns which sinks a configuration asks for."""

from __future__ import annotations

from collections.abc import Iterator

from loopd.config import Config
from loopd.loop.start_or_resume import check_sinks
from loopd.sinks.csv_file import CsvFile
from loopd.sinks.mlflow_run import MlflowRun
from loopd.sinks.sink_writer import SinkWriter
from loopd.sinks.tensorboard_log import TensorBoardLog
from loopd.storage.run_folder import CSV_NAME


def sink_writers(config: Config) -> Iterator[SinkWriter]:
    """One for each sink that is on; nothing heavy is loaded yet.

    Raises:
        ConfigError: a package that one needs is missing.
    """
    check_sinks(config)
    sinks = config.sinks
    if sinks.csv:
        yield SinkWriter(CsvFile(config.run.dir / CSV_NAME))
    if sinks.tensorboard is not None:
        yield SinkWriter(TensorBoardLog(sinks.tensorboard))
    if sinks.mlflow is not None:
        yield SinkWriter(MlflowRun(sinks.mlflow), model=sinks.mlflow.model)
