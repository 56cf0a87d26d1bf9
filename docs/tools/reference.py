"""Writes reference pages, `configs/full.yaml` and the schema from the code; knows no fact itself.

Run it from anywhere after a change to a key, a command, a metric or an error::

    python docs/tools/reference.py

The words around the tables are in ``docs/tools/words``. ``tests/docs`` compares what lies in the
repository with a fresh generation.
"""

from __future__ import annotations

import inspect
import json
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from loopd import errors
from loopd.cli import main
from loopd.config import NAME_PATTERN, Config
from loopd.config.json_schema import schema_text
from loopd.metrics_log.writer import KEYS

sys.path.insert(0, str(Path(__file__).parent))  # also where a test loads this file by its path

import loop_picture
import page_api
import page_events
import page_scale
from tables import WORDS, code, doc, inline, page, table

ROOT = Path(__file__).parents[2]
PLAIN = {bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path"}
"""How the tables call a type."""

EXAMPLES: Mapping[str, object] = {
    "task.labels": ["question", "complaint", "praise"],
    "pool.path": "pool.csv",
    "test.path": "test.csv",
    "test.label": "label",
    "sinks.mlflow.uri": "sqlite:///mlflow.db",
}
"""What ``configs/full.yaml`` says where there is no default, or where the default is no use."""


# -- configuration ---------------------------------------------------------------------------------


def inner_section(annotation: Any) -> type[BaseModel] | None:
    """The section in ``X``, ``X | None`` or ``tuple[X, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := inner_section(part))), None)


def is_list(annotation: Any) -> bool:
    """Whether the key holds several values."""
    return get_origin(annotation) is tuple


def sections(
    model: type[BaseModel] = Config, path: str = ""
) -> Iterator[tuple[str, type[BaseModel]]]:
    """All sections with their place, such as ``argilla`` or ``stopping.criteria[]``."""
    for name, field in model.model_fields.items():
        inner = inner_section(field.annotation)
        if inner is not None:
            place = f"{path}{name}" + ("[]" if is_list(field.annotation) else "")
            yield place, inner
            yield from sections(inner, f"{place}.")


def type_words(field: FieldInfo) -> str:
    """The type of a key with its limits."""
    limits = [words for each in field.metadata for words in _limits(each)]
    return ", ".join([_kind(field.annotation), *limits])


def _kind(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if annotation in PLAIN:
        return PLAIN[annotation]
    if origin is Literal:
        return " or ".join(f"`{each}`" for each in parts)
    if origin in (Union, types.UnionType):
        kinds = [_kind(each) for each in parts if each is not type(None)]
        is_choice = any(get_origin(each) is Literal for each in parts)
        return " or ".join(kinds) if is_choice or "list of texts" in kinds else kinds[0]
    if origin is Annotated:
        limits = [
            words for about in parts[1:] for each in about.metadata for words in _limits(each)
        ]
        return ", ".join([_kind(parts[0]), *limits])
    if origin is tuple:
        return "list of sections" if inner_section(annotation) else "list of texts"
    return "section" if inner_section(annotation) else "mapping"


def _limits(constraint: Any) -> Iterator[str]:
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    for name, word in words.items():
        value = getattr(constraint, name, None)
        if value is not None:
            yield f"{word} {value}"
    if (least := getattr(constraint, "min_length", None)) is not None:
        yield "not empty" if least == 1 else f"at least {least}"
    if (pattern := getattr(constraint, "pattern", None)) is not None:
        yield "no control characters" if pattern == NAME_PATTERN else "letters, digits, some marks"


def default_words(field: FieldInfo) -> str:
    """The default of a key."""
    if field.is_required():
        return "**required**"
    return code(field.get_default(call_default_factory=True))


def configuration() -> str:
    """`docs/configuration.md`."""
    return page("configuration", keys="\n\n".join(_key_tables()))


def _key_tables() -> Iterator[str]:
    rows = [
        (f"[`{name}`](#{name})", "required" if field.is_required() else "may be left out", about)
        for name, field in Config.model_fields.items()
        for about in [doc(inner_section(field.annotation))]
    ]
    yield table(("Section", "", "What it is about"), rows)
    for place, model in sections():
        rows = [
            (f"`{place}.{name}`", type_words(field), default_words(field), field.description or "")
            for name, field in model.model_fields.items()
        ]
        keys = table(("Key", "Type", "Default", "Meaning"), rows)
        yield f"## {place.removesuffix('[]')}\n\n{doc(model)}\n\n{keys}"


# -- configs/full.yaml -----------------------------------------------------------------------------


def full_config() -> str:
    """`configs/full.yaml`: every key with its default."""
    blocks = [(WORDS / "full.yaml").read_text(encoding="utf-8").rstrip()]
    for name, field in Config.model_fields.items():
        model = inner_section(field.annotation)
        if model is not None:
            blocks.append("\n".join([f"# {doc(model)}", f"{name}:", *_key_lines(name, model)]))
    return "\n\n".join(blocks) + "\n"


def _key_lines(place: str, model: type[BaseModel], indent: str = "  ") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"{indent}# {field.description}"
        inner = inner_section(field.annotation)
        value = EXAMPLES.get(f"{place}.{name}", _default(field))
        if inner is None:
            yield f"{indent}{name}: {_yaml_value(value)}"
            continue
        if not is_list(field.annotation):  # a section that may be left out
            yield f"{indent}{name}: null"
            yield f"{indent}# {name}:"
            yield from _key_lines(f"{place}.{name}", inner, f"{indent}#   ")
            continue
        yield f"{indent}{name}:"
        for number, each in enumerate(value):
            yield from _list_item(inner, each, f"{indent}  ", commented=number == 0)


def _list_item(
    model: type[BaseModel], value: BaseModel, indent: str, *, commented: bool
) -> Iterator[str]:
    lines = []
    for name, field in model.model_fields.items():
        if commented:
            lines.append(f"# {field.description}")
        lines.append(f"{name}: {_yaml_value(getattr(value, name))}")
    yield f"{indent}- {lines[0]}"
    yield from (f"{indent}  {line}" for line in lines[1:])


def _default(field: FieldInfo) -> Any:
    return None if field.is_required() else field.get_default(call_default_factory=True)


def _yaml_value(value: object) -> str:
    if value is None:
        return "null"
    text = inline(value)
    special = isinstance(value, str) and (not value or yaml.safe_load(text) != value)
    return json.dumps(value) if special else text


# -- metrics log -----------------------------------------------------------------------------------


def metrics() -> str:
    """`docs/metrics.md`."""
    rows = [(f"`{key}`", meaning) for key, meaning in KEYS.items()]
    return page("metrics", keys=table(("Key", "Meaning"), rows))


# -- commands --------------------------------------------------------------------------------------


def commands() -> str:
    """`docs/cli.md`."""
    return page("cli", commands="\n\n".join(_command_sections()))


def _command_sections() -> Iterator[str]:
    rows = [
        (f"[`loopd {name}`](#loopd-{name})", command.get_short_help_str(200))
        for name, command in main.commands.items()
    ]
    yield table(("Command", ""), rows)
    for name, command in main.commands.items():
        yield f"## loopd {name}\n\n{_usage(name, command)}\n\n{_command_help(command)}"
        parts = command.commands if isinstance(command, click.Group) else {}
        for part, inner in parts.items():
            whole = f"{name} {part}"
            yield f"### loopd {whole}\n\n{_usage(whole, inner)}\n\n{_command_help(inner)}"


def _usage(name: str, command: click.Command) -> str:
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    shown = [each.human_readable_name if each.required else f"[{each.human_readable_name}]"
             for each in arguments]  # fmt: skip
    has_options = any(isinstance(each, click.Option) for each in command.params)
    return f"`{' '.join(['loopd', name, *(['[OPTIONS]'] if has_options else []), *shown])}`"


def _command_help(command: click.Command) -> str:
    text = inspect.cleandoc(command.help or "").replace("\b\n", "")
    options = [each for each in command.params if isinstance(each, click.Option)]
    if not options:
        return text
    rows = [(_names(each), _option_default(each), each.help or "") for each in options]
    return f"{text}\n\n{table(('Option', 'Default', 'Meaning'), rows)}"


def _names(option: click.Option) -> str:
    names = ", ".join(f"`{each}`" for each in (*option.opts, *option.secondary_opts))
    if option.is_flag:
        return names
    kind = option.metavar or option.type.name.upper().removesuffix(" RANGE")
    return f"{names} {kind}{_range(option.type)}"


def _range(kind: click.ParamType) -> str:
    low, high = getattr(kind, "min", None), getattr(kind, "max", None)
    if low is not None and high is not None:
        return f", {low} to {high}"
    return "" if low is None else f", at least {low}"


def _option_default(option: click.Option) -> str:
    if option.required:
        return "**required**"
    shown = isinstance(option.default, (int, float, str, Path)) and not option.is_flag
    return f"`{option.default}`" if shown else ""


# -- exit codes ------------------------------------------------------------------------------------


def error_classes() -> list[type[errors.LoopdError]]:
    """All errors of ``loopd.errors`` that end a process, by exit code."""
    found = [
        each
        for each in vars(errors).values()
        if isinstance(each, type)
        and issubclass(each, errors.LoopdError)
        and each is not errors.LoopdError
    ]
    return sorted(found, key=lambda each: each.exit_code)


def exit_codes() -> str:
    """`docs/exit-codes.md`."""
    advice = yaml.safe_load((WORDS / "exit-codes.yaml").read_text(encoding="utf-8"))
    rows = [
        (str(each.exit_code), f"`{each.name}`", f"`{each.__name__}`", doc(each), advice[each.name])
        for each in error_classes()
        if each.exit_code != 0
    ]
    headings = ("Code", "Printed as", "Class", "What happened", "What to do")
    return page("exit-codes", codes=table(headings, rows))


PAGES: Mapping[str, Callable[[], str]] = {
    "docs/configuration.md": configuration,
    "docs/metrics.md": metrics,
    "docs/cli.md": commands,
    "docs/events.md": page_events.events,
    "docs/api.md": page_api.api,
    "docs/exit-codes.md": exit_codes,
    "docs/scale.md": page_scale.scale,
    "docs/images/loop.svg": loop_picture.svg,
    "configs/full.yaml": full_config,
    "loopd/config/schema.json": schema_text,
}
"""Every generated file, from the root of the repository."""


if __name__ == "__main__":
    for place, make in PAGES.items():
        (ROOT / place).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / place).write_text(make(), encoding="utf-8")
