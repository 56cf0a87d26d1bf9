"""Draws the state machine of `loopd.machine` as SVG; must not leave a transition out unseen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from loopd.machine import (
    TRANSITIONS,
    AnswersCollected,
    BatchPlanned,
    ModelTrained,
    Phase,
    PoolChanged,
    RunRecovered,
    RunResumed,
    RunStarted,
    RunStopped,
)

WIDTH, HEIGHT = 760, 305
BOX = (130, 56)
COLUMNS, ROWS = (20, 217, 414, 611), (70, 240)

PLACES = {
    Phase.SEED: (0, 0, "first batch, no model"),
    Phase.PUBLISH: (1, 0, "batch into Argilla"),
    Phase.COLLECT: (2, 0, "people answer"),
    Phase.TRAIN: (3, 0, "on all labels"),
    Phase.EVALUATE: (3, 1, "test set, criteria"),
    Phase.DECIDE: (1, 1, "stop, or choose"),
    Phase.DONE: (0, 1, "until resumed"),
}
"""Column, row and what happens there."""

UNSEEN = {
    (Phase.NEW, RunStarted): "before the picture begins",
    (Phase.SEED, AnswersCollected): "only where answers came with the pool or are in the dataset",
    (Phase.SEED, ModelTrained): "only where labels are described",
    (Phase.SEED, RunStopped): "only where they leave nothing to ask",
    (Phase.SEED, RunRecovered): "only after `loopd recover`",
    (Phase.TRAIN, AnswersCollected): "only before the process ends",
    (Phase.EVALUATE, AnswersCollected): "only before the process ends",
    (Phase.TRAIN, BatchPlanned): "only with too few labels to train on",
    (Phase.TRAIN, RunStopped): "only with too few labels and no text left",
}
"""Rare transitions that are left to the table in `docs/events.md`, and why."""

AT_ONCE = (RunResumed, PoolChanged)
"""What may come first in any phase, when a process begins."""

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2933; text-anchor: middle }
  .name { font-weight: 700; letter-spacing: .04em }
  .what { font-size: 11px; fill: #52606d }
  .fact { font: 11px ui-monospace, monospace; fill: #3949ab }
  rect.box { fill: #eef1fb; stroke: #3949ab; stroke-width: 1.5 }
  path { fill: none; stroke: #52606d; stroke-width: 1.5; marker-end: url(#tip) }
"""


@dataclass(frozen=True, slots=True)
class Arrow:
    """One transition.

    Attributes:
        path: of the line, as SVG has it.
        at: where its words stand, their middle.
        words: the event, and what it means where that is not plain.
    """

    path: str
    at: tuple[int, int]
    words: tuple[str, ...]


def svg() -> str:
    """`docs/images/loop.svg`."""
    arrows = [_arrow(*each) for each in _transitions()]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        "<title>The phases of a run and the facts that lead from one to the next</title>",
        f"<style>{STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7"'
        ' markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" style="fill:#52606d;'
        'stroke:none;marker-end:none"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *(line for arrow in arrows for line in _drawn(arrow)),
        *(line for phase in PLACES for line in _box(phase)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _transitions() -> Iterator[tuple[Phase, type, Phase]]:
    """What the picture shows: all that `TRANSITIONS` has, but for a new configuration."""
    for phase, targets in TRANSITIONS.items():
        for event, target in targets.items():
            if event not in AT_ONCE and (phase, event) not in UNSEEN:
                yield phase, event, target


def _arrow(phase: Phase, event: type, target: Phase) -> Arrow:
    if phase is target:
        return _loop(phase, event.__name__)
    (x, y), (to_x, to_y) = _middle(phase), _middle(target)
    half_width, half_height = BOX[0] // 2, BOX[1] // 2
    if y == to_y:
        way = 1 if to_x > x else -1
        path = f"M{x + way * half_width} {y}H{to_x - way * (half_width + 2)}"
        return Arrow(path, ((x + to_x) // 2, y - 36 if y == ROWS[0] else y + 44), (event.__name__,))
    if x != to_x:
        raise ValueError(f"no place in the picture for {event.__name__} from {phase.value}")
    way = 1 if to_y > y else -1
    path = f"M{x} {y + way * half_height}V{to_y - way * (half_height + 2)}"
    return Arrow(path, (x, (y + to_y) // 2), (event.__name__, *_hint(phase)))


def _hint(phase: Phase) -> tuple[str, ...]:
    return ("next batch",) if phase is Phase.DECIDE else ()


def _loop(phase: Phase, words: str) -> Arrow:
    x, y = _middle(phase)
    low = y + BOX[1] // 2
    return Arrow(f"M{x - 30} {low}C{x - 40} {low + 48} {x + 40} {low + 48} {x + 30} {low + 2}",
                 (x, low + 54), (words,))  # fmt: skip


def _middle(phase: Phase) -> tuple[int, int]:
    column, row, _ = PLACES[phase]
    return COLUMNS[column] + BOX[0] // 2, ROWS[row]


def _drawn(arrow: Arrow) -> Iterator[str]:
    yield f'<path d="{arrow.path}"/>'
    x, y = arrow.at
    upright = "V" in arrow.path
    for number, words in enumerate(arrow.words):
        kind, top = ("what" if number else "fact"), y + 16 * number
        if upright:
            yield _clearing(x, top, 7 * len(words))
        yield f'<text class="{kind}" x="{x}" y="{top}">{escape(words)}</text>'


def _clearing(x: int, y: int, width: int) -> str:
    """White behind words that stand on a line."""
    return f'<rect x="{x - width // 2}" y="{y - 11}" width="{width}" height="15" fill="#fff"/>'


def _box(phase: Phase) -> Iterator[str]:
    x, y = _middle(phase)
    width, height = BOX
    left, top = x - width // 2, y - height // 2
    yield f'<rect class="box" x="{left}" y="{top}" width="{width}" height="{height}" rx="8"/>'
    yield f'<text class="name" x="{x}" y="{y - 3}">{escape(phase.value.upper())}</text>'
    yield f'<text class="what" x="{x}" y="{y + 15}">{escape(PLACES[phase][2])}</text>'
