"""Owns the names of the arrays and settings that this folder passes around; must hold no code.

Shapes are given where the arrays are used: n records, C labels, d dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Positions: TypeAlias = NDArray[np.int64]
"""Rows of the pool, or of a data set that is a part of it."""

Mask: TypeAlias = NDArray[np.bool_]

Proba: TypeAlias = NDArray[np.float32]
"""Probabilities, a column for each label."""

Vectors: TypeAlias = NDArray[np.float32]

Weights: TypeAlias = NDArray[np.float32]
"""How much each record counts in training."""

Scores: TypeAlias = NDArray[np.float64]
"""Informativeness: higher is more informative."""

Floats: TypeAlias = NDArray[np.floating[Any]]  # of either precision

Score: TypeAlias = Callable[[Proba], Scores]
"""Informativeness (m,) of probabilities (m, C), row by row."""

TokenProba: TypeAlias = tuple[Proba, Positions]
"""Tag probabilities (T, K) of all atoms, text by text, and where each text's begin (n + 1,).

K is 2C + 1: outside, then begin and inside of each label (``spans.alignment.Tags``).
"""

TokenScore: TypeAlias = Callable[[Proba, Positions], Scores]
"""Informativeness (n,) of token probabilities (T, K) and offsets (n + 1,), text by text."""

Tensors: TypeAlias = Mapping[str, NDArray[np.generic]]
"""A trained model as arrays by name."""

Tick: TypeAlias = Callable[[int, int], None]
"""Called with (done, total) between two parts of a long step; may raise."""

Options: TypeAlias = Mapping[str, Any]  # of the user's YAML; whoever takes them checks each value
