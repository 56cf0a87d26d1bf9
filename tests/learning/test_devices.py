"""What runs on a GPU: no operation mixes devices, and a GPU is used only where it should be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel

from loopd.compute.threads import allowed_threads
from loopd.config import ClassifierSection
from loopd.errors import ModelError
from loopd.learning import seeding
from loopd.learning.classifiers.backbone import Backbone, bf16_pays
from loopd.learning.classifiers.contrastive import (
    ClassifiedTexts,
    ContrastiveRecipe,
    fine_tune,
)
from loopd.learning.classifiers.fine_tuning import Recipe
from loopd.learning.classifiers.pooling import Embedder
from loopd.learning.features.tokens import TokenStore
from loopd.learning.spans.states import AtomStates
from loopd.learning.spans.training import TaggedTexts, TaggingRecipe
from loopd.learning.spans.training import fine_tune as fine_tune_tagger
from tests.learning.elsewhere import NAME, Elsewhere, MixedDevicesError

LENGTHS = (3, 3, 7, 13, 16, 40)


def bert() -> Any:
    return BertModel(
        BertConfig(
            vocab_size=50,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=80,
        )
    )


def distilbert() -> Any:
    return DistilBertModel(
        DistilBertConfig(vocab_size=50, dim=32, n_layers=2, n_heads=4, hidden_dim=64)
    )


def tokens() -> TokenStore:
    rng = np.random.default_rng(1)
    ids = rng.integers(5, 50, sum(LENGTHS), dtype=np.int32)
    return TokenStore(ids, np.concatenate([[0], np.cumsum(LENGTHS)]))


def embedder_of(model: Any, *, bf16: bool = False) -> Embedder:
    """Over texts on the CPU, with the model elsewhere."""
    return Embedder(model.to(NAME).eval(), tokens(), 0, bf16, lambda: None, lambda *_: None)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    """The strict device; `meta` has neither autocast nor fused optimisers, which GPUs have."""
    plain = torch.optim.AdamW
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(torch.optim, "AdamW", lambda groups, fused, **more: plain(groups, **more))
    with Elsewhere() as mode:
        yield mode


class Atoms:
    """Three atoms in every text, as `SpanTokens` gives them."""

    def __init__(self) -> None:
        self.tokens = tokens()
        self.counts = np.full(len(LENGTHS), 3)

    def __getitem__(self, rows: NDArray[np.int64]) -> list[NDArray[np.int32]]:
        return self.tokens[rows]

    def firsts(self, row: int) -> NDArray[np.int64]:
        del row
        return np.arange(3)


def test_the_strict_device_refuses_what_a_gpu_refuses(elsewhere: Elsewhere) -> None:
    there = torch.zeros(3, 4, device=NAME)
    with pytest.raises(MixedDevicesError):
        torch.nn.functional.embedding(torch.zeros(3, dtype=torch.int64), there)
    with pytest.raises(MixedDevicesError):
        there + torch.ones(3, 4)
    assert (there * torch.tensor(2.0)).device.type == NAME
    assert there.cpu().device.type == "cpu"


@pytest.mark.parametrize("make", [bert, distilbert])
@pytest.mark.parametrize("bf16", [True, False])
def test_texts_are_embedded(make: Any, bf16: bool, elsewhere: Elsewhere) -> None:
    vectors = embedder_of(make()).embed(np.array([5, 0, 3]), (0, -1), bf16=bf16)
    assert vectors.shape == (3, 64)
    assert elsewhere.planned == {False}
    assert torch.backends.cuda.cudnn_sdp_enabled()  # type: ignore[no-untyped-call]
    if make is bert:
        assert elsewhere.dtypes == {torch.bfloat16 if bf16 else torch.float32}


@pytest.mark.parametrize("make", [bert, distilbert])
@pytest.mark.parametrize("bf16", [True, False])
def test_an_encoder_is_fine_tuned(make: Any, bf16: bool, elsewhere: Elsewhere) -> None:
    recipe = ContrastiveRecipe(Recipe(1, 2, 1e-4, 4, 0.1), 2, 0.2)
    y, weights = np.array([0, 1, 0, 1, 1]), np.ones(5, dtype=np.float32)
    seen: list[int] = []
    texts = ClassifiedTexts(np.arange(5), y, weights, lambda done, _: seen.append(done))
    fine_tune(embedder_of(make(), bf16=bf16), recipe, texts, 0)
    assert seen == [0, 1, 2]


@pytest.mark.parametrize("make", [bert, distilbert])
def test_a_tagger_is_fine_tuned_and_tags(make: Any, elsewhere: Elsewhere) -> None:
    texts: Any = Atoms()
    states = AtomStates(embedder_of(make()), texts)
    head = torch.nn.Linear(32, 5, device=NAME)
    recipe = TaggingRecipe(Recipe(1, 2, 1e-4, 4, 0.1), 1e-3)
    tags = [np.zeros(3, dtype=np.int64) for _ in LENGTHS]
    tagged = TaggedTexts(tags, np.ones(len(LENGTHS), dtype=np.float32), lambda *_: None)
    fine_tune_tagger(states, head, recipe, tagged, 0)
    proba, offsets = states.scored(np.array([4, 1]), head.weight, head.bias, bf16=True)
    assert proba.shape == (6, 5)
    assert offsets.tolist() == [0, 3, 6]
    assert elsewhere.planned == {False}


@pytest.mark.parametrize(
    ("capability", "pays"), [((7, 0), False), ((7, 5), False), ((8, 0), True), ((9, 0), True)]
)
def test_bf16_pays_where_a_gpu_multiplies_it(
    capability: tuple[int, int], pays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch says yes to older GPUs too, which emulate it."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert bf16_pays(torch.device("cuda", 1)) is pays


def test_a_gpu_that_nobody_uses_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading the state of its generator would start it."""
    read: list[Any] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)

    def state_of(device: Any) -> torch.Tensor:
        read.append(device)
        return torch.zeros(1)

    monkeypatch.setattr(torch.cuda, "get_rng_state", state_of)
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device: None)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: None)
    with seeding.seeded(1):
        first = torch.rand(3)
    assert read == []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    with seeding.seeded(1):
        assert torch.equal(first, torch.rand(3))
    assert read == [0, 1]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("name", ["cuda", "cuda:7", "meta", "nonsense"])
