"""Owns how a dotted path of the user becomes an object; must not know what the object is for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

from loopd.errors import LoopdError, ModelError
from loopd.learning.foreign import calling


def is_dotted(name: str) -> bool:
    """Whether a name in the configuration means the user's own code."""
    return "." in name or ":" in name


def resolve(path: str, code_paths: Sequence[Path] = ()) -> object:
    """Import what ``package.module:Name`` or ``package.module.Name`` names.

    Args:
        path: the dotted path.
        code_paths: folders that are importable besides the installed packages; the working folder
            always is. They are appended to ``sys.path`` and stay there, because the user's code may
            import its neighbours later; being last they hide no installed package.

    Raises:
        ModelError: the module cannot be imported, lacks the name, or has the name of another that
            this process has imported from a folder of another call.
    """
    folders = [str(folder.resolve()) for folder in (Path.cwd(), *code_paths)]
    _make_importable(folders)
    module_name, attribute = _split(path)
    target: object = _import(module_name, path)
    _refuse_namesake(module_name.partition(".")[0], folders)
    for part in attribute.split("."):
        with calling(f"looking for {part!r} of {path!r}"):
            target = getattr(target, part, _ABSENT)
        if target is _ABSENT:
            raise ModelError(
                f"{module_name} has no {attribute!r} (from {path!r})",
                "write package.module:Name of something the module defines",
            )
    return target


_ABSENT = object()


_ADDED: set[str] = set()
"""Folders on ``sys.path`` for the sake of a dotted path."""


def _make_importable(folders: Sequence[str]) -> None:
    for folder in folders:
        if folder not in sys.path:
            sys.path.append(folder)
            _ADDED.add(folder)


def _refuse_namesake(name: str, folders: Sequence[str]) -> None:
    """Python imports one module of a name: another run's code must not stand in for this one's."""
    here = PathFinder.find_spec(name, folders)
    imported = vars(sys.modules[name]).get("__file__") if name in sys.modules else None
    if not imported or here is None or not here.origin:
        return  # what is built in, and namespaces, have no file
    file = Path(imported)
    if Path(here.origin).resolve() == file.resolve():
        return
    folder = file.parent.parent if file.stem == "__init__" else file.parent
    if str(folder) in _ADDED:
        raise ModelError(
            f"this process has already imported another {name!r}, from {folder}",
            "give the two modules names of their own, or use each run in a process of its own",
        )


def _split(path: str) -> tuple[str, str]:
    separator = ":" if ":" in path else "."
    module_name, _, attribute = path.rpartition(separator)
    if not all(part.isidentifier() for part in [*module_name.split("."), *attribute.split(".")]):
        raise ModelError(f"{path!r} is no dotted path", "write package.module:Name")
    return module_name, attribute


def _import(module_name: str, path: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except (LoopdError, KeyboardInterrupt):  # a stop that was asked for, too
        raise
    except BaseException as error:  # sys.exit() at import would end us without a word
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ModelError(
            f"cannot import {module_name!r} for {path!r}: {reason}",
            "the working folder and the configuration's folder are importable; try "
            f"`python -c 'import {module_name}'` there",
        ) from error
