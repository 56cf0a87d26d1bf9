"""Owns where secrets come from: environment, file or command; must not keep or show them."""

from __future__ import annotations

import codecs
import os
import select
import shlex
import signal
import stat
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from loopd.config import ArgillaSection
from loopd.config.headers import HeaderSource, source_of
from loopd.errors import ConfigError
from loopd.key_text import KeyTextError, key_in

COMMAND_SECONDS = 20.0
"""How long ``argilla.api_key_command`` may take."""

LONGEST = 4096
"""Bytes of a file or of a command's output that are read: keys are shorter."""

_WHERE = "the key is on Argilla's page `My settings`"


def api_key(section: ArgillaSection) -> str:
    """The API key: from the environment, else from the file, else from the command.

    Raises:
        ConfigError: none of them holds a usable one.
    """
    name, variable = section.api_key_env, os.environ.get(section.api_key_env, "")
    if variable.strip():
        return _read(variable, name, f"the variable {_shown(name)} is malformed")
    if section.api_key_file is not None:
        content = _from_file(section.api_key_file, "argilla.api_key_file")
        return _read(content, name, "argilla.api_key_file is empty or malformed")
    if section.api_key_command:
        printed = _from_command(section.api_key_command, "argilla.api_key_command")
        problem = "argilla.api_key_command printed none, or something else"
        return _read(printed, name, problem)
    raise _unusable(f"the variable {_shown(name)} is unset")


def header_values(section: ArgillaSection) -> tuple[tuple[str, str], ...]:
    """Names and values of ``argilla.headers``, each read from where the configuration says.

    Raises:
        ConfigError: a value is absent, or no header can carry it.
    """
    return tuple((name, _header(name, text)) for name, text in section.headers.items())


def _header(name: str, text: str) -> str:
    source, key = source_of(text), f"argilla.headers.{name}"
    if source is None:
        return text
    return f"{source.word} {_value_at(source, key, 'argilla.headers')}".strip()


def option_value(text: str, option: str) -> str:
    """What an option of the command line says, or what is where it says: ``env:NAME`` and so on.

    Args:
        text: ``env:NAME``, ``file:PATH``, ``command:PROGRAM ARGUMENTS``, or the value itself.
        option: its name, for messages.

    Raises:
        ConfigError: there is nothing, or something that is no line of ASCII characters.
    """
    source = source_of(text)
    if source is None or source.word:
        return text
    return _value_at(source, option, option)


def _value_at(source: HeaderSource, key: str, hint: str) -> str:
    if source.kind == "env":
        content = os.environ.get(source.where, "").encode("utf-8", "surrogateescape")
    elif source.kind == "file":
        content = _from_file(Path(source.where), key)
    else:
        content = _from_command(shlex.split(source.where), key)
    value = content.removeprefix(codecs.BOM_UTF8).strip()
    if not value:
        raise ConfigError(f"{key}: there is nothing in its {source.kind}", f"see {hint}")
    if not all(32 <= byte < 127 for byte in value):
        hint = "it takes one line of ASCII characters"
        raise ConfigError(f"{key}: what its {source.kind} holds cannot be sent", hint)
    return value.decode("ascii")


def _read(content: bytes | str, name: str, problem: str) -> str:
    try:
        return key_in(content, name)
    except KeyTextError as error:
        raise _unusable(f"{problem}: {error}") from None


def _unusable(problem: str) -> ConfigError:
    return ConfigError(
        f"no usable API key: {problem}",
        f"export it, or set argilla.api_key_file or argilla.api_key_command; {_WHERE}",
    )


def exposed(section: ArgillaSection) -> bool:
    """Whether other users of this machine may read the file of the key."""
    try:
        mode = section.api_key_file and section.api_key_file.stat().st_mode
    except OSError:
        return False
    return bool(mode and mode & (stat.S_IRGRP | stat.S_IROTH))


def _shown(name: str) -> str:
    """A variable's name; a key that somebody wrote in its place is not repeated."""
    return name if len(name) <= 40 and name == name.upper() else "of argilla.api_key_env"


def _from_file(path: Path, key: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LONGEST)
    except OSError as error:
        hint = f"{_WHERE}; write it into that file, or correct the path"
        hint = hint if key == "argilla.api_key_file" else "correct the path, or the permissions"
        raise ConfigError(f"cannot read {key}: {path}: {error.strerror or error}", hint) from None


def _from_command(words: Sequence[str], key: str) -> bytes:
    """What a program prints, started without a shell, in a session of its own.

    Its standard input is empty and its standard error goes nowhere: both could hold secrets.
    """
    hint = "run it by hand to see what it says; it must print the secret and ask nothing"
    try:
        process = subprocess.Popen(
            list(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise ConfigError(f"{key} cannot be started: {reason}", hint) from None
    try:
        output, code = _output(process, time.monotonic() + COMMAND_SECONDS)
    except (TimeoutError, subprocess.TimeoutExpired):
        raise ConfigError(f"{key} did not end within {COMMAND_SECONDS:.0f} s", hint) from None
    finally:
        _end(process)
    if code:
        raise ConfigError(f"{key} ended with code {code}", hint)
    return output


def _output(process: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, int]:
    """What it prints until it closes its output or has printed too much, and its exit code."""
    output, pipe = b"", process.stdout
    while pipe is not None and len(output) < LONGEST:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([pipe], [], [], left)[0]:
            raise TimeoutError
        part = os.read(pipe.fileno(), LONGEST)
        if not part:
            return output, process.wait(max(0.0, deadline - time.monotonic()))
        output += part
    return output, 0


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill it and all that it started, if anything still lives."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
