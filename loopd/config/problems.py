"""Owns what is said of settings that pydantic refuses; must not repeat a word of pydantic's.

What a setting takes is read from the schema of the configuration, so a new one has its sentence at
once. Values below `argilla` are never repeated: they may be secrets in the wrong line.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from loopd.config.section import NAME_PATTERN

Keys = tuple[str | int, ...]
"""Names of sections and of a setting in them, and numbers of items of a list."""

Schema = Mapping[str, Any]
"""A part of a JSON schema; ``Any``, because it is JSON."""

PATTERNS: Mapping[str, str] = {
    NAME_PATTERN: "a name without control characters,",
    r"^[A-Za-z_][A-Za-z0-9_]*$": "the name of a variable, such as ARGILLA_API_KEY",
    r"^[A-Za-z0-9.:_-]+$": "an address or the name of a machine",
}
"""What a text is that fits a pattern of the configuration."""

SHOWN_VALUE = 40
"""Characters of a wrong value that are repeated."""


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """Something that is wrong in the settings.

    Attributes:
        keys: where.
        sentence: what is wrong; one line, without a full stop.
    """

    keys: Keys
    sentence: str


def problems(
    section: type[BaseModel], error: ValidationError, most: int = 1
) -> tuple[ConfigProblem, ...]:
    """What is wrong, one problem for each setting, in the order of the file's sections.

    Args:
        section: what was checked: the whole configuration, or a part of it.
        error: what came of it.
        most: so many problems are enough.
    """
    schema = _schema(section)
    by_keys: dict[tuple[Keys, str], ConfigProblem] = {}
    for details in error.errors(include_url=False):
        problem = _problem(details, schema)
        # A setting that may be of several kinds is refused once for each of them.
        must = problem.sentence.startswith(f"{_dotted(problem.keys)} must be")
        by_keys.setdefault((problem.keys, "" if must else problem.sentence), problem)
        if len(by_keys) == most:
            break
    return tuple(by_keys.values())


@cache
def _schema(section: type[BaseModel]) -> Schema:
    return section.model_json_schema()


def _problem(details: ErrorDetails, schema: Schema) -> ConfigProblem:
    keys, setting = _located(details["loc"], schema)
    kind, name = details["type"], _dotted(keys)
    if kind in ("extra_forbidden", "invalid_key"):
        last = details["loc"][-1] if kind == "extra_forbidden" else details["input"]
        keys = keys if keys and keys[-1] == last else (*keys, str(last))
        return ConfigProblem(
            keys, f"unknown key `{_dotted(keys)}`{_nearest(str(last), setting, schema)}"
        )
    if kind == "missing":
        return ConfigProblem(keys, f"`{name}` is missing")
    if kind == "value_error":
        reason = str(details["ctx"]["error"]) if "ctx" in details else details["msg"]
        return ConfigProblem(keys, f"{name}: {reason}" if name else reason)
    if details["loc"][-1:] == ("[key]",):
        return ConfigProblem(keys, f"{name}: a name must be text: write it in quotes")
    instead = _instead(details["input"], setting, schema, secret=keys[:1] == ("argilla",))
    return ConfigProblem(keys, f"{name or 'it'} must be {takes(setting, schema)}{instead}")


def _dotted(keys: Keys) -> str:
    return ".".join(map(str, keys))


def _located(location: Keys, schema: Schema) -> tuple[Keys, Schema]:
    """The keys of a location, and the schema of what is there.

    Pydantic's locations also say which of several kinds was tried; from there on they say no more.
    """
    keys: list[str | int] = []
    here = schema
    for part in location:
        below = _below(part, here, schema)
        if below is None:
            missing = isinstance(part, str) and "properties" in _resolved(here, schema)
            return ((*keys, part) if missing else tuple(keys)), here
        keys.append(part)
        here = below
    return tuple(keys), here


def _below(part: str | int, schema: Schema, root: Schema) -> Schema | None:
    """The schema of a key or of an item; ``None`` where the part is none."""
    for kind in _kinds(schema, root):
        if isinstance(part, int) and kind.get("type") == "array":
            return dict(kind["items"])
        if isinstance(part, str) and part in kind.get("properties", {}):
            return dict(kind["properties"][part])
        extra = kind.get("additionalProperties")
        if isinstance(part, str) and isinstance(extra, dict):
            return extra
    return None


def _kinds(schema: Schema, root: Schema) -> Iterator[Schema]:
    """What a setting may be, one after the other."""
    here = _resolved(schema, root)
    for kind in here.get("anyOf", (here,)):
        yield _resolved(kind, root)


def _resolved(schema: Schema, root: Schema) -> Schema:
    name = schema.get("$ref", "").rpartition("/")[2]
    return dict(root["$defs"][name]) if name else schema


def _nearest(name: str, section: Schema, root: Schema) -> str:
    names = [key for kind in _kinds(section, root) for key in kind.get("properties", {})]
    match = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f" (did you mean `{match[0]}`?)" if match else ""


def _instead(value: object, schema: Schema, root: Schema, *, secret: bool) -> str:
    if secret:
        return ""
    words = f", and not {_shown(value)}"
    kinds = tuple(_kinds(schema, root))
    if not isinstance(value, str):
        is_text = any(kind.get("type") == "string" and "enum" not in kind for kind in kinds)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return f"{words}: write it in quotes" if is_text and is_number else words
    choices = [choice for kind in kinds for choice in _choices(kind)]
    match = difflib.get_close_matches(value, choices, n=1, cutoff=0.5)
    return f"{words} (did you mean {match[0]}?)" if match else words


def _choices(schema: Schema) -> tuple[str, ...]:
    """The words of which one is taken."""
    const = (schema["const"],) if "const" in schema else ()
    return tuple(str(word) for word in schema.get("enum", const))


def _shown(value: object) -> str:
    """A wrong value as people wrote it, cut where it is long."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, str | int | float | list | tuple):
        shown = ascii(list(value)) if isinstance(value, tuple) else ascii(value)
        return shown if len(shown) <= SHOWN_VALUE else f"{shown[:SHOWN_VALUE]}..."
    return f"a {type(value).__name__}"


