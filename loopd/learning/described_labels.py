"""Owns which texts describe which labels; must not encode or train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loopd.learning.problems.problem import Problem
from loopd.records import Target


@dataclass(frozen=True)
class DescribedLabels:
    """Texts with the target that each stands for.

    Attributes:
        texts: (m,).
        targets: (m,) as people would answer.
    """

    texts: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()

    @classmethod
    def of(cls, descriptions: Mapping[str, Sequence[str]], problem: Problem) -> DescribedLabels:
        """Those of a task, in the order of its labels.

        Args:
            descriptions: texts by label.
            problem: whose targets they become.
        """
        pairs = [
            (text, (label,) if problem.kind == "multi_label" else label)
            for label in problem.labels
            for text in descriptions.get(label, ())
        ]
        return cls(tuple(text for text, _ in pairs), tuple(target for _, target in pairs))
