"""Entity metrics: exact, seqeval's, and defined where there is nothing to find."""

from __future__ import annotations

import builtins
import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from loopd.errors import DataError, ModelError
from loopd.evaluation.entities import entity_metrics
from loopd.installation import add_extra
from loopd.records import Span

LABELS = ("person", "creative-work", "-x-")
ANNA, BERG = Span(0, 4, "person"), Span(5, 9, "person")
Spans = list[tuple[Span, ...]]


def random_spans(rng: np.random.Generator, texts: int) -> Spans:
    found: Spans = []
    for _ in range(texts):
        cuts = np.sort(rng.choice(12, size=rng.integers(0, 6), replace=False)).tolist()
        found.append(
            tuple(
                Span(start, end, str(rng.choice(LABELS)))
                for start, end in pairwise(cuts)
                if rng.random() < 0.6
            )
        )
    return found


def f1(right: int, guessed: int, known: int) -> float:
    return 2 * right / (guessed + known) if guessed + known else 0.0


def test_known_values() -> None:
    gold: Spans = [(ANNA, BERG), (), (Span(3, 8, "creative-work"),), (ANNA,)]
    guess: Spans = [(ANNA,), (), (Span(3, 8, "person"),), (Span(0, 3, "person"),)]
    found = entity_metrics(gold, guess, LABELS)
    assert found["precision"] == pytest.approx(1 / 3)
    assert found["recall"] == pytest.approx(1 / 4)
    assert found["f1"] == pytest.approx(2 / 7)
    assert found["f1.person"] == pytest.approx(2 / 6)
    assert found["f1.creative-work"] == found["f1.-x-"] == 0
    assert found["macro_f1"] == pytest.approx(1 / 6)
    assert found["accuracy"] == 0.25
    assert found["test_size"] == 4
    assert found["f1_low"] <= found["f1"] <= found["f1_high"]
    json.dumps(found)


@pytest.mark.parametrize("seed", range(5))
def test_they_are_what_counting_spans_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gold, guess = random_spans(rng, 30), random_spans(rng, 30)
    guess = [known if rng.random() < 0.5 else some for known, some in zip(gold, guess, strict=True)]
    found = entity_metrics(gold, guess, LABELS)
    pairs = list(zip(gold, guess, strict=True))
    for label in (*LABELS, None):
        counts = np.array(
            [
                (len(set(one) & set(two)), len(two), len(one))
                for one, two in (
                    [tuple(s for s in some if label in (s.label, None)) for some in pair]
                    for pair in pairs
                )
            ]
        )
        expected = f1(*counts.sum(axis=0).tolist())
        assert found["f1" if label is None else f"f1.{label}"] == pytest.approx(expected)
    assert found["accuracy"] == np.mean([one == two for one, two in pairs])


def test_seqeval_agrees_on_plain_tags() -> None:
    from seqeval.metrics import f1_score
    from seqeval.scheme import IOB2

    gold = [["B-a", "I-a", "O", "B-b", "B-b"], ["O", "B-a"]]
    guess = [["B-a", "B-a", "O", "B-b", "B-b"], ["O", "B-a"]]

    def spans(tags: list[str]) -> tuple[Span, ...]:
        found: list[Span] = []
        for place, tag in enumerate(tags):
            if tag.startswith("B"):
                found.append(Span(place, place + 1, tag[2:]))
            elif tag.startswith("I"):
                found[-1] = found[-1]._replace(end=place + 1)
        return tuple(found)

    found = entity_metrics([*map(spans, gold)], [*map(spans, guess)], ("a", "b"))
    assert found["f1"] == pytest.approx(f1_score(gold, guess, mode="strict", scheme=IOB2))


def test_the_interval_is_of_the_texts_and_always_the_same() -> None:
    rng = np.random.default_rng(0)
    gold: Spans = [(ANNA,) for _ in range(200)]
    guess: Spans = [(ANNA,) if rng.random() < 0.7 else () for _ in range(200)]
    found = entity_metrics(gold, guess, LABELS)
    assert 0.05 < found["f1_high"] - found["f1_low"] < 0.15
    assert found == entity_metrics(gold, guess, LABELS)


@pytest.mark.parametrize("guess", [(), (ANNA,)])
def test_no_spans_at_all_are_no_error(guess: tuple[Span, ...]) -> None:
    found = entity_metrics([(), ()], [guess, ()], LABELS)
    assert found["f1"] == found["precision"] == found["recall"] == found["macro_f1"] == 0
    assert found["accuracy"] == (0.5 if guess else 1.0)
    assert all(np.isfinite(value) for value in found.values())


@pytest.mark.parametrize(("gold", "guess"), [([], []), ([()], [])])
def test_nothing_to_compare_is_refused(gold: Spans, guess: Spans) -> None:
    with pytest.raises(DataError, match="cannot compare"):
        entity_metrics(gold, guess, LABELS)


def test_overlapping_spans_are_refused() -> None:
    with pytest.raises(DataError, match="overlaps another"):
        entity_metrics([(ANNA,)], [(ANNA, Span(2, 6, "person"))], LABELS)


def test_without_seqeval_the_hint_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("seqeval"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ModelError) as error:
        entity_metrics([(ANNA,)], [(ANNA,)], LABELS)
    assert error.value.hint == add_extra("spans")
