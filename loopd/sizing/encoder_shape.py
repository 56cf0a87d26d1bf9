"""Owns finding the shape of a model from its ``config.json``; must not load or download a model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loopd.errors import ModelError
from loopd.learning.classifiers.source import locate
from loopd.sizing.workload import PACKAGED, Encoder

CONFIG_NAME = "config.json"

HINT = "give its shape instead, such as `--layers 12 --width 768`, or a folder that holds it"

KEYS: Mapping[str, tuple[str, ...]] = {
    "layers": ("num_hidden_layers", "n_layers", "num_layers"),
    "width": ("hidden_size", "dim", "d_model"),
    "inner": ("intermediate_size", "hidden_dim", "d_ff"),
    "vocabulary": ("vocab_size",),
}
"""What encoders call their measures: BERT and most others, DistilBERT, T5."""


def of_shape(layers: int, width: int) -> Encoder:
    """An encoder of the usual proportions: four times as wide between the maps of a layer."""
    return Encoder(f"{layers} x {width}", layers, width, 4 * width, PACKAGED.vocabulary)


def shape_of(model: str) -> Encoder:
    """The shape of a model that is on this machine.

    Args:
        model: ``packaged``, a folder, or a hub name that was downloaded before.

    Raises:
        ModelError: it is not here, or its configuration does not say.
    """
    if model == PACKAGED.name:
        return PACKAGED
    path = _config_path(locate(model))
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path is not None else None
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
        raise ModelError(f"the shape of the model {model!r} is not known here", HINT)
    found = {name: _whole(content, keys) for name, keys in KEYS.items()}
    found["inner"] = found["inner"] or 4 * found["width"]
    missing = [name for name, value in found.items() if value < 1]
    if missing:
        raise ModelError(f"{model}: its {CONFIG_NAME} does not say: {', '.join(missing)}", HINT)
    return Encoder(model, **found)


def _config_path(source: str) -> Path | None:
    if Path(source).is_dir():
        return Path(source) / CONFIG_NAME
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(source, CONFIG_NAME)
    except HFValidationError:  # no name of the hub
        return None
    return Path(found) if isinstance(found, str) else None


def _whole(content: Mapping[str, Any], keys: tuple[str, ...]) -> int:
    """The first of some keys that is a whole number; 0 where none is."""
    values = (content.get(key) for key in keys)
    return next((value for value in values if type(value) is int), 0)
