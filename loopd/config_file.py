"""Owns reading a configuration file; must not know a default or a meaning of a setting.

The file is YAML. Unknown keys are refused with the nearest known spelling. Relative paths are
taken from the folder of the file, and environment variables in them are filled in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from loopd.config import PACKAGED_MODEL, ArgillaSection, Config, SinksSection
from loopd.config.headers import source_of
from loopd.config.problems import ConfigProblem, problems
from loopd.config.sinks import SQLITE
from loopd.errors import ConfigError
from loopd.printable import one_line
from loopd.safe_yaml import decode_text, lines_of, parse_yaml, read_bytes

SHOWN = 12
"""How many problems a message names."""

ADVICE: Mapping[tuple[str | int, ...], str] = {
    ("argilla", "api_key"): "no key belongs in the file: export ARGILLA_API_KEY, or name a file "
    "that holds it in argilla.api_key_file",
}
"""What helps more than the line of a problem."""


def load_config(path: Path | str) -> Config:
    """Read and check a configuration file.

    Args:
        path: a YAML file.

    Raises:
        ConfigError: missing, not YAML, unknown key or wrong value, with all problems in one line.
    """
    return decode_config(read_bytes(Path(path)), Path(path))


def decode_config(content: bytes, path: Path) -> Config:
    """The same of what was read from the file already: it may be another one by now."""
    text = decode_text(content, path)

    def where(wrong: Sequence[ConfigProblem]) -> str:
        numbers = set(lines_of(text, [problem.keys for problem in wrong])) - {0}
        lines = " and ".join(map(str, sorted(numbers)))
        return f"correct {path}" + (f", line {lines}" if lines else "")

    config = _checked(parse_yaml(text, str(path)), path.parent.resolve(), str(path), where)
    config._file = config.folder / path.name
    return config


def parse_config(content: object, folder: Path) -> Config:
    """Check parsed YAML; relative paths are taken from ``folder``."""
    return _checked(content, folder, "the configuration", lambda _: "correct the configuration")


def _checked(
    content: object, folder: Path, name: str, where: Callable[[Sequence[ConfigProblem]], str]
) -> Config:
    if not isinstance(content, dict):
        raise ConfigError(
            f"{name} is no configuration: that is a mapping of keys, such as `task` and `pool`",
            "`loopd init tickets.csv` writes one",
        )
    try:
        config = Config.model_validate(content)
    except ValidationError as error:
        wrong = problems(Config, error, SHOWN)
        more = max(0, error.error_count() - SHOWN) if len(wrong) == SHOWN else 0
        said = "; ".join(problem.sentence for problem in wrong) + f"; and {more} more" * (more > 0)
        raise ConfigError(one_line(said), ADVICE.get(wrong[0].keys) or where(wrong)) from None
    config = _absolute(config, folder)
    config._folder = folder
    return config


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
        problem = f"the path {path} begins with a user who has no home folder"
        raise ConfigError(problem, "write the path out") from None
    if "$" in text:
        problem = f"the path {path} names a variable that is unset"
        raise ConfigError(problem, "export it, or write the path out")
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
