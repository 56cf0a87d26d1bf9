"""Owns what a run remembers of texts that were withdrawn, so as to know them again without them.

A keyed hash of each text: the key is random and of this run alone, so that nobody can look up a
hash made elsewhere. Whoever has the folder can still try texts one by one, and find a short one.
Must not hold a text.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from loopd.errors import StorageError
from loopd.records import PoolId
from loopd.storage.files import storage_error, sync_folder, write_atomic
from loopd.storage.run_folder import POOL_FOLDER, WITHDRAWN_NAME

VERSION = 1
KEY_BYTES, DIGEST_BYTES = 32, 16


@dataclass(frozen=True, slots=True)
class WithdrawnTexts:
    """What is remembered.

    Attributes:
        key: of the hashes, as hexadecimal digits.
        digests: of the texts.
        before: how many intakes the pool had, by the fingerprint that it had then and before
            texts were erased: a journal from a backup names one of these.
        in_argilla: pool ids of texts whose records may still be in Argilla.
    """

    key: str
    digests: frozenset[str] = field(default_factory=frozenset)
    before: Mapping[str, int] = field(default_factory=dict)
    in_argilla: frozenset[PoolId] = field(default_factory=frozenset)

    def holds(self, text: str) -> bool:
        """Whether this text was withdrawn."""
        return bool(self.digests) and self._digest(text) in self.digests

    def plus(
        self, texts: Iterable[str], before: Sequence[str], ids: Collection[PoolId]
    ) -> WithdrawnTexts:
        """With further texts, fingerprints by intake, and ids to be looked for in Argilla."""
        return replace(
            self,
            digests=self.digests.union(map(self._digest, texts)),
            before={**dict(zip(before, count(1), strict=False)), **self.before},
            in_argilla=self.in_argilla.union(ids),
        )

    def _digest(self, text: str) -> str:
        content, key = text.encode("utf-8", "surrogatepass"), bytes.fromhex(self.key)
        return hashlib.blake2b(content, key=key, digest_size=DIGEST_BYTES).hexdigest()


def read_withdrawn(folder: Path) -> WithdrawnTexts:
    """What the run in a folder remembers; with a fresh key where that is nothing yet.

    Raises:
        StorageError: it is damaged or cannot be read: without it texts might come back.
    """
    path = _path(folder)
    if not path.exists() and _carried(folder).exists():  # a process was killed in `carried_over`
        path = _carried(folder)
    try:
        content = json.loads(path.read_bytes())
        return WithdrawnTexts(
            bytes.fromhex(content["key"]).hex(),
            frozenset(map(str, content["texts"])),
            {str(digest): int(number) for digest, number in content["before"].items()},
            frozenset(map(PoolId, content["in_argilla"])),
        )
    except FileNotFoundError:
        return WithdrawnTexts(secrets.token_hex(KEY_BYTES))
    except OSError as error:
        raise storage_error(path, error) from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise StorageError(
            f"{path} is damaged: texts that were withdrawn might come back",
            "restore it from a backup, or remove it and withdraw the texts once more",
        ) from None


def write_withdrawn(folder: Path, texts: WithdrawnTexts) -> None:
    """Remember it.

    Raises:
        StorageError: it cannot be written.
    """
    _write(_path(folder), texts)


@contextmanager
def carried_over(folder: Path) -> Iterator[None]:
    """Remember it still when the folder of texts is moved aside in this block.

    Meanwhile a copy lies beside that folder: whoever reads after a process was killed finds it.

    Args:
        folder: ``run.dir``.

    Raises:
        StorageError: it is damaged, or cannot be written.
    """
    texts, copy = read_withdrawn(folder), _carried(folder)
    if not texts.digests:
        yield
        return
    _write(copy, texts)
    yield
    write_withdrawn(folder, texts)
    try:
        sync_folder(folder)  # the new folder of texts has its name before the copy is gone
        copy.unlink()
    except OSError as error:
        raise storage_error(copy, error) from error


def _write(path: Path, texts: WithdrawnTexts) -> None:
    content = {
        "version": VERSION,
        "key": texts.key,
        "texts": sorted(texts.digests),
        "before": dict(texts.before),
        "in_argilla": sorted(texts.in_argilla),
    }
    write_atomic(path, json.dumps(content) + "\n")


def _path(folder: Path) -> Path:
    return folder / POOL_FOLDER / WITHDRAWN_NAME


def _carried(folder: Path) -> Path:
    return folder / f".{WITHDRAWN_NAME}"
