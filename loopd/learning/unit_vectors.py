"""Owns how vectors are scaled to length 1; must import nothing but numpy."""

from __future__ import annotations

import numpy as np

from loopd.learning.arrays import Vectors


def unit(vectors: Vectors) -> Vectors:
    """Vectors (..., d) scaled to length 1; zero stays zero."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Vectors = vectors / np.maximum(lengths, 1e-12)
    return scaled