def test_a_device_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(ModelError, match=rf"device '{name}' cannot be used: .+") as caught:
        Backbone(ClassifierSection(device=name))
    assert caught.value.hint == "try device: auto"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_this_torch_cannot_use_leads_to_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(ModelError, match="cannot be used") as caught:
        Backbone(ClassifierSection(device="auto"))
    assert caught.value.hint == "try device: cpu"


@pytest.mark.parametrize(("allowed", "threads"), [("1", 1), ("3", 3), (" 2 ", 2)])
def test_who_configures_no_threads_may_limit_them_by_environment(
    allowed: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", allowed)
    assert allowed_threads() == threads


@pytest.mark.parametrize("allowed", ["", "0", "-1", "many", "4,2"])
def test_what_is_no_number_of_threads_limits_nothing(
    allowed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", allowed)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 5}, raising=False)
    assert allowed_threads() == 3


@pytest.mark.parametrize(
    ("amx", "avx512", "maker", "pays"),
    [
        (True, True, "GenuineIntel", True),
        (True, False, "", True),
        (False, True, "AuthenticAMD", True),
        (False, True, "GenuineIntel", False),
        (False, True, "", False),
        (False, False, "AuthenticAMD", False),
    ],
)
@pytest.mark.parametrize("has_file", [True, False])
def test_bf16_pays_where_a_processor_gains_from_it(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    amx: bool,
    avx512: bool,
    maker: str,
    pays: bool,
    has_file: bool,
) -> None:
    listed = tmp_path / "cpuinfo"
    if has_file:
        listed.write_text(f"processor\t: 0\nvendor_id\t: {maker}\nmodel name\t: \u00e9\n")
    said = "" if has_file else f"AMD64 Family 25 Model 17 Stepping 1, {maker}"
    monkeypatch.setattr("loopd.learning.classifiers.backbone.PROCESSORS", listed)
    monkeypatch.setattr("platform.processor", lambda: said)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    assert bf16_pays(torch.device("cpu")) is pays


def test_bf16_does_not_pay_where_torch_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    assert not bf16_pays(torch.device("cpu"))
