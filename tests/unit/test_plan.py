"""What a run will take: the arithmetic goes the way that it must, and agrees with measurements."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopd.errors import ModelError
from loopd.sizing.advice import advice
from loopd.sizing.costs import REFERENCE
from loopd.sizing.encoder_shape import of_shape, shape_of
from loopd.sizing.estimate import FOLDS, planned
from loopd.sizing.screen import as_json, as_text
from loopd.sizing.spelling import amount, duration
from loopd.sizing.workload import CLASSIFIERS, FORMATS, PACKAGED, Machines, Workload

GIB = 2**30

ENCODERS = st.builds(of_shape, st.integers(1, 48), st.sampled_from([32, 128, 384, 768, 1024, 2048]))
WORKLOADS = st.builds(
    Workload,
    texts=st.integers(1, 10**9),
    tokens=st.floats(3, 512),
    text_bytes=st.floats(1, 10**5),
    encoder=ENCODERS,
    classifier=st.sampled_from(CLASSIFIERS),
    candidates=st.integers(1000, 10**6),
    candidate_tokens=st.none() | st.integers(64_000, 10**8),
    classes=st.integers(2, 1000),
    labels=st.integers(1, 5000),
    batch=st.integers(1, 500),
    format=st.sampled_from(FORMATS),
)
MACHINES = st.builds(
    Machines, nodes=st.integers(1, 64), gpus=st.integers(0, 64), threads=st.integers(1, 128)
)


@given(WORKLOADS, MACHINES, st.integers(1, 10**8))
def test_more_texts_take_no_less_of_anything(work: Workload, machines: Machines, more: int) -> None:
    few, many = planned(work, machines), planned(replace(work, texts=work.texts + more), machines)
    for before, after in zip(few.steps, many.steps, strict=True):
        assert after.seconds >= before.seconds * 0.999999, before.name
        assert after.memory >= before.memory, before.name
    assert all(many.disk[name] >= size for name, size in few.disk.items())
    assert many.step("read").seconds > few.step("read").seconds


@given(WORKLOADS, MACHINES, st.integers(2, 8))
def test_nodes_divide_encoding_and_nothing_of_the_table(
    work: Workload, machines: Machines, times: int
) -> None:
    machines = replace(machines, gpus=0)
    one = planned(work, machines)
    several = planned(work, replace(machines, nodes=machines.nodes * times))
    assert several.step("encode").seconds <= one.step("encode").seconds
    assert several.step("encode").memory <= one.step("encode").memory
    assert several.step("later round").seconds <= one.step("later round").seconds
    for name in ("read", "index", "open"):
        assert several.step(name) == one.step(name)


def test_eight_nodes_take_an_eighth_of_what_is_divided() -> None:
    work = Workload(10_000_000)
    one, eight = (planned(work, Machines(nodes)).step("encode").seconds for nodes in (1, 8))
    assert 6 < one / eight < 8


@given(WORKLOADS, st.integers(1, 64))
def test_threads_shorten_encoding_but_not_without_end(work: Workload, threads: int) -> None:
    one = planned(work, Machines()).step("encode").seconds
    several = planned(work, Machines(threads=threads)).step("encode").seconds
    assert one / 5.0001 <= several <= one


@given(WORKLOADS, MACHINES)
def test_all_figures_are_numbers_above_zero(work: Workload, machines: Machines) -> None:
    plan = planned(work, replace(machines, memory=8 * GIB))
    assert all(step.seconds > 0 and step.memory > 0 and step.times >= 1 for step in plan.steps)
    assert json.loads(json.dumps(as_json(plan)))["texts"] == work.texts
    shown = as_text(plan)
    assert all(sentence in shown for sentence in advice(plan))
    assert ("It fits" in shown) is (not advice(plan))


@given(WORKLOADS, MACHINES)
def test_a_slower_machine_takes_longer(work: Workload, machines: Machines) -> None:
    usual = planned(work, machines)
    slower = replace(REFERENCE, rows=2.0, encoding=2.0, products=2.0, disk=REFERENCE.disk / 2)
    for before, after in zip(usual.steps, planned(work, machines, slower).steps, strict=True):
        assert before.seconds <= after.seconds <= 2.0001 * before.seconds
        assert after.memory == before.memory


def test_a_fine_tuned_model_looks_at_the_candidates_alone() -> None:
    narrow, wide = (
        planned(Workload(10_000_000, candidates=count, candidate_tokens=None), Machines())
        for count in (10_000, 100_000)
    )
    one, ten = (plan.step("later round").seconds for plan in (narrow, wide))
    assert one < ten / 2
    assert Workload(10_000, candidates=20_000).scored == 10_000
    assert Workload(100_000, tokens=128, candidate_tokens=1_280_000).scored == 10_000


def test_few_labels_are_measured_by_a_cross_validation() -> None:
    small = Workload(1000, labels=20)
    first, later = planned(small, Machines()), planned(replace(small, labels=400), Machines())
    assert first.step("later round").seconds > later.step("later round").seconds
    assert FOLDS == 5


# -- advice ----------------------------------------------------------------------------------------


def test_what_fits_needs_no_advice() -> None:
    assert advice(planned(Workload(10_000), Machines(threads=8, memory=16 * GIB))) == []


def test_a_table_that_is_too_large_for_memory() -> None:
    said = advice(
        planned(Workload(100_000_000, classifier="frozen-head"), Machines(8, memory=24 * GIB))
    )
    assert said[0].startswith("Taking in 100,000,000 texts at once needs ")
    assert "loopd add" in said[0]


def test_a_round_that_takes_hours() -> None:
    work = Workload(10_000_000, candidates=10_000_000, candidate_tokens=None)
    (said,) = [each for each in advice(planned(work, Machines())) if each.startswith("A round")]
    assert "classifier.candidates" in said


def test_an_encoding_that_takes_days_names_as_many_nodes_as_a_day_needs() -> None:
    work = Workload(10_000_000, encoder=of_shape(12, 768))
    (said,) = [each for each in advice(planned(work, Machines())) if each.startswith("Encoding")]
    needed = int(said.partition(": ")[2].split()[0])
    assert planned(work, Machines(needed)).step("encode").seconds <= 86_400
    assert planned(work, Machines(needed // 2)).step("encode").seconds > 86_400


def test_an_encoder_that_is_too_large_for_memory() -> None:
    plan = planned(Workload(1000, encoder=of_shape(48, 4096)), Machines(memory=16 * GIB))
    assert any("Encoding the pool needs" in each or "round" in each for each in advice(plan))


# -- encoders --------------------------------------------------------------------------------------


def test_the_packaged_shape_is_that_of_the_package() -> None:
    from loopd.learning.classifiers.source import locate

    assert replace(shape_of(locate("packaged")), name="packaged") == PACKAGED
    assert PACKAGED.parameters == pytest.approx(22.7e6, rel=0.02)


def test_shapes_of_other_families(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"n_layers": 6, "dim": 768, "hidden_dim": 3072, "vocab_size": 30522}')
    found = shape_of(str(tmp_path))
    assert (found.layers, found.width, found.inner) == (6, 768, 3072)
    assert found.parameters == pytest.approx(66e6, rel=0.02)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"num_hidden_layers": "six"}'])
def test_a_shape_that_cannot_be_read(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ModelError) as caught:
        shape_of(str(tmp_path))
    assert "--layers" in caught.value.hint


def test_a_model_of_the_hub_that_is_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nobody/has-this", "a name with blanks"):
        with pytest.raises(ModelError, match="not known here"):
            shape_of(name)


# -- words -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "shown"),
    [(10, "10 B"), (2**20, "1 MiB"), (1.5 * 2**30, "1.5 GiB"), (20 * 2**30, "20 GiB"),
     (2**20 - 1, "1 MiB"), (3 * 2**40, "3.0 TiB")],
)  # fmt: skip
def test_bytes_for_people(size: float, shown: str) -> None:
    assert amount(size) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.42, "0.4 s"), (63, "63 s"), (600, "10 min"), (9000, "2 h"), (40 * 86_400, "40 days")],
)
def test_seconds_for_people(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
