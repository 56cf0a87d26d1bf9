"""Owns which query strategies there are, what each needs, and why it asks; must import none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from loopd.learning.arrays import Options


@dataclass(frozen=True, slots=True)
class Entry:
    """One registered query strategy.

    Attributes:
        path: ``module:Class``, imported at the first use.
        seedable: whether the same seed gives the same batch.
        scores: whether each chosen record has an informativeness score.
        cold: whether it can choose without a model.
        asks: whether it asks the model about each text, so that a pool that is too big for the
            model is narrowed to candidates first. A wrapper does as its base does.
        labels: different answers that it needs, where descriptions of labels make a model without
            any. It never gets fewer where they do not: 2.
        needs: what it needs: ``embed``, ``dropout`` or a ``representation`` of the classifier, the
            package ``hnswlib`` or ``cleanlab``.
        wraps: whether it narrows the pool for another strategy, named by its option ``base``.
        num_classes: whether the class is told the number of labels.
        kinds: the kinds of task for which it chooses well; the base of one that wraps decides too.
        options: options that are passed unless the user sets them.
        reason: why it chooses a record, in words that follow "chosen because it is" or stand alone.
        numbers: what of an ``Evidence`` says more: ``likeliest``, ``unlabelled`` or ``spans``.
    """

    path: str
    seedable: bool = True
    scores: bool = False
    cold: bool = False
    asks: bool = True
    labels: int = 0
    needs: tuple[str, ...] = ()
    wraps: bool = False
    num_classes: bool = False
    kinds: tuple[str, ...] = ("single_label", "multi_label")
    options: Options = field(default_factory=dict)
    reason: str = ""
    numbers: tuple[str, ...] = ()


_OWN = "loopd.learning.strategies"

_ANY = ("single_label", "multi_label", "spans")
_ONE_LABEL = ("single_label",)
_SEVERAL_LABELS = ("multi_label",)
_SPANS = ("spans",)

_TOKENS = "loopd.learning.spans.strategies"

_MARGIN = Entry(
    f"{_OWN}.uncertainty:MarginSampling",
    scores=True,
    reason="the two likeliest labels are close to each other",
    numbers=("likeliest",),
)
_ENTROPY = Entry(
    f"{_OWN}.uncertainty:EntropySampling",
    scores=True,
    reason="the model is unsure between its labels",
    numbers=("likeliest",),
)
_CVIRS = Entry(
    f"{_OWN}.category_vectors:CategoryVectors",
    scores=True,
    labels=1,
    kinds=_SEVERAL_LABELS,
    reason="unsure, and unlike the known sets of labels",
    numbers=("likeliest",),
)

STRATEGIES: Mapping[str, Entry] = {
    "auto": Entry(
        f"{_OWN}.auto:Auto",
        scores=True,
        cold=True,
        needs=("embed",),
        num_classes=True,
        kinds=_ANY,
        reason="what the strategy of the hour wants",
        numbers=("likeliest",),
    ),
    "random_sampling": Entry(
        "small_text:RandomSampling",
        cold=True,
        asks=False,
        kinds=_ANY,
        reason="drawn at random",
    ),
    "facility_location": Entry(
        f"{_OWN}.facility_location:FacilityLocation",
        cold=True,
        asks=False,
        needs=("representation",),
        kinds=_ANY,
        reason="typical of texts that nothing known is like",
        numbers=("unlabelled",),
    ),
    "typiclust": Entry(
        f"{_OWN}.typiclust:TypiClust",
        cold=True,
        asks=False,
        needs=("representation",),
        kinds=_ANY,
        reason="typical of a group without a label",
        numbers=("unlabelled",),
    ),
    "probcover": Entry(
        f"{_OWN}.probcover:ProbCover",
        cold=True,
        asks=False,
        needs=("representation",),
        kinds=_ANY,
        reason="many texts that nothing known is like are near to it",
        numbers=("unlabelled",),
    ),
    "class_coverage": Entry(
        f"{_OWN}.class_coverage:ClassCoverage",
        cold=True,
        asks=False,
        needs=("representation",),
        reason="near to the name of a label",
        numbers=("unlabelled",),
    ),
    "margin": _MARGIN,
    "breaking_ties": _MARGIN,
    "least_confidence": Entry(
        f"{_OWN}.uncertainty:LeastConfidence",
        scores=True,
        reason="even its likeliest label is improbable",
        numbers=("likeliest",),
    ),
    "entropy": _ENTROPY,
    "prediction_entropy": _ENTROPY,
    "bald": Entry(
        f"{_OWN}.bald:ScoredBALD",
        scores=True,
        needs=("dropout",),
        reason="the model contradicts itself when parts of it are switched off",
        numbers=("likeliest",),
    ),
    "activelab": Entry(
        "loopd.learning.second_opinion:ActiveLab",
        scores=True,
        labels=2,
        needs=("cleanlab",),
        kinds=_ONE_LABEL,
        reason="its label is the least sure, new texts and answered ones on one scale",
        numbers=("likeliest",),
    ),
    "category_vector_inconsistency_and_ranking": _CVIRS,
    "cvirs": _CVIRS,
    "mnlp": Entry(
        f"{_TOKENS}:MNLP",
        scores=True,
        kinds=_SPANS,
        reason="its likeliest marking is improbable",
        numbers=("spans",),
    ),
    "token_least_confidence": Entry(
        f"{_TOKENS}:TokenLeastConfidence",
        scores=True,
        kinds=_SPANS,
        reason="even the likeliest tags of its tokens are improbable",
        numbers=("spans",),
    ),
    "token_entropy": Entry(
        f"{_TOKENS}:TokenEntropy",
        scores=True,
        kinds=_SPANS,
        reason="the model is unsure about its tokens",
        numbers=("spans",),
    ),
    "token_margin": Entry(
        f"{_TOKENS}:TokenMargin",
        scores=True,
        kinds=_SPANS,
        reason="the likeliest tags of its tokens are close to each other",
        numbers=("spans",),
    ),
    "diverse_tokens": Entry(
        f"{_TOKENS}:DiverseTokens",
        scores=True,
        needs=("embed",),
        kinds=_SPANS,
        reason="holds unsure tokens, and is typical of such texts",
        numbers=("spans",),
    ),
    "committee": Entry(
        f"{_OWN}.committee:QueryByCommittee",
        scores=True,
        asks=False,
        labels=2,
        needs=("representation",),
        reason="a committee of models disagrees about it",
        numbers=("likeliest",),
    ),
    "diverse_margin": Entry(
        f"{_OWN}.diverse_margin:DiverseMargin",
        scores=True,
        needs=("embed",),
        reason="unsure, and typical of other unsure texts",
        numbers=("likeliest",),
    ),
    "uherding": Entry(
        f"{_OWN}.uherding:UncertaintyHerding",
        cold=True,
        needs=("representation",),
        reason="near to unsure texts that nothing known is like",
        numbers=("likeliest",),
    ),
    "cluster_margin": Entry(
        f"{_OWN}.cluster_margin:ClusterMargin",
        scores=True,
        needs=("embed",),
        reason="unsure, and from a group of texts of its own",
        numbers=("likeliest",),
    ),
    "badge": Entry(
        f"{_OWN}.badge:SeededBADGE",
        needs=("embed",),
        num_classes=True,
        reason="unsure, and unlike the others of its batch",
        numbers=("likeliest",),
    ),
    "greedy_coreset": Entry(
        f"{_OWN}.coreset:GreedyCoreset",
        cold=True,
        needs=("embed",),
        kinds=_ANY,
        reason="farthest from everything known",
        numbers=("unlabelled",),
    ),
    "kmeans_pp": Entry(
        f"{_OWN}.coreset:KMeansPlusPlus",
        cold=True,
        needs=("embed",),
        kinds=_ANY,
        reason="far from everything known",
        numbers=("unlabelled",),
    ),
    "lightweight_coreset": Entry(
        f"{_OWN}.diversity:SafeLightweightCoreset",
        needs=("embed",),
        reason="far from the middle of the pool",
        numbers=("unlabelled",),
    ),
    "embedding_kmeans": Entry(
        f"{_OWN}.diversity:QuietEmbeddingKMeans",
        needs=("embed",),
        reason="typical of a group of texts",
        numbers=("unlabelled",),
    ),
    "contrastive_active_learning": Entry(
        f"{_OWN}.diversity:SafeContrastive",
        needs=("embed",),
        kinds=_ONE_LABEL,
        options={"pbar": None},
        reason="predicted unlike its neighbours",
        numbers=("likeliest",),
    ),
    "discriminative_active_learning": Entry(
        f"{_OWN}.discriminative:EmbeddingDiscriminative",
        labels=1,
        needs=("embed",),
        reason="unlike everything that has a label",
        numbers=("unlabelled",),
    ),
    "subsampling": Entry(
        "small_text:SubsamplingQueryStrategy",
        scores=True,
        wraps=True,
        reason="the best of a random part of the pool",
        numbers=("likeliest",),
    ),
    "seals": Entry(
        "small_text:SEALS",
        seedable=False,
        scores=True,
        labels=1,
        needs=("embed", "hnswlib"),
        wraps=True,
        reason="the best of the texts that are like labelled ones",
        numbers=("likeliest",),
    ),
    "anchor_subsampling": Entry(
        "small_text:AnchorSubsampling",
        seedable=False,
        scores=True,
        labels=1,
        needs=("embed", "hnswlib"),
        wraps=True,
        kinds=_ONE_LABEL,
        reason="the best of the texts between labelled ones",
        numbers=("likeliest",),
    ),
}
"""Our own strategies, and those of small-text 1.4.1 that work here; see docs/strategies.md."""
