"""loopd: a daemon that puts active learning into Argilla.

Owns the version, and where Python programs find what is theirs: see ``docs/api.md``. Must import
none of it before it is used, so that ``import loopd`` takes no time; types are in ``__init__.pyi``.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

_OBJECTS = {
    "Learner": "loopd.interactive.learner:InteractiveLearner",
    "LoopdError": "loopd.errors:LoopdError",
    "Pool": "loopd.interactive.pool:TextPool",
    "Run": "loopd.interactive.run:Run",
    "Stop": "loopd.loop.stop:Stop",
    "load_config": "loopd.config_file:load_config",
    "open": "loopd.interactive.run:open",
    "run_daemon": "loopd.loop.daemon:run_daemon",
}
"""What each public name is, in the module where it is."""

# Without `open`: `from loopd import *` must not replace that of Python.
__all__ = ["Learner", "LoopdError", "Pool", "Run", "Stop", "load_config", "run_daemon"]


def __getattr__(name: str) -> object:
    if name not in _OBJECTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, inner = _OBJECTS[name].partition(":")
    value: object = getattr(importlib.import_module(module), inner)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*_OBJECTS, "__version__"])
