"""Owns how the options of fine-tuned encoders are checked; must not know any default."""

from __future__ import annotations

from collections.abc import Iterable

from loopd.errors import ModelError
from loopd.learning.arrays import Options


def refuse_bad_values(options: Options, *, whole: Iterable[str], positive: Iterable[str]) -> None:
    """Check the options that classifiers and taggers share, and the numbers that are named.

    Args:
        options: all of a classifier's.
        whole: names of those that are whole numbers above 0, or for ``min_steps`` not below it.
        positive: names of those that are numbers above 0.

    Raises:
        ModelError: a value that cannot be meant.
    """
    for name in whole:
        if not isinstance(options[name], int) or options[name] < (name != "min_steps"):
            raise ModelError(f"classifier option {name} must be a whole number above 0")
    for name in positive:
        if not isinstance(options[name], (int, float)) or options[name] <= 0:
            raise ModelError(f"classifier option {name} must be a number above 0 (write 0.0001)")
    most = options.get("max_steps")
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
        raise ModelError("classifier option max_steps must be empty or a whole number above 0")
    dropout = options["dropout"]
    if not isinstance(dropout, (int, float)) or not 0 <= dropout < 1:
        raise ModelError("classifier option dropout must be a number from 0 to below 1")
    for name, allowed in (("freeze_embeddings", (True, False)), ("bf16", ("auto", True, False))):
        if options[name] not in allowed:
            raise ModelError(f"classifier option {name} must be one of {allowed}")


def refuse_bad_share(name: str, value: object) -> None:
    """Check an option that is a share, less than all.

    Raises:
        ModelError: it is none.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 <= float(str(value)) < 1:
        raise ModelError(f"classifier option {name} must be a number from 0 to below 1")


def counts(options: Options) -> list[int]:
    """Options that are numbers of texts or labels.

    Raises:
        ModelError: one of them is no whole number from 0 on.
    """
    for name, value in options.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ModelError(f"classifier option {name} must be 0 or a whole number above it")
    return [*options.values()]