# -- what a setting takes --------------------------------------------------------------------------


def takes(schema: Schema, root: Schema) -> str:
    """What a setting takes, in words: `a whole number from 1 to 500`, `true or false`."""
    kinds = tuple(_kinds(schema, root))
    said = [_takes(kind, root) for kind in kinds if kind.get("type") != "null"]
    return " or ".join([*said, *(["empty"] if len(said) < len(kinds) else [])])


def _takes(kind: Schema, root: Schema) -> str:
    choices = _choices(kind)
    if choices:
        return _one_of(choices)
    simple = {"boolean": "true or false", "integer": f"a whole number{_range(kind)}"}
    simple |= {"number": f"a number{_range(kind)}", "string": _text(kind)}
    name = kind.get("type", "")
    if name == "array":
        return f"a list of {_amount(kind)}{_plural(kind['items'], root)}"
    if "properties" in kind:
        first = next(iter((*kind.get("required", ()), *kind["properties"])))
        return f"a section with keys of its own, such as `{first}`"
    return simple.get(name, "a mapping of names to values" if name == "object" else "a plain value")


def _one_of(choices: Sequence[str]) -> str:
    return (
        choices[0] if len(choices) == 1 else f"one of {', '.join(choices[:-1])} and {choices[-1]}"
    )


def _range(kind: Schema) -> str:
    least, most = kind.get("minimum"), kind.get("maximum")
    above, below = kind.get("exclusiveMinimum"), kind.get("exclusiveMaximum")
    if least is not None and most is not None:
        return f" from {_number(least)} to {_number(most)}"
    words = [f"of at least {_number(least)}"] if least is not None else []
    words += [f"above {_number(above)}"] if above is not None else []
    words += [f"of at most {_number(most)}"] if most is not None else []
    words += [f"below {_number(below)}"] if below is not None else []
    return f" {' and '.join(words)}" if words else ""


def _number(value: float) -> str:
    return f"{value:,.15g}"


def _text(kind: Schema) -> str:
    if kind.get("format") == "path":
        return "the path of a file or folder"
    least, most = kind.get("minLength", 0), kind.get("maxLength")
    words = PATTERNS.get(kind.get("pattern", ""), "text")
    if most is not None:
        return f"{words} of {f'{least} to' if least else 'at most'} {most:,} characters"
    return f"{words} that is not empty" if least else words


def _amount(kind: Schema) -> str:
    least, most = kind.get("minItems", 0), kind.get("maxItems")
    if most is not None:
        return f"{f'{least} to' if least else 'at most'} {most} "
    return f"{least} or more " if least else ""


def _plural(items: Schema, root: Schema) -> str:
    names = {"string": "texts", "integer": "whole numbers", "number": "numbers"}
    return names.get(_resolved(items, root).get("type", ""), "sections")
