"""Owns the way from a file of texts to a written configuration; must not start anything.

What is not said is guessed from the file, and what cannot be guessed is asked for, or refused with
the option that would say it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from loopd.config import Config
from loopd.config_file import parse_config
from loopd.data.looking import look_at
from loopd.data.pool import Pool
from loopd.data.reading import read_pool
from loopd.errors import ConfigError, StorageError
from loopd.safe_yaml import decode_yaml
from loopd.starting.drafting import Drafting
from loopd.starting.long_texts import long_texts
from loopd.starting.options import Asker, InitOptions, word_of

CONFIGURATIONS = (".yaml", ".yml")
"""Suffixes of configurations."""


def write_configuration(
    options: InitOptions,
    out: Callable[[str], None],
    asker: Asker | None = None,
    *,
    command: str = "loopd init",
    describe: bool = True,
) -> Path:
    """Write the configuration for a file of texts.

    Args:
        options: what is said about it.
        out: takes each line for people: what was guessed, and why.
        asker: who answers what cannot be guessed; ``None``: nobody.
        command: that the file says to be written by.
        describe: ask what the labels mean, if anybody answers.

    Returns:
        Where it is.

    Raises:
        ConfigError: it is there already, something can neither be guessed nor asked, or what is
            said does not make a configuration.
        DataError: the file cannot be read, or its texts cannot be used.
        StorageError: it cannot be written.
    """
    path = options.config
    refuse_overwriting(path, options.data)
    look = look_at(options.data, text=options.text, encoding=options.encoding)
    draft = Drafting(options, look, out, asker).draft(command)
    if describe and asker is not None:
        draft = replace(draft, descriptions=_described(draft.labels, asker))
    pool = _try(draft.yaml(), options.data, path)
    draft = replace(draft, long_texts=_long_texts(draft.kind, pool, out))
    _write_new(path, draft.yaml())
    out(f"wrote {path}")
    return path


def next_steps(path: Path) -> tuple[str, ...]:
    """What to do with a configuration that was just written, for people."""
    return (
        "Say in it what each label means, then:",
        f"  loopd start {word_of(path)}   # Argilla and the loop, on this machine",
        "or, with an Argilla that is there (argilla.url, and its key in ARGILLA_API_KEY):",
        f"  loopd check {word_of(path)}",
        f"  loopd run {word_of(path)}",
    )


def refuse_overwriting(path: Path, data: Path) -> None:
    """Never replace a file.

    Raises:
        ConfigError: it is there, or it would be the data.
    """
    if data.suffix.lower() in CONFIGURATIONS:
        raise ConfigError(f"{data} is a configuration, not a file of texts", "name the CSV")
    if path.suffix.lower() not in CONFIGURATIONS:
        raise ConfigError(f"{path} is no name for a configuration", "let it end with .yaml")
    if os.path.lexists(path):
        raise _there(path)


def _there(path: Path) -> ConfigError:
    return ConfigError(
        f"{path} is there already, and nothing is overwritten",
        "use it as it is, move it away, or name another with --out",
    )


def _write_new(path: Path, text: str) -> None:
    """Write a file that is not there, also if somebody makes it at this very moment."""
    try:
        with path.open("x", encoding="utf-8") as file, _whole(path):
            file.write(text)
            file.flush()
    except FileExistsError:
        raise _there(path) from None
    except OSError as error:
        hint = "make its folder writable, or name another file with --out"
        raise StorageError(f"cannot write {path}: {error.strerror or error}", hint) from None


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Leave nothing of a file that was not written to its end."""
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _long_texts(kind: str, pool: Pool, out: Callable[[str], None]) -> str:
    """What is to be said of texts that are too long; of spans nothing, they are marked as read."""
    seen = long_texts(pool.texts)
    if kind == "spans" or not seen.many:
        return ""
    out(f"long texts: {seen}; see `classifier.windows` in what is written")
    return str(seen)


def _try(text: str, data: Path, path: Path) -> Pool:
    """Read what would be written, and the texts with it, as ``loopd check`` will.

    Raises:
        ConfigError, DataError: it would be refused.
    """
    folder = path.parent.resolve()
    try:
        config = parse_config(decode_yaml(text.encode("utf-8"), path), folder)
    except ConfigError as error:
        hint = "say what is right with --text, --id, --label or --labels"
        raise ConfigError(error.message, hint) from None
    if config.pool.path != Path(os.path.normpath(data.absolute())) and not _same(config, data):
        raise ConfigError(
            f"the path of {data} cannot be written in a configuration", "rename file or folder"
        )
    task = config.task
    pool, _ = read_pool(config.pool, labels=task.labels, kind=task.type, none_label=task.none_label)
    return pool


def _same(config: Config, data: Path) -> bool:
    try:
        return config.pool.path is not None and config.pool.path.samefile(data)
    except OSError:
        return False


def _described(labels: Sequence[str], asker: Asker) -> dict[str, str]:
    """What labels mean, in the words of whoever answers."""
    return {
        label: asker.write(f"What belongs to {label!r}? (Enter: say nothing)") for label in labels
    }
