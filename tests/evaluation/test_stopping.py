"""Stopping criteria: replayed equals uninterrupted, values agree with small-text's verdicts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loopd.config import CriterionSection
from loopd.errors import ConfigError, JournalError
from loopd.evaluation import stopping
from loopd.evaluation.stopping import (
    CLASSES,
    check_criteria,
    decode,
    encode,
    evaluate_criteria,
)

OPTIONS: dict[str, dict[str, Any]] = {
    "kappa_average": {"kappa": 0.9, "window_size": 3},
    "delta_f_score": {"threshold": 0.1},
    "classification_change": {"threshold": 0.05},
    "overall_uncertainty": {"threshold": 0.3},
    "max_iterations": {"max_iterations": 5},
}


def sections(*names: str) -> list[CriterionSection]:
    return [
        CriterionSection.model_validate({"name": name, "options": OPTIONS[name]})
        for name in names or CLASSES
    ]


def rounds(classes: int, count: int = 12, texts: int = 60) -> list[np.ndarray]:
    """Probabilities that settle: noise falls and confidence grows from round to round."""
    rng = np.random.default_rng(classes)
    logits = rng.normal(size=(texts, classes))
    found = []
    for number in range(count):
        noisy = (logits + rng.normal(size=logits.shape) * 2.0 / (1 + number) ** 1.5) * (1 + number)
        grown = np.exp(noisy - noisy.max(axis=1, keepdims=True))
        found.append((grown / grown.sum(axis=1, keepdims=True)).astype(np.float32))
    return found


def replayed(criteria: list[CriterionSection], probas: list[np.ndarray]) -> list[Any]:
    history: list[str] = []
    verdicts = []
    for proba in probas:
        verdict, encoded = evaluate_criteria(criteria, tuple(history), proba)
        assert evaluate_criteria(criteria, tuple(history), proba) == (verdict, encoded)
        history.append(encoded)
        verdicts.append(verdict)
    return verdicts


def uninterrupted(section: CriterionSection, probas: list[np.ndarray]) -> list[bool]:
    """The verdicts of one small-text object that sees every round, as small-text means it."""
    import small_text

    options = dict(section.options)
    if section.name != "max_iterations":
        options["num_classes"] = probas[0].shape[1]
    criterion = getattr(small_text, CLASSES[section.name])(**options)
    return [
        bool(
            criterion.stop(
                predictions=proba.argmax(axis=1),
                proba=proba.astype(np.float64),
                indices_stopping=np.arange(len(proba)),
            )
        )
        for proba in probas
    ]


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("name", CLASSES)
def test_replay_equals_small_text_without_interruption(classes: int, name: str) -> None:
    if name == "delta_f_score" and classes > 2:
        pytest.skip("binary only")
    probas = rounds(classes)
    verdicts = [verdict[name]["stop"] for verdict in replayed(sections(name), probas)]
    expected = uninterrupted(sections(name)[0], probas)
    assert verdicts == expected
    assert any(expected)
    assert not all(expected)


def test_values_explain_the_verdicts() -> None:
    """Where a value exists, comparing it with the threshold gives small-text's verdict."""
    verdicts = replayed(sections(), rounds(2))
    for number, verdict in enumerate(verdicts):
        kappa, change, uncertain, f_score, count = (
            verdict[name]
            for name in (
                "kappa_average",
                "classification_change",
                "overall_uncertainty",
                "delta_f_score",
                "max_iterations",
            )
        )
        window = number >= 3
        assert kappa["stop"] == (window and kappa["value"] >= 0.9)
        assert f_score["stop"] == (window and f_score["value"] < 0.1)
        assert change["stop"] == (number > 0 and change["value"] <= 0.05)
        assert uncertain["stop"] == (uncertain["value"] < 0.3)
        assert count == {"value": number + 1.0, "stop": number + 1 >= 5}


