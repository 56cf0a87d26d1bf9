"""Owns which kinds of tasks there are and how one is made from the configuration."""

from __future__ import annotations

from loopd.config import TaskSection
from loopd.tasks.multi_label import MultiLabelTask
from loopd.tasks.single_label import SingleLabelTask
from loopd.tasks.spans import SpanTask
from loopd.tasks.task import Task

TITLES = {
    "single_label": "Which label fits?",
    "multi_label": "Which labels fit?",
    "spans": "Mark the spans.",
}
"""What is asked where the configuration gives no title."""


def build_task(section: TaskSection) -> Task:
    """The task that the configuration describes."""
    common = (
        section.labels,
        section.question,
        section.field,
        section.title or TITLES[section.type],
    )
    match section.type:
        case "single_label":
            return SingleLabelTask(*common)
        case "multi_label":
            return MultiLabelTask(*common, section.none_label)
        case "spans":
            return SpanTask(*common)
