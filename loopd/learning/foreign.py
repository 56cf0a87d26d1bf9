"""Owns calls into code that is not ours, classifiers and strategies; must not know what they do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from loopd.errors import LoopdError, ModelError


@contextmanager
def calling(what: str) -> Iterator[None]:
    """Turn whatever the code raises into one line.

    Args:
        what: who is called, such as ``the query strategy X``.

    Raises:
        ModelError: instead of any other error; loopd's own pass through.
    """
    try:
        yield
    except (LoopdError, KeyboardInterrupt):
        raise
    # Not Exception alone: code that calls sys.exit() would end us without a word.
    except BaseException as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ModelError(f"{what} failed: {reason}") from error
