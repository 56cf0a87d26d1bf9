"""Owns how a plan is shown: a table and sentences for people, an object for programs; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from loopd.sizing.advice import TITLES, advice
from loopd.sizing.costs import MIB
from loopd.sizing.estimate import Plan
from loopd.sizing.spelling import amount, duration

OFTEN = {
    "open": "each start",
    "first round": "each start",
    "later round": "each round",
}
"""When a step is done; any other: once."""

REFERENCE_MACHINE = "the constants of the reference machine (docs/scale.md)"
THIS_MACHINE = "this machine as it was just measured"


def as_text(plan: Plan) -> str:
    """The plan for people."""
    work, machines = plan.workload, plan.machines
    rows = [("", "when", "seconds", "memory")]
    rows += [
        (
            TITLES[step.name],
            OFTEN.get(step.name, "once"),
            duration(step.seconds),
            amount(step.memory),
        )
        for step in plan.steps
    ]
    lines = [_asked(plan), _machines(plan), "", *aligned(rows), ""]
    disk = ", ".join(f"{name} {amount(size)}" for name, size in plan.disk.items() if size)
    lines.append(f"On disk: {amount(sum(plan.disk.values()))} ({disk}).")
    if plan.node_memory is not None:
        lines.append(f"Each other worker needs {amount(plan.node_memory)} of memory.")
    if plan.gpu_memory is not None:
        lines.append(
            f"Each GPU needs {amount(plan.gpu_memory)}. Figures with GPUs are not checked."
        )
    lines.append(
        f"All of it, to {work.labels:,} labels in {work.rounds:,} rounds: "
        f"{duration(plan.seconds)}, without the time that people take."
    )
    fits = advice(plan)
    if machines.memory is not None and not fits:
        lines.append(f"It fits into {amount(machines.memory)} of memory.")
    return "\n".join([*lines, *(f"! {sentence}" for sentence in fits)])


def _asked(plan: Plan) -> str:
    work = plan.workload
    parameters = f"{work.encoder.parameters / 1e6:.0f} M parameters"
    asked = f"{work.texts:,} texts of {work.tokens:.0f} tokens, {work.classifier} over "
    asked += f"{work.encoder.name} ({parameters})"
    if work.classifier == "transformer" and work.scored < work.texts:
        asked += f", which looks at {work.scored:,} texts a round"
    return asked


def _machines(plan: Plan) -> str:
    machines = plan.machines
    nodes = f"{machines.nodes} node{'s' * (machines.nodes > 1)}"
    gpus = f", {machines.gpus} GPU{'s' * (machines.gpus > 1)}" if machines.gpus else ""
    threads = f"{machines.threads} thread{'s' * (machines.threads > 1)} each"
    known = THIS_MACHINE if plan.speed.measured else REFERENCE_MACHINE
    return f"{nodes}{gpus}, {threads}; from {known}"


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows of a table, the last two columns to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def as_json(plan: Plan) -> dict[str, Any]:
    """The plan for programs: seconds, and MiB."""
    work, machines = plan.workload, plan.machines
    return {
        "texts": work.texts,
        "tokens": round(work.tokens, 1),
        "classifier": work.classifier,
        "encoder": {
            "name": work.encoder.name,
            "layers": work.encoder.layers,
            "width": work.encoder.width,
            "parameters": work.encoder.parameters,
        },
        "nodes": machines.nodes,
        "gpus": machines.gpus,
        "threads": machines.threads,
        "measured": plan.speed.measured,
        "steps": {
            step.name: {
                "seconds": round(step.seconds, 2),
                "memory_mib": round(step.memory / MIB, 1),
                "times": step.times,
            }
            for step in plan.steps
        },
        "seconds": round(plan.seconds, 1),
        "disk_mib": {name: round(size / MIB, 1) for name, size in plan.disk.items()},
        "node_memory_mib": _mib(plan.node_memory),
        "gpu_memory_mib": _mib(plan.gpu_memory),
        "advice": advice(plan),
    }


def _mib(size: float | None) -> float | None:
    return None if size is None else round(size / MIB, 1)