def test_the_first_round_has_no_value_where_two_are_needed() -> None:
    (verdict,) = replayed(sections(), rounds(2, count=1))
    for name in ("kappa_average", "classification_change", "delta_f_score"):
        assert verdict[name] == {"value": None, "stop": False}
    assert verdict["overall_uncertainty"]["value"] > 0


def test_delta_f_score_with_more_than_two_labels_says_why() -> None:
    (verdict, *_) = replayed(sections("delta_f_score"), rounds(3))
    assert verdict["delta_f_score"]["value"] is None
    assert verdict["delta_f_score"]["stop"] is False
    assert "two labels" in verdict["delta_f_score"]["reason"]
    with pytest.raises(ConfigError, match="two labels"):
        check_criteria(sections("delta_f_score"), 3)


def test_delta_f_score_without_any_positive_has_no_value() -> None:
    never = np.tile(np.array([[0.9, 0.1]], dtype=np.float32), (20, 1))
    verdicts = replayed(sections("delta_f_score"), [never] * 5)
    assert verdicts[-1]["delta_f_score"] == {"value": None, "stop": False}


def test_a_stop_set_of_another_size_starts_afresh() -> None:
    before, after = rounds(3, count=5), rounds(3, count=5, texts=30)
    verdicts = replayed(sections("kappa_average", "max_iterations"), before + after)
    alone = replayed(sections("kappa_average"), after)
    assert [each["kappa_average"] for each in verdicts[5:]] == [
        each["kappa_average"] for each in alone
    ]
    assert verdicts[-1]["max_iterations"]["value"] == 10
    back = replayed(sections("kappa_average"), before + after + before)
    assert back[10:] == replayed(sections("kappa_average"), before)  # what was is not gone on with


def test_a_stop_set_that_changed_is_compared_where_both_are() -> None:
    """Late texts take the places of some: only what all rounds of the window looked at counts."""
    before, after = [f"r{n}" for n in range(60)], [f"r{n}" for n in range(20, 80)]
    sure = {id_: [0.9, 0.1] if n % 2 else [0.1, 0.9] for n, id_ in enumerate((*before, *after))}
    other = {id_: pair[::-1] if id_ in before[:20] else pair for id_, pair in sure.items()}
    names, history = sections("kappa_average", "classification_change"), list[str]()
    for sets, said in (
        ([before], sure), ([before], other), ([before, after], sure), ([before, after], other)
    ):  # fmt: skip
        proba = np.array([said[id_] for id_ in sets[-1]])
        verdict, encoded = evaluate_criteria(names, history, proba, sets)
        history.append(encoded)
    assert verdict["kappa_average"]["value"] == 1.0  # all differences are in texts that left
    assert verdict["classification_change"]["value"] == 0.0
    proba = np.array([sure[id_][::-1] for id_ in after])
    verdict, _ = evaluate_criteria(names, history[:2], proba, [before, after])
    assert verdict["classification_change"]["value"] == 1.0
    assert len(decode(history[-1])) == 60


def test_a_stop_set_of_which_little_is_left_starts_afresh() -> None:
    before, after = [f"r{n}" for n in range(60)], [f"r{n}" for n in range(31, 91)]
    names, proba = sections("classification_change"), np.tile([0.9, 0.1], (60, 1))
    _, encoded = evaluate_criteria(names, (), proba, [before])
    verdict, _ = evaluate_criteria(names, [encoded], proba, [before, after])
    assert verdict["classification_change"]["value"] is None
    verdict, _ = evaluate_criteria(names, [encoded], proba[:59], [before, after[:59]])
    assert verdict["classification_change"]["value"] is None


def test_one_intake_is_written_as_ever() -> None:
    predictions = np.arange(5)
    assert encode(predictions, 1) == encode(predictions)
    assert (decode(encode(predictions, 3)) == predictions).all()


