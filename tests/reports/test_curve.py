"""The picture of the learning curve, for every kind of run and of class names."""

import math
import threading
from pathlib import Path

import pytest

from loopd.errors import StorageError
from loopd.metrics_log.curve import plot_learning_curve
from loopd.records import JsonValue

Row = dict[str, JsonValue]
SIX = ("account", "billing", "delivery", "product", "returns", "technical")
HOSTILE = (
    "$x_{1$",
    "_hidden",
    "<script>alert(1)</script>" * 9,
    "日本語",
    "a\nb",
    "\\frac{",
    "🙂",
    "",
)


def rows(count: int, names: tuple[str, ...] = SIX, tested: bool = True) -> list[Row]:
    return [_row(number, names if tested else (), tested) for number in range(count)]


def _row(number: int, names: tuple[str, ...], tested: bool) -> Row:
    accuracy = 0.95 - 0.45 * math.exp(-number / 2.5)
    row: Row = {
        "round": number,
        "labels": 20 * number + 20,
        "stop.kappa_average.value": None if number < 2 else 0.9,
        "stop.label_budget.value": 20 * number,
    }
    measured: Row = {
        "accuracy": accuracy,
        "accuracy_low": accuracy - 0.05,
        "accuracy_high": accuracy + 0.04,
        "macro_f1": accuracy - 0.05,
    }
    f1: Row = {f"f1.{name}": accuracy - 0.01 * place for place, name in enumerate(names)}
    return row | measured | f1 if tested else row


def is_png(path: Path) -> bool:
    return path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and path.stat().st_size > 5_000


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(rows(9), id="usual"),
        pytest.param(rows(1), id="one round"),
        pytest.param([], id="no round"),
        pytest.param(rows(5, tested=False), id="no test set"),
        pytest.param(rows(5, HOSTILE), id="hostile names"),
        pytest.param(rows(4, tuple(f"class {n}" for n in range(60))), id="many classes"),
        pytest.param([{"labels": None, "accuracy": None, "f1.a": None}], id="nothing measured"),
        pytest.param([{**rows(1)[0], "labels": 0}], id="no labels"),
    ],
)
def test_every_run_gives_a_picture(tmp_path: Path, content: list[Row]) -> None:
    path = tmp_path / "new folder" / "curve.png"
    plot_learning_curve(content, path, "$\\bad{ title_ \n" * 20)
    assert is_png(path)


def test_drawing_works_outside_the_main_thread(tmp_path: Path) -> None:
    path = tmp_path / "curve.png"
    thread = threading.Thread(target=plot_learning_curve, args=(rows(3), path, "title"))
    thread.start()
    thread.join()
    assert is_png(path)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageError):
        plot_learning_curve(rows(2), tmp_path / "file" / "curve.png", "title")
