"""`loopd.Learner` and `loopd.Pool`: active learning in a program, without server or files."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import loopd
from loopd.errors import ConfigError, DataError, ModelError
from tests.docs.pages import ROOT

WORDS = {"animal": ("cat", "dog", "horse", "hen"), "food": ("soup", "bread", "cake", "rice")}
GOLD = [("animal", "food")[number % 2] for number in range(40)]
TEXTS = [
    f"{WORDS[label][number % 4]} {WORDS[label][number // 4 % 4]} x{number} {WORDS[label][0]}"
    for number, label in enumerate(GOLD)
]
LABELS = ("animal", "food")
NUMBERS: Any = [1]


def learner(texts: Any = TEXTS, labels: Sequence[str] = LABELS, **options: Any) -> loopd.Learner:
    return loopd.Learner(texts, labels, **{"classifier": "tfidf", "strategy": "margin", **options})


def run(active: loopd.Learner, rounds: int = 3, size: int = 6) -> list[list[Any]]:
    """Batches of a run with right answers."""
    batches = []
    for _ in range(rounds):
        batches.append(active.query(size))
        active.teach(batches[-1], [GOLD[int(str(id_).lstrip("k"))] for id_ in batches[-1]])
    return batches


def test_a_loop_learns_and_no_text_is_asked_twice() -> None:
    active = learner()
    batches = run(active)
    flat = [id_ for batch in batches for id_ in batch]
    assert len(flat) == len(set(flat)) == 18
    assert active.score(TEXTS, GOLD) > 0.9
    proba = active.predict_proba(TEXTS)
    assert proba.shape == (40, 2)
    assert np.allclose(proba.sum(axis=1), 1, atol=1e-5)
    predicted = active.predict(TEXTS)
    assert [LABELS[column] for column in proba.argmax(axis=1)] == list(predicted)
    assert (predicted == np.array(GOLD)).mean() == pytest.approx(active.score(TEXTS, GOLD))
    assert active.classes_ == LABELS
    assert active.labelled == {id_: GOLD[id_] for id_ in flat}


def test_ids_may_be_one_s_own() -> None:
    pool = loopd.Pool(TEXTS, ids=[f"k{number}" for number in range(40)])
    assert run(learner(pool)) == [[f"k{id_}" for id_ in batch] for batch in run(learner())]
    assert pool["k3"] == TEXTS[3]
    assert (len(pool), "k39" in pool, 39 in pool) == (40, True, False)
    assert [*pool] == [f"k{number}" for number in range(40)]


def test_the_same_seed_gives_the_same_batches() -> None:
    cold: dict[str, Any] = {"strategy": {"name": "random_sampling"}}
    assert run(learner(seed=3, **cold)) == run(learner(seed=3, **cold))
    assert run(learner(seed=3, **cold)) != run(learner(seed=4, **cold))


def test_a_text_that_is_there_twice_is_asked_for_once() -> None:
    active = learner([*TEXTS, *TEXTS])
    assert sorted(active.query(80)) == list(range(40))
    assert active.query(5) == []
    assert active.teach([41], ["food"]).labelled == {1: "food"}


def test_what_was_asked_and_not_answered_is_not_asked_again() -> None:
    active = learner()
    first = active.query(10)
    second = active.query(10)
    assert not {*first} & {*second}
    assert active.teach(first, [GOLD[id_] for id_ in first]).labelled.keys() == {*first}
    assert not {*first, *second} & {*active.query(20)}


def test_fit_forgets_and_teach_adds() -> None:
    active = learner()
    active.teach([0, 1], ["animal", "food"]).teach([0, 2], ["food", "animal"])
    assert active.labelled == {0: "food", 1: "food", 2: "animal"}
    assert active.fit([4, 5], ["animal", "food"]).labelled == {4: "animal", 5: "food"}


def test_several_labels() -> None:
    active = learner(labels=["a", "b"], task="multi_label")
    gold = [[["a"], ["b"], ["a", "b"], []][number % 4] for number in range(40)]
    active.fit(range(40), gold)
    assert {type(target) for target in active.predict(TEXTS)} == {tuple}
    assert active.labelled[2] == ("a", "b")
    assert 0 <= active.score(TEXTS, gold) <= 1
    assert active.predict_proba(TEXTS[:3]).shape == (3, 2)


def test_numbers_and_frames_are_texts_and_ids_too() -> None:
    import pandas as pd

    frame = pd.DataFrame({"text": TEXTS, "y": GOLD})
    active = learner(loopd.Pool(frame["text"], ids=frame.index))
    batch = active.query(8)
    active.teach(np.array(batch), frame["y"][batch])
    assert active.score(frame["text"], frame["y"]) > 0.5
    assert len(active.predict(active.pool)) == 40


@pytest.mark.parametrize(
    ("action", "kind", "words"),
    [
        (lambda: learner("one text"), DataError, "no list of texts"),
        (lambda: learner(["a", None]), DataError, "text 1 is a NoneType"),
        (lambda: learner(["a", " \u200b"]), DataError, "text 1 cannot be used"),
        (lambda: learner(["a", "b\0"]), DataError, "text 1 cannot be used"),
        (lambda: loopd.Pool(["a", "b"], ids=[1, 1]), DataError, "1 different ids"),
        (lambda: loopd.Pool(["a", "b"], ids=[1]), DataError, "2 texts have 1 different"),
        (lambda: learner(labels="ab"), ConfigError, "no list of labels"),
        (lambda: learner(labels=["a"]), ConfigError, "task.labels"),
        (lambda: learner(strategy="mnlp"), ModelError, "does not fit"),
        (lambda: learner(classifier={"nam": "tfidf"}), ConfigError, "did you mean `name`"),
        (lambda: learner(strategy="margn").fit([0, 1], LABELS).query(), ModelError, "margin"),
        (lambda: learner().query(0), ConfigError, "nothing to ask for"),
        (lambda: learner().teach([99], ["food"]), DataError, "no id 99"),
        (lambda: learner().teach([1], ["fod"]), DataError, "nearest is 'food'"),
        (lambda: learner().teach([1, 2], ["food"]), DataError, "2 ids and 1 labels"),
        (lambda: learner().teach([1], [None]), DataError, "says nothing"),
        (lambda: learner().predict(["a"]), ModelError, "too few"),
        (lambda: learner().fit([0], ["food"]), ModelError, "too few"),
        (lambda: learner().fit([0, 1], LABELS).predict("a"), DataError, "no list of texts"),
        (lambda: learner().fit([0, 1], LABELS).predict(NUMBERS), DataError, "text 0 is a int"),
        (lambda: learner().fit([0, 1], LABELS).score([], []), DataError, "no"),
        (lambda: learner().fit([0, 1], LABELS).score(["a"], []), DataError, "1 texts and 0"),
    ],
)
def test_mistakes_are_one_sentence(action: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=re.escape(words)) as caught:
        action()
    assert "\n" not in str(caught.value)


def test_a_refused_lesson_changes_nothing() -> None:
    active = learner().teach([0], ["animal"])
    with pytest.raises(DataError):
        active.teach([1, 2], ["food", "fod"])
    assert active.labelled == {0: "animal"}


def test_nothing_stays_behind() -> None:
    active = learner().fit([0, 1], LABELS)
    folder = active._config.run.dir
    assert folder.is_dir()
    del active
    gc.collect()
    assert not folder.exists()


@given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=30), st.integers(1, 9))
def test_whatever_the_pool_each_text_is_asked_once(texts: list[str], size: int) -> None:
    active = learner(texts, strategy={"name": "margin", "cold_start": "random_sampling"})
    seen: list[Any] = []
    for _ in range(len(texts) + 1):
        batch = active.query(size)
        assert len(batch) <= size
        seen += [texts[id_] for id_ in batch]
    assert active.query(size) == []
    assert sorted(seen) == sorted({*texts})


@pytest.mark.integration
def test_the_ten_lines_of_the_documentation_run(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "howto-notebook.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    told: dict[str, Any] = {}
    texts = {"texts": TEXTS, "gold": GOLD, "test_texts": TEXTS, "test_labels": GOLD}
    exec(compile(code, "howto-notebook.md", "exec"), texts, told)  # noqa: S102 - our own page
    assert json.dumps(told["learner"].labelled)
