"""Owns the use of cleanlab, the only place that imports it; must not know records, ids or states.

cleanlab prints, warns and breaks ties with numpy's global generator. Here it is quiet and seeded,
and inputs that it refuses are given what they amount to.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopd.errors import ModelError
from loopd.installation import add_extra

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Crowd:
    """What CROWDLAB says.

    Attributes:
        labels: (n,) numbers of the consensus labels.
        quality: (n,) how likely each is right, in [0, 1].
        annotators: (m,) quality of each annotator in [0, 1].
    """

    labels: NDArray[np.int64]
    quality: Floats
    annotators: Floats


def require() -> Any:
    """cleanlab's module for several annotators.

    Raises:
        ModelError: cleanlab is not installed.
    """
    try:
        import cleanlab.multiannotator as found
    except ImportError:
        problem = "crowdlab and activelab need the package cleanlab"
        raise ModelError(problem, add_extra("annotators")) from None
    return found


def crowdlab(votes: Floats, proba: NDArray[np.floating[Any]], seed: int) -> Crowd:
    """The CROWDLAB consensus of labels that several annotators gave.

    Source: Goh, Tkachenko and Mueller 2022 (arXiv 2210.06812), by cleanlab's
    ``get_label_quality_multiannotator``.

    Args:
        votes: (n, m) class number that annotator m gave to record n, NaN for none. Each row and
            column has one, and some row has two.
        proba: (n, C) probabilities of a model that was not trained on the record.
        seed: for ties that nothing else breaks.
    """
    with _quiet(seed):
        result = require().get_label_quality_multiannotator(
            votes, _proper(proba), return_detailed_quality=False, verbose=False
        )
    table, people = result["label_quality"], result["annotator_stats"].sort_index()
    quality = people["annotator_quality"].to_numpy(dtype=np.float64)
    finite = quality[np.isfinite(quality)]
    return Crowd(
        table["consensus_label"].to_numpy(dtype=np.int64),
        table["consensus_quality_score"].to_numpy(dtype=np.float64),
        # Who never met another annotator is taken for average.
        np.where(np.isfinite(quality), quality, finite.mean() if finite.size else 0.5),
    )


def active_scores(
    votes: Floats,
    proba: NDArray[np.floating[Any]],
    proba_new: NDArray[np.floating[Any]],
    seed: int,
) -> tuple[Floats, Floats]:
    """ActiveLab's scores of labelled and of new texts on one scale; the lowest are asked first.

    Source: Goh and Mueller 2023 (arXiv 2301.11856), by cleanlab's ``get_active_learning_scores``
    and its form for an ensemble of models.

    Args:
        votes: (n, m) as for :func:`crowdlab`; here every row may have a single vote.
        proba: (P, n, C) probabilities of P models that were not trained on the record.
        proba_new: (P, u, C) probabilities of texts without a vote.
        seed: for ties that nothing else breaks.

    Returns:
        Scores (n,) and (u,) in [0, 1].
    """
    old_proba = np.stack([_proper(model) for model in proba])
    new = np.stack([_proper(model) for model in proba_new]) if proba_new.shape[1] else None
    module = require()
    with _quiet(seed):
        if len(old_proba) > 1:
            old, fresh = module.get_active_learning_scores_ensemble(votes, old_proba, new)
        else:
            alone = None if new is None else new[0]
            old, fresh = module.get_active_learning_scores(votes, old_proba[0], alone)
    return np.asarray(old, dtype=np.float64), np.asarray(fresh, dtype=np.float64)


def _proper(proba: NDArray[np.floating[Any]]) -> Floats:
    """Rows that sum to one in double precision."""
    exact = np.clip(np.asarray(proba, dtype=np.float64), 1e-9, None)
    return np.asarray(exact / exact.sum(axis=-1, keepdims=True))


@contextlib.contextmanager
def _quiet(seed: int) -> Iterator[None]:
    """Nothing is printed or warned of, and the global generator is seeded and put back."""
    # NPY002 is right about our own draws; these lines exist for code that is not ours.
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed % 2**32)  # noqa: NPY002
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with np.errstate(all="ignore"):
                yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
