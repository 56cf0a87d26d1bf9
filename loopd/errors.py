"""Owns the one tree of errors that loopd raises on purpose; must not import anything of loopd.

Every class carries an exit code, every instance a one-line message and a hint. The command line
prints both and ends with the code; only :class:`TransientError` is ever retried.
"""

from __future__ import annotations


class LoopdError(Exception):
    """Anything loopd ends with on purpose.

    Args:
        message: one line that says what is wrong.
        hint: one line that says what to do about it; empty: that of the class, which may be empty.
    """

    exit_code = 1
    name = "error"
    usual_hint = ""

    def __init__(self, message: str, hint: str = "") -> None:
        # What is quoted from elsewhere may have line ends of its own.
        self.message = " ".join(message.splitlines())
        self.hint = " ".join((hint or self.usual_hint).splitlines())
        super().__init__(self.message)


class ConfigError(LoopdError):
    """The configuration file is missing, malformed or contradicts itself."""

    exit_code = 10
    name = "config"
    usual_hint = "correct the configuration, then start again; nothing was changed"


class DataError(LoopdError):
    """A pool or test file cannot be read, or lacks a column, or holds nothing usable."""

    exit_code = 11
    name = "data"
    usual_hint = "correct the file, or name another one in the configuration"


class ModelError(LoopdError):
    """A model, classifier or query strategy cannot be found, loaded or used."""

    exit_code = 12
    name = "model"
    usual_hint = "correct `classifier` or `strategy` in the configuration"


class RunError(LoopdError):
    """The run directory belongs to another run: other labels, other seed or another pool."""

    exit_code = 13
    name = "run"


class LockedError(LoopdError):
    """Another daemon works on the same run."""

    exit_code = 14
    name = "locked"


class JournalError(LoopdError):
    """The journal is damaged."""

    exit_code = 15
    name = "journal"


class NewerError(JournalError):
    """A newer loopd wrote the journal, or another file of the run: nothing is damaged."""

    exit_code = 17
    name = "newer"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint or "upgrade loopd: nothing is damaged, nothing was changed")


class StorageError(LoopdError):
    """The disk is full, or a file of the run cannot be written."""

    exit_code = 16
    name = "storage"
    usual_hint = "free some space or mend the permissions, then start again"


class AuthError(LoopdError):
    """Argilla refused the API key, or the account lacks a permission."""

    exit_code = 20
    name = "auth"


class DatasetError(LoopdError):
    """The Argilla dataset was deleted or emptied, or does not fit the task."""

    exit_code = 21
    name = "dataset"


class ArgillaError(LoopdError):
    """Argilla refused a request for a reason that a retry cannot mend."""

    exit_code = 22
    name = "argilla"


class ServerError(LoopdError):
    """The embedded Argilla cannot start or stopped unexpectedly."""

    exit_code = 23
    name = "server"


class TransientError(LoopdError):
    """A failure that waiting may mend: network down, time-out, HTTP 5xx or 429."""

    exit_code = 24
    name = "unreachable"
    retry_after: float | None = None
    """Seconds for which the server asked to be left alone."""
    late: bool = False
    """Whether only the answer did not come in time: what was asked for may be done all the same."""


class UnexpectedError(LoopdError):
    """Something that loopd did not foresee: a bug. ``LOOPD_TRACEBACK=1`` shows where."""

    exit_code = 70
    name = "unexpected"

    def __init__(self, message: str) -> None:
        hint = "please report it, with what LOOPD_TRACEBACK=1 shows; the journal is intact"
        super().__init__(message, hint)


class Interrupted(LoopdError):  # noqa: N818 - not an error
    """A long step was left because a stop was asked for; nothing is wrong."""

    exit_code = 0
    name = "interrupted"
