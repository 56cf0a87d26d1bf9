"""Owns reading a configuration file; must not know a default or a meaning of a setting.

The file is YAML. Unknown keys are refused with the nearest known spelling. Relative paths are
taken from the folder of the file, and environment variables in them are filled in.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from loopd.config import PACKAGED_MODEL, ArgillaSection, Config, SinksSection
from loopd.config.headers import source_of
from loopd.config.sinks import SQLITE
from loopd.errors import ConfigError
from loopd.printable import one_line
from loopd.safe_yaml import decode_yaml, read_yaml

SHOWN = 12
"""How many problems a message names."""


def load_config(path: Path) -> Config:
    """Read and check a configuration file.

    Args:
        path: a YAML file.

    Raises:
        ConfigError: missing, not YAML, unknown key or wrong value, with all problems in one line.
    """
    return parse_config(read_yaml(path), folder=path.parent.resolve())


def decode_config(content: bytes, path: Path) -> Config:
    """The same of what was read from the file already: it may be another one by now."""
    return parse_config(decode_yaml(content, path), folder=path.parent.resolve())


def parse_config(content: object, folder: Path) -> Config:
    """Check parsed YAML; relative paths are taken from ``folder``."""
    if not isinstance(content, dict):
        raise ConfigError(
            "the configuration is not a mapping of keys", "`loopd init tickets.csv` writes one"
        )
    try:
        config = Config.model_validate(content)
    except ValidationError as error:
        raise ConfigError(one_line(_all(error.errors()))) from None
    config = _absolute(config, folder)
    config._folder = folder
    return config


def _all(problems: Sequence[ErrorDetails]) -> str:
    """The problems in one line, the first :data:`SHOWN` of them."""
    more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    return "; ".join(_explain(problem) for problem in problems[:SHOWN]) + more


def _explain(error: ErrorDetails) -> str:
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"unknown key `{key}`{_nearest(error['loc'])}"
    if error["type"] == "missing":
        return f"`{key}` is missing"
    message = error["msg"].removeprefix("Value error, ")
    return f"{key}: {message}" if key else message


def _nearest(location: tuple[int | str, ...]) -> str:
    names = sorted(name for path, name in key_names() if path == _section_path(location))
    match = difflib.get_close_matches(str(location[-1]), names, n=1, cutoff=0.5)
    return f" (did you mean `{match[0]}`?)" if match else ""


def _section_path(location: tuple[int | str, ...]) -> tuple[str, ...]:
    return tuple(str(part) for part in location[:-1] if isinstance(part, str))


def key_names(
    section: type[BaseModel] = Config, path: tuple[str, ...] = ()
) -> list[tuple[tuple[str, ...], str]]:
    """All keys as (path of the section, name), depth first."""
    names: list[tuple[tuple[str, ...], str]] = []
    for name, field in section.model_fields.items():
        names.append((path, name))
        inner = _section_of(field.annotation)
        if inner is not None:
            names += key_names(inner, (*path, name))
    return names


def _section_of(annotation: Any) -> type[BaseModel] | None:
    """The section class inside an annotation such as ``X``, ``X | None`` or ``tuple[X, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        inner = _section_of(part)
        if inner is not None:
            return inner
    return None


def _expanded(path: Path) -> Path:
    """The path with ``~`` and environment variables such as ``$DATA`` filled in."""
    try:
        text = os.path.expandvars(path.expanduser())
    except RuntimeError:
        raise ConfigError(f"the path {path} begins with a user who has no home folder") from None
    if "$" in text:
        raise ConfigError(f"the path {path} names a variable that is unset", "export it first")
    return Path(text)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # such as a name that is too long
        return False


def _absolute(config: Config, folder: Path) -> Config:
    def fix(path: Path | None) -> Path | None:
        return None if path is None else Path(os.path.normpath(folder / _expanded(path)))

    name = config.classifier.model
    model = None if name == PACKAGED_MODEL else fix(Path(name))
    if model is not None and _is_folder(model):
        classifier = config.classifier.model_copy(update={"model": str(model)})
        config = config.model_copy(update={"classifier": classifier})

    return config.model_copy(
        update={
            "run": config.run.model_copy(update={"dir": fix(config.run.dir)}),
            "argilla": _absolute_argilla(config.argilla, fix),
            "pool": config.pool.model_copy(update={"path": fix(config.pool.path)}),
            "test": config.test and config.test.model_copy(update={"path": fix(config.test.path)}),
            "sinks": _absolute_sinks(config.sinks, fix),
        }
    )


def _absolute_argilla(
    section: ArgillaSection, fix: Callable[[Path | None], Path | None]
) -> ArgillaSection:
    paths = ("api_key_file", "ca_file", "client_cert", "client_key")
    headers = {
        name: f"{source.word} file:{fix(Path(source.where))}".strip()
        if (source := source_of(text)) and source.kind == "file"
        else text
        for name, text in section.headers.items()
    }
    return section.model_copy(
        update={name: fix(getattr(section, name)) for name in paths} | {"headers": headers}
    )


def _absolute_sinks(sinks: SinksSection, fix: Callable[[Path | None], Path | None]) -> SinksSection:
    mlflow = sinks.mlflow
    if mlflow is not None and mlflow.uri.startswith(SQLITE):
        file = fix(Path(mlflow.uri.removeprefix(SQLITE)))
        mlflow = mlflow.model_copy(update={"uri": f"{SQLITE}{file}"})
    return sinks.model_copy(update={"tensorboard": fix(sinks.tensorboard), "mlflow": mlflow})
