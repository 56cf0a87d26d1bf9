"""Owns what of an export goes to the hub, and what went there before; must not ask the hub.

What loopd has sent is in the facts that it sends: see :data:`MODEL_FILES` and :data:`DIGESTS`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopd.export.folder import CARD, FACTS, MODEL
from loopd.export.formats import DATA, FORMATS, TABLE

NOT_SENT = (MODEL, FORMATS["dataset"].place, FORMATS[TABLE].place)
"""What of a folder is no part of the data set on the hub: the hub has data files of its own, and
the table that came in may hold columns that nobody meant to publish."""

MODEL_FILES = "model_files"
"""Key of the facts of an export: the files of its model."""

DIGESTS = "sha256"
"""Key of the facts: SHA-256 of each file of the export but for the facts, by its path in it."""

SOURCES = "hub_sources"
"""Key of the facts: names of the data sets on the hub from which the run reads."""

_TEST_DATA = DATA.replace("train", "test")
"""Where the rows of a test set are that people labelled."""


@dataclass(frozen=True, slots=True)
class Shipment:
    """What goes to one repository.

    Attributes:
        repo: its address.
        kind: ``dataset`` or ``model``.
        files: what is sent, by its path there: a file, or its content.
        before: SHA-256 of what loopd has sent there before, by its path; ``None`` where the facts
            do not say.
    """

    repo: Any
    kind: str
    files: Mapping[str, Path | bytes]
    before: Mapping[str, str | None]


def digests_of(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of an export that may be sent, by its path, but for the facts."""
    names = [*_sendable(folder), *(f"{MODEL}/{name}" for name in files_in(folder / MODEL))]
    return {name: digest((folder / name).read_bytes()) for name in names if name != FACTS}


def files_in(folder: Path) -> list[str]:
    """Paths of all files in a folder, which need not be there."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in files)


def _sendable(folder: Path) -> list[str]:
    return [name for name in files_in(folder) if name.split("/")[0] not in NOT_SENT]


def data_shipment(
    folder: Path, repo: Any, before: dict[str, Any], facts: dict[str, Any], *, with_model: bool
) -> Shipment:
    """The files of a data set.

    Args:
        folder: of the export.
        repo: where to.
        before: facts of the export that went there before; empty without one.
        facts: of this one.
        with_model: whether its model goes to the repository beside it.
    """
    files: dict[str, Path | bytes] = {name: folder / name for name in _sendable(folder)}
    if not with_model and _names(before.get(MODEL_FILES)):  # the model of before is still there
        files[FACTS] = _with_model(before, facts)
    return Shipment(repo, "dataset", files, _data_before(before))


def model_shipment(folder: Path, repo: Any, before: dict[str, Any]) -> Shipment:
    """The files of a model; those that earlier versions sent are not all in their facts."""
    names, digests = _names(before.get(MODEL_FILES)), _digests(before)
    files = files_in(folder)
    if before.get("model") and not digests:
        names |= {CARD} if names else {*files}
    sent = {name: digests.get(f"{MODEL}/{name}") for name in names}
    return Shipment(repo, "model", {name: folder / name for name in files}, sent)


def _with_model(before: dict[str, Any], facts: dict[str, Any]) -> bytes:
    """Facts that name the files of the model that an earlier export sent."""
    models = {name: d for name, d in _digests(before).items() if name.startswith(f"{MODEL}/")}
    more = {MODEL_FILES: before[MODEL_FILES], DIGESTS: {**_digests(facts), **models}}
    return (json.dumps({**facts, **more}, ensure_ascii=False, indent=1) + "\n").encode()


def _data_before(facts: dict[str, Any]) -> dict[str, str | None]:
    """The files that went with facts, none but such as loopd sends; empty without facts."""
    if not facts:
        return {}
    digests = _digests(facts)
    formats = _names(facts.get("formats")) & FORMATS.keys() - {TABLE}
    sent = {CARD, *(DATA if name == "dataset" else FORMATS[name].place for name in formats)}
    if "dataset" in formats and facts.get("test_texts"):
        sent.add(_TEST_DATA)
    if digests:
        sent &= digests.keys()
    return {FACTS: None, **{name: digests.get(name) for name in sent}}


def _digests(facts: dict[str, Any]) -> dict[str, str]:
    digests = facts.get(DIGESTS)
    return digests if isinstance(digests, dict) else {}


def _names(value: object) -> set[str]:
    return {str(name) for name in value} if isinstance(value, list) else set()


def digest(content: bytes) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(content).hexdigest()
