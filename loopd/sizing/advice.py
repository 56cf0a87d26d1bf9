"""Owns what is said where something does not fit, and what to change; pure."""

from __future__ import annotations

from loopd.sizing.estimate import Plan, planned
from loopd.sizing.spelling import amount, duration
from loopd.sizing.workload import Machines

LONG_ROUND = 3600.0
"""Seconds of a round after which people would have gone home."""

LONG_ENCODING = 86_400.0

SPARE_MEMORY = 0.9
"""Share of a machine's memory that one process may take."""

TITLES = {
    "read": "Taking in the table",
    "index": "Making the index",
    "encode": "Encoding the pool",
    "open": "Opening the run",
    "first round": "The first round of a process",
    "later round": "A later round",
}
"""Of the steps, for people."""

WORKERS = tuple(2**power for power in range(1, 11))


def advice(plan: Plan) -> list[str]:
    """A sentence for everything that does not fit, with what to change."""
    said = [_too_much_to_read(plan), _too_much_memory(plan), _long_round(plan)]
    return [each for each in (*said, _long_encoding(plan)) if each]


def _room(plan: Plan) -> float | None:
    memory = plan.machines.memory
    return None if memory is None else memory * SPARE_MEMORY


def _too_much_to_read(plan: Plan) -> str:
    room, step = _room(plan), plan.step("read")
    if room is None or max(step.memory, plan.step("index").memory) <= room:
        return ""
    return (
        f"Taking in {plan.workload.texts:,} texts at once needs {amount(step.memory)} of memory, "
        f"and there are {amount(plan.machines.memory or 0)}: begin with a part of the table, and "
        "add the rest part by part with `loopd add`."
    )


def _too_much_memory(plan: Plan) -> str:
    room = _room(plan)
    if room is None:
        return ""
    steps = [step for step in plan.steps if step.name not in ("read", "index")]
    largest = max(steps, key=lambda step: step.memory)
    if largest.name == "encode" and largest.memory <= plan.step("index").memory:
        steps.remove(largest)  # said already
        largest = max(steps, key=lambda step: step.memory)
    if largest.memory <= room:
        return ""
    change = (
        "a smaller encoder, or more nodes, take less"
        if largest.name == "encode"
        else "take a machine with more, or a sample of the texts as the pool"
    )
    return (
        f"{TITLES[largest.name]} needs {amount(largest.memory)} of memory, and there are "
        f"{amount(plan.machines.memory or 0)}: {change}."
    )


def _long_round(plan: Plan) -> str:
    step = plan.step("later round")
    if step.seconds <= LONG_ROUND:
        return ""
    if plan.workload.classifier == "transformer":
        change = "set fewer `classifier.candidates`, or take `frozen-head` or a GPU"
    else:
        change = "take a sample of the texts as the pool, or fewer `dimensions`"
    return f"A round takes {duration(step.seconds)}: {change}."


def _long_encoding(plan: Plan) -> str:
    seconds = plan.step("encode").seconds
    if seconds <= LONG_ENCODING:
        return ""
    machines, change = plan.machines, "take a smaller encoder or a sample of the texts as the pool"
    kind, have = ("gpus", machines.gpus) if machines.gpus else ("nodes", machines.nodes)
    for more in (each for each in WORKERS if each > have):
        numbers = {"nodes": machines.nodes, "gpus": machines.gpus, kind: more}
        other = Machines(threads=machines.threads, **numbers)
        if planned(plan.workload, other, plan.speed).step("encode").seconds <= LONG_ENCODING:
            of_these = "GPUs" if kind == "gpus" else "such nodes"
            change = f"{more} {of_these} would do it in a day; a smaller encoder is faster, too"
            if not machines.gpus:
                change += ", and so is a GPU"
            break
    return f"Encoding the pool takes {duration(seconds)}, once: {change}."
