"""Owns the mistakes that simulated people make in each kind of task; pure."""

from __future__ import annotations

from loopd.records import Span, Target
from loopd.tasks.task import Task


def mistaken(task: Task, right: Target, slip: float) -> Target:
    """A wrong target that can be submitted, or the right one where there is no other.

    Args:
        task: the kind of task and its labels.
        right: the right target.
        slip: a number in [0, 1) that says which mistake is made.
    """
    if isinstance(right, str):
        return _drawn([label for label in task.labels if label != right], slip, right)
    if task.kind == "multi_label":
        return _flipped(task, {str(label) for label in right}, slip)
    return _misread(task, tuple(Span(*span) for span in right), slip)


def _drawn(others: list[str], slip: float, right: str) -> str:
    return others[int(slip * len(others))] if others else right


def _flipped(task: Task, right: set[str], slip: float) -> Target:
    """One label too many or too few."""
    candidates = []
    for label in task.labels:
        changed = right ^ {label}
        target = tuple(label for label in task.labels if label in changed)
        if task.is_valid(task.value(target)):
            candidates.append(target)
    return candidates[int(slip * len(candidates))] if candidates else tuple(sorted(right))


def _misread(task: Task, right: tuple[Span, ...], slip: float) -> Target:
    """One span is overlooked, or has another label where there is one."""
    if not right:
        return right
    index = int(slip * len(right))
    seen = right[index]
    others = [label for label in task.labels if label != seen.label]
    share = slip * len(right) - index
    changed = () if share < 0.5 else (Span(seen.start, seen.end, _drawn(others, share, "")),)
    kept = tuple(span for span in changed if span.label)
    return (*right[:index], *kept, *right[index + 1 :])
