"""The loop of docs/howto-listener.md, as it is printed, on the real embedded Argilla."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from loopd.demo.sample_data import generate
from tests.daemon import wait_for
from tests.docs import pages
from tests.live import LiveArgilla
from tests.people import is_guest

HOWTO = pages.ROOT / "docs/howto-listener.md"
ROUNDS = 6

Names = dict[str, Any]
RunLoop = Callable[[int, str, str], Names]


def printed() -> tuple[str, str, str]:
    """What comes before the loop, the loop for Argilla 1, and the loop for Argilla 2."""
    (before,) = (block for block in pages.fences(HOWTO, "python") if "PoolBased" in block)
    (diff,) = pages.fences(HOWTO, "diff")

    def side(other: str) -> str:
        return "".join(
            line[1:] for line in diff.splitlines(keepends=True) if not line.startswith(other)
        )

    return before, side("+"), side("-")


def test_the_move_is_ten_lines_at_most_and_both_sides_are_python() -> None:
    _, old, new = printed()
    for side in (old, new):
        compile(side, "howto", "exec")
    (diff,) = pages.fences(HOWTO, "diff")
    added = [line for line in diff.splitlines() if line.startswith("+")]
    assert len([line for line in added if line[1:].strip()]) <= 10


@pytest.fixture
def run_loop(argilla: LiveArgilla, sdk: tuple[Any, Any]) -> Iterator[RunLoop]:
    """Runs the page's code, and people who answer, until so many rounds are done."""
    rg, client = sdk
    rg.Argilla._set_default(client)
    pool, test = generate()
    labels = sorted({question.label for question in pool})
    gold = {str(number): question.label for number, question in enumerate(pool)}
    names: Names = {
        "client": client,
        "NAMES": labels,
        "texts": [question.text for question in pool],
        "test_texts": [question.text for question in test],
        "test_y": np.array([labels.index(question.label) for question in test]),
    }
    people = argilla.people("questions")
    order = random.Random(1)

    def answer(at_most: int) -> int:
        """What is open, in an order of the annotator's own; how many these were."""
        waiting = list(people.open_records("ann"))[:at_most]
        for record_id in order.sample(waiting, len(waiting)):
            people.submit(record_id, "ann", gold[record_id])
        return len(waiting)

    def run(rounds: int, before: str, loop: str) -> Names:
        np.random.seed(1)  # noqa: NPY002 - small-text's own source of randomness
        exec(before, names)  # noqa: S102 - the page's very code
        exec(loop, names)  # noqa: S102
        loops = names["loop"]
        to_answer = rounds * names["BATCH"]  # nothing of the batch that is published after them

        def finished() -> bool:
            nonlocal to_answer
            to_answer -= answer(to_answer)
            return len(names["accuracies"]) >= rounds or not loops.is_running()

        wait_for(finished, 240)
        loops.stop()
        names["gold"] = np.array([labels.index(gold[str(i)]) for i in range(len(pool))])
        return names

    yield run
    if "dataset" in names:
        with argilla.guard.own_hand():
            names["dataset"].delete()
    people.close()


def check(names: Names, rounds: int) -> None:
    """So many rounds, and every label on the text that it was given to."""
    learner, batch = names["learner"], names["BATCH"]
    assert len(names["accuracies"]) == rounds
    assert len(set(learner.indices_labeled)) == rounds * batch
    assert (learner.y == names["gold"][learner.indices_labeled]).all()
    records = [each for each in names["dataset"].records() if not is_guest(each.fields)]
    assert len(records) == (rounds + 1) * batch


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore")  # Argilla's SDK and small-text warn of themselves
def test_the_printed_loop_runs(run_loop: RunLoop) -> None:
    before, _, loop = printed()
    smaller = before.replace('"questions", 20', '"questions", 8')
    faster = loop.replace("in_seconds=3,", "in_seconds=0.2,")
    assert smaller != before
    assert faster != loop
    check(run_loop(2, smaller, faster), 2)


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_printed_loop_runs_six_rounds_unattended(run_loop: RunLoop) -> None:
    before, _, loop = printed()
    names = run_loop(ROUNDS, before, loop)
    check(names, ROUNDS)
    assert names["accuracies"][-1] > names["accuracies"][0]
