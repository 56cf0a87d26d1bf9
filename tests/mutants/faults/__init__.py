"""Owns the list of planted faults, by the part of loopd that they are in; must not plant any.

A fault names the tests that should notice it. One that none of them does says why in ``survives``.
"""

from __future__ import annotations

from tests.mutants.fault import Fault
from tests.mutants.faults.annotation import ANNOTATION
from tests.mutants.faults.consensus import CONSENSUS
from tests.mutants.faults.entrance import ENTRANCE
from tests.mutants.faults.evaluation import EVALUATION
from tests.mutants.faults.loop import LOOP
from tests.mutants.faults.machine import MACHINE
from tests.mutants.faults.storage import STORAGE

FAULTS: tuple[Fault, ...] = (
    *(*MACHINE, *STORAGE, *CONSENSUS, *ANNOTATION, *EVALUATION, *LOOP),
    *ENTRANCE,
)
"""All of them, in the order in which they are planted."""
