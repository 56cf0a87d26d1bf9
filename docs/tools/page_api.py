"""Writes the page of what Python programs may use, from the code's own docstrings."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from docstrings import markdown, parts
from tables import page, table

PUBLIC: Mapping[str, Sequence[str]] = {
    "notebooks": ("loopd:open", "loopd:Run"),
    "learner": ("loopd:Pool", "loopd:Learner"),
    "daemon": ("loopd:load_config", "loopd:run_daemon", "loopd:Stop"),
    "listeners": (
        "loopd.listener:listener",
        "loopd.listener:Listener",
        "loopd.listener:Context",
        "loopd.listener:Search",
        "loopd.listener:DefinitionError",
    ),
    "strategies": (
        "loopd.learning.fitted:FittedClassifier",
        "loopd.learning.representation:Representation",
    ),
    "journal": (
        "loopd.storage.journal:Journal",
        "loopd.machine:fold",
        "loopd.machine:State",
    ),
    "errors": ("loopd:LoopdError",),
    "version": ("loopd:__version__",),
}
"""What is on the page, by its part."""

PACKAGE = "loopd"
"""Whose own names are used with it, as in ``loopd.open``."""

PUBLISHED = {"TextPool": "Pool", "InteractiveLearner": "Learner"}
"""How the package calls classes that have another name where they are defined."""

ROWS = {"Args": "Argument", "Attributes": "Attribute", "Raises": "Error"}

MADE = frozenset({"Listener", "FittedClassifier", "Run"})
"""Classes that a program is given and never makes: their arguments are nobody's business."""

OURS = frozenset(
    {"representation", "label_names", "thresholds", "most_informative", "predict_proba", "embed"}
)
"""Of a classifier, what a strategy may ask; the rest is small-text's interface."""


def api() -> str:
    """`docs/api.md`."""
    return page("api", **{part: "\n\n".join(map(_thing, names)) for part, names in PUBLIC.items()})


def _thing(place: str) -> str:
    module, _, name = place.partition(":")
    thing = getattr(importlib.import_module(module), name)
    if isinstance(thing, str):
        return f"### {name}\n\n`{module}.{name}`\n\nA text, such as `1.2.3`."
    text = inspect.getdoc(thing) or ""
    return "\n\n".join(
        [
            f"### {name}",
            f"`{module}.{name}`" if module == PACKAGE else f"`from {module} import {name}`",
            *([f"```text\n{_signature(name, thing)}\n```"] if _is_called(module, thing) else []),
            markdown(text),
            *_sections(text, () if name in MADE else ROWS),
            *_members(thing),
        ]
    )


def _is_called(module: str, thing: Any) -> bool:
    """Whether programs call it: a function, or a class of which they make objects."""
    makes = inspect.isclass(thing) and module == PACKAGE and thing.__name__ not in MADE
    return inspect.isfunction(thing) or (makes and not issubclass(thing, Exception))


def _signature(name: str, thing: Any) -> str:
    """The call, one argument on a line where it is long."""
    signature = inspect.signature(thing)
    words = _unquoted(f"{name}{signature}").removesuffix(" -> None")
    if len(words) <= 90:
        return words
    given = "\n".join(f"    {each}," for each in _arguments(signature))
    given_back = "" if inspect.isclass(thing) else f" -> {signature.return_annotation}"
    return _unquoted(f"{name}(\n{given}\n){given_back}")


def _unquoted(signature: str) -> str:
    """Annotations as they stand in the code; defaults keep their quotes."""
    plain = re.sub(r"(: |-> )'([^']*)'", r"\1\2", signature)
    return re.sub(r"\b(TextPool|InteractiveLearner)\b", lambda hit: PUBLISHED[hit[1]], plain)


def _arguments(signature: inspect.Signature) -> Iterator[str]:
    starred = False
    for each in signature.parameters.values():
        if each.kind is each.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        yield str(each)


def _sections(text: str, titles: Iterable[str]) -> Iterator[str]:
    found = parts(text)
    for title in titles:
        if title in found:
            yield table((ROWS[title], "Meaning"), _rows(found[title]))


def _rows(entries: Mapping[str, str]) -> list[tuple[str, str]]:
    """One row for each text, with all the names that have it."""
    names: dict[str, list[str]] = {}
    for name, words in entries.items():
        names.setdefault(words, []).append(f"`{name}`" if name else "")
    return [(", ".join(alike), words) for words, alike in names.items()]


def _members(thing: Any) -> Iterator[str]:
    """Public methods and properties of a class."""
    if not inspect.isclass(thing):
        return
    rows = []
    ours = [each for each in thing.__mro__ if each.__module__.startswith("loopd.")]
    for name, member in {name: each for kind in ours for name, each in vars(kind).items()}.items():
        wanted = name in OURS or thing.__name__ != "FittedClassifier"
        text = inspect.getdoc(member) or ""
        if wanted and not name.startswith("_") and _is_documented(member):
            rows.append((f"`{name}{_call(member)}`", _with_errors(text)))
    if rows:
        yield table(("Member", "Meaning"), rows)


def _is_documented(member: Any) -> bool:
    return inspect.isfunction(member) or isinstance(member, property) or hasattr(member, "attrname")


def _call(member: Any) -> str:
    if not inspect.isfunction(member):
        return ""
    names = [each.name for each in inspect.signature(member).parameters.values()]
    return f"({', '.join(names[1:])})"


def _with_errors(text: str) -> str:
    raised = parts(text).get("Raises", {})
    errors = " ".join(f"Raises `{name}`: {words}" for name, words in raised.items() if name)
    return f"{markdown(text)} {errors}".strip()
