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
    dropout = options["dropout"]
    if not isinstance(dropout, (int, float)) or not 0 <= dropout < 1:
        raise ModelError("classifier option dropout must be a number from 0 to below 1")
    for name, allowed in (("freeze_embeddings", (True, False)), ("bf16", ("auto", True, False))):
        if options[name] not in allowed:
            raise ModelError(f"classifier option {name} must be one of {allowed}")
