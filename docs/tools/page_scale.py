"""Writes the page on what fits where from `loopd.sizing` and the last measurements."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from click.testing import CliRunner
from tables import page, table

from loopd.cli import main
from loopd.sizing.costs import MIB
from loopd.sizing.encoder_shape import of_shape
from loopd.sizing.estimate import Plan, planned
from loopd.sizing.spelling import amount, duration
from loopd.sizing.workload import PACKAGED, Machines, Workload

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import plan_check

EXAMPLE = (
    "loopd plan --texts 100e6 --layers 12 --width 768 --nodes 8 --gpus 8 --threads 16 --memory 64"
)

BASE, LARGE = of_shape(12, 768), of_shape(24, 1024)
ENCODERS: Mapping[str, str] = {
    PACKAGED.name: "packaged",
    BASE.name: "base (12 x 768)",
    LARGE.name: "large (24 x 1024)",
}
HEAD, TUNED = "frozen-head", "transformer"
THREADS = 16

ROWS = (
    (10_000, HEAD, PACKAGED, Machines(threads=THREADS)),
    (10_000, TUNED, PACKAGED, Machines(threads=THREADS)),
    (100_000, HEAD, PACKAGED, Machines(threads=THREADS)),
    (100_000, TUNED, PACKAGED, Machines(threads=THREADS)),
    (100_000, TUNED, BASE, Machines(threads=THREADS)),
    (1_000_000, HEAD, PACKAGED, Machines(threads=THREADS)),
    (1_000_000, TUNED, PACKAGED, Machines(threads=THREADS)),
    (1_000_000, TUNED, BASE, Machines(threads=THREADS)),
    (1_000_000, TUNED, BASE, Machines(threads=THREADS, gpus=1)),
    (5_000_000, HEAD, PACKAGED, Machines(threads=THREADS)),
    (5_000_000, HEAD, BASE, Machines(threads=THREADS, gpus=1)),
    (100_000_000, HEAD, PACKAGED, Machines(nodes=8, threads=THREADS)),
    (100_000_000, HEAD, PACKAGED, Machines(nodes=8, threads=THREADS, gpus=8)),
    (100_000_000, TUNED, BASE, Machines(nodes=8, threads=THREADS, gpus=8)),
    (100_000_000, TUNED, LARGE, Machines(nodes=8, threads=THREADS, gpus=8)),
)
"""What the table of the page shows."""


def scale() -> str:
    """`docs/scale.md`."""
    shown = CliRunner().invoke(main, shlex.split(EXAMPLE)[1:], catch_exceptions=False)
    five = planned(Workload(5_000_000, text_bytes=71.7, id_bytes=9, format="jsonl"), Machines())
    return page(
        "scale",
        example=f"```bash\n{EXAMPLE}\n```\n\n```text\n{shown.output.rstrip()}\n```",
        fits=_fits(),
        read_five=_mib(five, "read"),
        open_five=_mib(five, "open"),
        read_five_seconds=f"{five.step('read').seconds:.0f} s",
        checked=_checked(plan_check.NAME),
        elsewhere=_checked(plan_check.ELSEWHERE),
    )


def _checked(name: str) -> str:
    return "\n".join([*plan_check.HEADING, *plan_check.table_of(plan_check.last(name))])


def _mib(plan: Plan, step: str) -> str:
    return f"{plan.step(step).memory / MIB:,.0f} MiB"


def _fits() -> str:
    headings = (
        "texts", "classifier", "encoder", "machines", "taking in", "encoding, once", "a round",
        "memory", "memory of another worker", "disk",
    )  # fmt: skip
    return table(headings, [_row(*row) for row in ROWS])


def _row(texts: int, classifier: str, encoder: object, machines: Machines) -> tuple[str, ...]:
    plan = planned(Workload(texts, classifier=classifier, encoder=encoder), machines)
    other = "" if plan.node_memory is None else amount(plan.node_memory)
    return (
        f"{texts:,}",
        f"`{classifier}`",
        ENCODERS[plan.workload.encoder.name],
        _machines(plan),
        duration(plan.step("read").seconds + plan.step("index").seconds),
        duration(plan.step("encode").seconds),
        duration(plan.step("later round").seconds),
        amount(plan.memory),
        other,
        amount(sum(plan.disk.values())),
    )


def _machines(plan: Plan) -> str:
    gpus = f", {plan.machines.gpus} GPU{'s' * (plan.machines.gpus > 1)}" * bool(plan.machines.gpus)
    return f"{plan.machines.nodes}{gpus}"
