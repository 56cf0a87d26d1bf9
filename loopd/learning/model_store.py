"""Owns the models on disk, safetensors that may all be deleted; knows not what is in them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loopd.learning.arrays import Tensors
from loopd.storage.files import write_atomic

_OURS = re.compile(r"[0-9a-f]{16}")
"""Model ids: nothing else in the folder is ever deleted, should it be somebody else's."""


class ModelStore:
    """Trained weights by model id in one folder.

    Args:
        folder: where the files are; created at the first write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, model_id: str) -> dict[str, NDArray[np.generic]] | None:
        """The arrays, or ``None`` if they are missing or damaged in any way."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self._path(model_id), framework="numpy") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, ValueError):
            return None
        return tensors if metadata.get("digest") == _digest(tensors) else None

    def put(self, model_id: str, tensors: Tensors) -> None:
        """Write the arrays so that a crash leaves either nothing or all of them.

        Raises:
            StorageError: the disk is full or the folder cannot be written.
        """
        from safetensors.numpy import save

        tight = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
        write_atomic(self._path(model_id), save(tight, {"digest": _digest(tight)}))

    def keep(self, model_ids: Collection[str]) -> None:
        """Delete all other models; what another process deleted first is fine."""
        for path in self._folder.glob("*.safetensors"):
            if path.stem not in model_ids and _OURS.fullmatch(path.stem):
                path.unlink(missing_ok=True)

    def _path(self, model_id: str) -> Path:
        return self._folder / f"{model_id}.safetensors"


def _digest(tensors: Tensors) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name}/{array.dtype}/{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
