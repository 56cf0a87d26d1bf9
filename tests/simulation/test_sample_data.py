"""The bundled sample data set: reproducible, clean, and hard enough to be worth learning."""

from collections import Counter
from pathlib import Path

import pytest

from loopd.config import DataSection
from loopd.data.pool import Pool
from loopd.data.reading import leaks, read_pool
from loopd.demo import sample_data
from loopd.demo.sample_data import LABELS, POOL_FILE, TEST_FILE, generate, write_files


def read(path: Path) -> Pool:
    section = DataSection.model_validate({"path": path, "id": "id", "label": "label"})
    pool, report = read_pool(section, labels=LABELS, require_gold=True)
    assert report.rows == report.kept
    return pool


def test_the_committed_files_are_what_the_script_writes(tmp_path: Path) -> None:
    for fresh, committed in zip(write_files(tmp_path), (POOL_FILE, TEST_FILE), strict=True):
        assert fresh.read_bytes() == committed.read_bytes()


def test_pool_and_test_set_are_large_distinct_and_do_not_overlap() -> None:
    pool, test = read(POOL_FILE), read(TEST_FILE)
    assert len(pool) >= 1800
    assert len(test) >= 400
    assert leaks(pool, test) == ()
    assert not {record.id for record in pool} & {record.id for record in test}


@pytest.mark.parametrize("path", [POOL_FILE, TEST_FILE])
def test_the_classes_are_unequal_and_none_is_tiny(path: Path) -> None:
    pool = read(path)
    shares = Counter(record.gold for record in pool)
    assert set(shares) == set(LABELS)
    assert min(shares.values()) >= 0.05 * len(pool)
    assert max(shares.values()) >= 2 * min(shares.values())


def test_no_pattern_is_left_unfilled() -> None:
    for questions in generate():
        for question in questions:
            assert not set(question.text) & set("{}[]|")
            assert question.text == " ".join(question.text.split())
            assert 3 < len(question.text) < 400


def test_the_questions_depend_on_the_seed_only() -> None:
    assert generate(1) == generate(1)
    assert generate(1) != generate(2)


def test_bags_of_words_neither_fail_nor_saturate() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    pool, test = read(POOL_FILE), read(TEST_FILE)
    accuracies = []
    for size in (20, 200, len(pool)):
        model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10, max_iter=1000))
        model.fit(pool.texts[:size], [record.gold for record in pool.records[:size]])
        accuracies.append(float(model.score(test.texts, [record.gold for record in test])))
    few, some, all_of_them = accuracies
    assert few < 0.55
    assert few + 0.15 < some < 0.9
    assert all_of_them > 0.9


def test_every_label_has_guidelines() -> None:
    for label in LABELS:
        assert f"**{label}**" in sample_data.GUIDELINES
