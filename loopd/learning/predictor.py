"""Owns how a trained classifier is asked for predictions, not for choices; must not score texts."""

from __future__ import annotations

from loopd.learning.protocols import Classifier, PredictsApart


def predictor(classifier: Classifier) -> Classifier:
    """The same trained model as it predicts: itself, unless it has a head of its own for that."""
    return classifier.as_predictor() if isinstance(classifier, PredictsApart) else classifier
