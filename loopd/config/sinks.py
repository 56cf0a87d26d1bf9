"""Owns the settings of where else the rounds are written."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from loopd.config.section import Section

SQLITE = "sqlite:///"


class MlflowSection(Section):
    """An MLflow tracking server, or a database file."""

    uri: str = Field(
        description="Address of the tracking server, or `sqlite:///` and a file, such as "
        "`sqlite:///mlflow.db`."
    )
    experiment: str = Field("loopd", min_length=1, description="Name of the experiment.")
    model: bool = Field(
        False, description="Whether the last model is uploaded when the loop has ended."
    )

    @field_validator("uri")
    @classmethod
    def _known(cls, value: str) -> str:
        if value.startswith(SQLITE) and len(value) > len(SQLITE):
            return value
        try:
            parts = urlsplit(value)
        except ValueError:
            raise ValueError("is no address, such as https://mlflow.example.org") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must start with http://, https:// or sqlite:/// and name a place")
        if parts.username is not None:
            raise ValueError(
                "must not hold a user or a password: export MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD"
            )
        return value.rstrip("/")


class SinksSection(Section):
    """Where else the rounds are written, in addition to the metrics log."""

    csv: bool = Field(False, description="Write the metrics log as `metrics.csv` in `run.dir` too.")
    tensorboard: Path | None = Field(
        None, description="Folder of TensorBoard's logs; each run gets its own folder in it."
    )
    mlflow: MlflowSection | None = Field(None, description="MLflow.")
