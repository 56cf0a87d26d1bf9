"""The real packaged weights: the tagger learns, repeats itself, stops at once, fails well."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from loopd.data.pool import Pool
from loopd.errors import DataError, Interrupted, ModelError
from loopd.evaluation.entities import entity_metrics
from loopd.learning.dataset import unlabeled
from loopd.learning.spans.factory import SpanTaggerFactory
from loopd.learning.spans.tagger import SpanTagger
from loopd.records import PoolId, Record, Span
from tests.learning.spans.conftest import LABELS, TRAINED_ROWS, gold, make_pool, train_set

pytestmark = pytest.mark.integration

Build = Callable[..., SpanTaggerFactory]
BRIEF = {"min_steps": 2, "batch_size": 4}


def test_it_finds_spans_in_texts_it_never_saw(
    factory: SpanTaggerFactory, trained: SpanTagger
) -> None:
    test = make_pool(36, seed=1)
    found = trained.predict(unlabeled(factory.encode(test.texts), 2))
    known = [record.gold for record in test]
    assert entity_metrics(known, found, LABELS)["f1"] > 0.85  # type: ignore[arg-type]


def test_each_span_has_a_probability(factory: SpanTaggerFactory, trained: SpanTagger) -> None:
    data_set = unlabeled(factory.pool_features, 2)
    proba, offsets = trained.token_proba(data_set)
    assert proba.shape == (offsets[-1], 5)
    assert np.allclose(proba.sum(axis=1), 1, atol=1e-5)
    scored = trained.predict_scored(data_set)
    assert [spans for spans, _ in scored] == trained.predict(data_set)
    for spans, probabilities in scored:
        assert len(spans) == len(probabilities)
        assert all(0 < each <= 1 for each in probabilities)


def test_the_probability_of_a_span_is_that_of_its_least_sure_tag(
    factory: SpanTaggerFactory, trained: SpanTagger
) -> None:
    row = np.array([0])
    data_set = unlabeled(factory.pool_features, 2)[row]
    proba, _ = trained.token_proba(data_set)
    (spans, (first, *_)), *_ = trained.predict_scored(data_set)
    assert spans[0].label == "person"
    assert first == pytest.approx(min(proba[0, 1], proba[1, 2]))


def test_trained_twice_and_loaded_are_equal_to_the_last_bit(factory_of: Build, pool: Pool) -> None:
    rows = np.arange(8)

    def fit(seed: int) -> tuple[SpanTaggerFactory, SpanTagger]:
        factory = factory_of(BRIEF)
        return factory, factory.new(seed).fit(train_set(factory, rows, gold(pool, rows)))

    factory, one = fit(3)
    _, other = fit(3)
    _, third = fit(4)
    loaded = factory_of(BRIEF).load(factory.save(one))
    data_set = unlabeled(factory.pool_features, 2)[np.arange(30, 40)]
    expected = one.token_proba(data_set)[0]
    assert np.array_equal(expected, other.token_proba(data_set)[0])
    assert np.array_equal(expected, loaded.token_proba(data_set)[0])
    assert np.array_equal(one.embed(data_set), loaded.embed(data_set))
    assert not np.array_equal(expected, third.token_proba(data_set)[0])


def test_a_tagger_of_which_more_was_trained_is_read_whole(factory_of: Build, pool: Pool) -> None:
    rows, asked = np.arange(8), np.arange(20, 26)
    older = factory_of({**BRIEF, "freeze_embeddings": False})
    tagger = older.new(1).fit(train_set(older, rows, gold(pool, rows)))
    read = factory_of(BRIEF).load(older.save(tagger))
    expected, _ = tagger.scored(older.pool_features, asked)
    found, _ = read.scored(older.pool_features, asked)
    assert np.array_equal(found, expected)


def test_what_other_labels_saved_is_not_loaded(
    factory_of: Build, factory: SpanTaggerFactory, trained: SpanTagger
) -> None:
    with pytest.raises(ValueError, match="another shape"):
        factory_of(labels=("person",)).load(factory.save(trained))
    with pytest.raises(KeyError):
        factory_of().load({})


def test_it_stops_at_once(factory_of: Build, pool: Pool) -> None:
    steps = []

    def interrupt() -> None:
        steps.append(1)
        if len(steps) > 12:
            raise Interrupted("stop")

    factory = factory_of(interrupt=interrupt)
    rows = np.arange(8)
    with pytest.raises(Interrupted):
        factory.new(0).fit(train_set(factory, rows, gold(pool, rows)))
    assert len(steps) == 13


def test_texts_without_any_span_train(factory_of: Build) -> None:
    factory = factory_of({"min_steps": 12, "batch_size": 2})
    y = np.empty(6, dtype=object)
    y[:] = [()] * 6
    tagger = factory.new(0).fit(train_set(factory, np.arange(6), y))
    data_set = unlabeled(factory.pool_features, 2)
    assert np.isfinite(tagger.token_proba(data_set)[0]).all()
    assert not any(tagger.predict(data_set))


def test_overlapping_spans_are_refused(factory: SpanTaggerFactory, pool: Pool) -> None:
    y = gold(pool, [0])
    y[0] = (Span(0, 5, "person"), Span(3, 9, "place"))
    with pytest.raises(DataError, match="spans overlap: "):
        factory.new(0).fit(train_set(factory, [0], y))


@pytest.fixture(scope="module")
def odd(factory_of: Build) -> SpanTaggerFactory:
    """A pool of texts that are hard on tokenizers, of which only 12 tokens are read."""
    texts = ["", "   ", "👩‍👩‍👧 \u200d", "one two " * 20, "unbelievable 東京", "\ud800 שלום"]
    pool = Pool(tuple(Record(PoolId(f"odd-{place}"), text) for place, text in enumerate(texts)))
    return factory_of({**BRIEF, "min_steps": 3}, pool=pool, section={"max_tokens": 12})


def test_odd_texts_train_and_are_tagged_before_the_cut(odd: SpanTaggerFactory) -> None:
    y = np.empty(6, dtype=object)
    spans = [
        (),
        (Span(0, 2, "person"),),
        (Span(0, 2, "person"), Span(2, 6, "place")),
        (Span(36, 43, "person"), Span(100, 107, "place")),
        (Span(2, 5, "person"), Span(5, 9, "person")),
        (Span(0, 1, "place"),),
    ]
    y[:] = spans
    tagger = odd.new(0).fit(train_set(odd, np.arange(6), y))
    data_set = unlabeled(odd.pool_features, 2)
    proba, offsets = tagger.token_proba(data_set)
    assert np.isfinite(proba).all()
    assert np.diff(offsets).tolist() == [0, 0, 1, 10, 3, 2]
    assert tagger.predict(data_set)[:2] == [(), ()]
    assert all(span.end <= 39 for span in tagger.predict(data_set)[3])
    vectors = tagger.embed(data_set)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_span_that_cuts_a_word_is_learned_as_it_is(odd: SpanTaggerFactory) -> None:
    seen = []
    real = odd.split
    odd.split = lambda *given: seen.append(real(*given)) or seen[-1]  # type: ignore[method-assign,func-returns-value]
    y = np.empty(1, dtype=object)
    y[0] = (Span(2, 9, "person"),)
    try:
        odd.new(0).fit(train_set(odd, [4], y))
    finally:
        odd.split = real  # type: ignore[method-assign]
    assert seen[0].borders(0).tolist() == [[0, 2], [2, 9], [9, 12], [13, 14], [14, 15]]


def test_an_encoder_of_any_other_kind_gives_the_same(
    factory: SpanTaggerFactory, trained: SpanTagger
) -> None:
    rows = np.array([5, 0, 17, 3])
    head = trained.head.weight, trained.head.bias
    states = factory.states(trained.encoder, factory.pool_features, "scoring")
    lean, offsets = states.scored(rows, *head, bf16=False)
    slow = factory.states(trained.encoder, factory.pool_features, "scoring")
    slow.embedder.__dict__["lean"] = False
    padded, same = slow.scored(rows, *head, bf16=False)
    assert np.array_equal(offsets, same)
    assert np.allclose(lean, padded, atol=1e-4)


def test_rough_probabilities_are_near(factory: SpanTaggerFactory, trained: SpanTagger) -> None:
    exact, _ = trained.scored(factory.pool_features, np.arange(20))
    rough, _ = trained.scored(factory.pool_features, np.arange(20), bf16=True)
    assert not np.array_equal(rough, exact)
    assert np.abs(rough - exact).mean() < 0.02


def test_weights_say_what_counts(factory_of: Build, pool: Pool) -> None:
    factory = factory_of({"min_steps": 20})
    y = gold(pool, TRAINED_ROWS)
    weights = np.ones(24, dtype=np.float32)
    weights[12:] = 0
    y[12:] = [() for _ in range(12)]
    tagger = factory.new(0).fit(train_set(factory, TRAINED_ROWS, y), weights)
    rows = np.arange(24, 48)
    found = tagger.predict(unlabeled(factory.pool_features, 2)[rows])
    known = list(gold(pool, rows))
    assert entity_metrics(known, found, LABELS)["f1"] > 0.5


def test_it_says_what_it_is(factory: SpanTaggerFactory) -> None:
    assert factory.describe().startswith("span tagger over packaged (22.7 M parameters, cpu")


@pytest.mark.parametrize(
    ("option", "value"), [("epochs", 0), ("learning_rate", "1e-4"), ("dropout", 1), ("bf16", 2)]
)
def test_options_that_cannot_be_meant(factory_of: Build, option: str, value: object) -> None:
    with pytest.raises(ModelError, match=option):
        factory_of({option: value})