@pytest.mark.parametrize(
    "section",
    [
        {"name": "kappa_average", "options": {"kapa": 1}},
        {"name": "classification_change", "options": {"threshold": 2}},
        {"name": "max_iterations"},
        {"name": "max_iterations", "options": {"max_iterations": 0}},
    ],
)
def test_options_that_small_text_refuses_are_config_errors(section: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=section["name"]):
        check_criteria([CriterionSection.model_validate(section)], 2)


def from_the_beginning(
    section: CriterionSection, history: list[np.ndarray], proba: np.ndarray
) -> bool:
    """small-text's verdict when it is shown every round since the stop set had another size."""
    present = proba.argmax(axis=1)
    seen = [*history, present]
    if section.name != "max_iterations":
        sizes = [len(predictions) == len(present) for predictions in seen]
        seen = seen[len(sizes) - next((n for n, same in enumerate(sizes[::-1]) if not same), 99) :]
    options = dict(section.options)
    if section.name != "max_iterations":
        options["num_classes"] = proba.shape[1]
    import small_text

    criterion = getattr(small_text, CLASSES[section.name])(**options)
    extra = {"proba": proba, "indices_stopping": np.arange(len(present))}
    with np.errstate(invalid="ignore"):
        return [bool(criterion.stop(predictions=predictions, **extra)) for predictions in seen][-1]


@pytest.mark.parametrize("seed", range(60))
def test_what_is_replayed_is_as_good_as_everything(seed: int) -> None:
    """Any windows, thresholds, and sizes of the stop set; predictions move little, as in a run."""
    rng = np.random.default_rng(seed)
    window = int(rng.integers(0, 6))
    options: dict[str, dict[str, Any]] = {
        "kappa_average": {"window_size": window, "kappa": float(rng.choice([0.5, 0.8, 0.95]))},
        "delta_f_score": {"window_size": window, "threshold": float(rng.choice([0.05, 0.3]))},
        "classification_change": {"threshold": float(rng.choice([0, 0.1]))},
        "max_iterations": {"max_iterations": int(rng.integers(1, 12))},
    }
    criteria = [
        CriterionSection.model_validate({"name": name, "options": values})
        for name, values in options.items()
    ]
    history: list[Any] = []
    texts = 12
    scores = rng.random(texts)
    for _ in range(int(rng.integers(1, 11))):
        if rng.random() < 0.15:
            scores = rng.random(int(rng.integers(4, 14)))
        scores = np.clip(scores + rng.normal(0, 0.1, scores.size), 0, 1)
        proba = np.stack((1 - scores, scores), axis=1)
        verdicts, _ = evaluate_criteria(criteria, [encode(each) for each in history], proba)
        for section in criteria:
            expected = from_the_beginning(section, history, proba)
            assert verdicts[section.name]["stop"] == expected, section
        history.append(proba.argmax(axis=1))


def test_an_old_run_replays_no_more_than_a_young_one(monkeypatch: pytest.MonkeyPatch) -> None:
    proba = rounds(2, count=1)[0]
    read: list[str] = []

    def noting(text: str) -> Any:
        read.append(text)
        return decode(text)

    monkeypatch.setattr(stopping, "decode", noting)
    for age in (10, 300):
        read.clear()
        evaluate_criteria(sections(), [encode(proba.argmax(axis=1))] * age, proba)
        assert len(read) == 3 + 3 + 1


@pytest.mark.parametrize("classes", [2, 255, 256, 257, 1000])
def test_encoding_is_exact_and_compact(classes: int) -> None:
    predictions = np.random.default_rng(0).integers(0, classes, size=1000)
    predictions[-1] = classes - 1
    text = encode(predictions)
    assert np.array_equal(decode(text), predictions)
    assert len(text) < 3000
    assert np.array_equal(decode(encode(predictions[:0])), predictions[:0])


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[1, "???"]', '[3, ""]'])
def test_damaged_history_is_a_journal_error(text: str) -> None:
    with pytest.raises(JournalError):
        decode(text)
