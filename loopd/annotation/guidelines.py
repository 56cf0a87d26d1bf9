"""Owns how changed guidelines come to Argilla; must not overwrite what people wrote there."""

from __future__ import annotations

from loopd import log
from loopd.annotation.dataset_api import DatasetApi
from loopd.annotation.run_mark import RunIdentity
from loopd.tasks.guidelines import is_usual


def settle(api: DatasetApi, in_argilla: str, configured: str, run: RunIdentity) -> None:
    """Bring the configured guidelines to Argilla, if those there are the run's own.

    Args:
        api: of the dataset.
        in_argilla: what people read there now; empty for nothing.
        configured: what they are to read.
        run: remembers what it wrote last.
    """
    written = run.guidelines()
    if in_argilla == configured:
        if written != configured:
            run.keep_guidelines(configured)
    elif written == in_argilla:
        api.request("PATCH", "", json={"guidelines": configured or None})
        run.keep_guidelines(configured)
        log.get("loop").info("guidelines_changed", says="people read the new guidelines now")
    elif sentence := refusal(in_argilla, configured, run):
        hint = "write yours into the settings of the dataset in Argilla, or leave it as it is"
        log.get("loop").warning("settings_warning", says=sentence, hint=hint)


def refusal(in_argilla: str, configured: str, run: RunIdentity) -> str:
    """Why changed guidelines do not come to Argilla, empty where nobody wants them to."""
    written = run.guidelines()
    if in_argilla in (configured, written) or configured == written or is_usual(configured):
        return ""
    return "task.guidelines are not what people read: those in Argilla were edited, and they stay"
