"""Owns the rounds as TensorBoard events; what lies in the folder is read, not remembered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loopd.metrics_log.rows import Row, number
from loopd.sinks.sink import RunRecord, numbers


class TensorBoardLog:
    """Scalars with the round as step, in a folder of the run's own below the configured one.

    Args:
        folder: TensorBoard's ``--logdir``.
    """

    name = "tensorboard"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: Any = None
        self._known: set[tuple[str, int]] = set()

    def write(self, story: RunRecord) -> None:
        """Write the scalars that the folder lacks."""
        if self._writer is None:
            self._open(self._folder / f"{story.name}-{story.identity[:6]}")
        try:
            self._settings(story)
            for row in story.rows:
                self._round(row)
            self._writer.flush()
        except Exception:
            self._forget()
            raise

    def close(self) -> None:
        """End the file of this process."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _open(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._known = _written(folder)
        self._writer = SummaryWriter(str(folder))

    def _forget(self) -> None:
        """What reached the disk is looked up again before the next try."""
        broken, self._writer = self._writer, None
        broken.close()

    def _settings(self, story: RunRecord) -> None:
        tag = f"config/{story.origin['config_digest']}"
        if (f"{tag}/text_summary", 0) not in self._known:
            lines = [f"    {key}: {value}" for key, value in story.settings.items()]
            self._writer.add_text(tag, "\n".join(lines), 0, walltime=story.began)
            self._known.add((f"{tag}/text_summary", 0))

    def _round(self, row: Row) -> None:
        step, moment = int(number(row, "round") or 0), number(row, "at")
        for key, value in numbers(row):
            tag = key.replace(".", "/", 1)  # TensorBoard groups by what stands before it
            if (tag, step) not in self._known:
                self._writer.add_scalar(tag, value, step, walltime=moment)
                self._known.add((tag, step))


def _written(folder: Path) -> set[tuple[str, int]]:
    """Tags and steps of everything in the folder, whichever process wrote it."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    if not folder.is_dir():
        return set()
    everything = {"scalars": 0, "tensors": 0}
    events = EventAccumulator(str(folder), everything, purge_orphaned_data=False)
    events.Reload()
    tags = events.Tags()
    return {(tag, event.step) for tag in tags["scalars"] for event in events.Scalars(tag)} | {
        (tag, event.step) for tag in tags["tensors"] for event in events.Tensors(tag)
    }
