"""Owns the texts that a program chooses from, under ids of its own; must not read any file."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator

from loopd.data.pool import Pool, content_id
from loopd.data.source import ParsedRow
from loopd.data.usable import text_trouble
from loopd.errors import DataError
from loopd.records import PoolId, Record


class TextPool:
    """Texts to choose from, without a file.

    Reads like a dictionary of texts by id. A text that is there twice has two ids, and the learner
    asks for it under the first one.

    Args:
        texts: such as a list of strings or a column of a data frame.
        ids: of the texts, in their order, such as keys of a database; without them the ids are the
            positions, from 0.

    Raises:
        DataError: something is no text, or empty; or the ids are not one for each text.
    """

    def __init__(self, texts: Iterable[str], ids: Iterable[Hashable] | None = None) -> None:
        checked = _checked(texts)
        names: list[Hashable] = list(range(len(checked)) if ids is None else ids)
        if len(names) != len(checked) or len(set(names)) != len(names):
            raise DataError(
                f"{len(checked)} texts have {len(set(names))} different ids",
                "give every text an id of its own, or leave them out",
            )
        self._texts: dict[Hashable, str] = dict(zip(names, checked, strict=True))

    def __len__(self) -> int:
        return len(self._texts)

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._texts)

    def __contains__(self, id_: object) -> bool:
        return id_ in self._texts

    def __getitem__(self, id_: Hashable) -> str:
        return self._texts[id_]

    def __repr__(self) -> str:
        return f"<loopd pool: {len(self):,} texts>"

    @property
    def texts(self) -> list[str]:
        """All texts, in their order."""
        return list(self._texts.values())


class Keys:
    """What the learner calls the texts of a pool; texts that are alike have one key.

    Args:
        pool: the texts.
    """

    def __init__(self, pool: TextPool) -> None:
        self._pool = pool
        self._first: dict[PoolId, Hashable] = {}
        for id_ in pool:
            self._first.setdefault(content_id(pool[id_]), id_)
        records = (Record(key, pool[id_]) for key, id_ in self._first.items())
        self.records = Pool(tuple(records))

    def key(self, id_: Hashable) -> PoolId:
        """That of the text with an id.

        Raises:
            DataError: there is no such id.
        """
        if id_ not in self._pool:
            raise DataError(f"the pool has no id {id_!r}", "use the ids that `query` gave")
        return content_id(self._pool[id_])

    def id_of(self, key: PoolId) -> Hashable:
        """The first id of a text."""
        return self._first[key]


def _checked(texts: Iterable[str]) -> list[str]:
    """The texts, each of which can be used.

    Raises:
        DataError: one cannot.
    """
    if isinstance(texts, str):
        raise DataError("one text is no list of texts", "write [text]")
    listed = list(texts)
    for position, text in enumerate(listed):
        if not isinstance(text, str):
            raise DataError(f"text {position} is a {type(text).__name__}", "leave it out")
        trouble = text_trouble(ParsedRow(position, text, None, None), text)
        if trouble is not None:
            reason = trouble[1] or "there is nothing in it"
            raise DataError(f"text {position} cannot be used: {reason}", "leave it out")
    return [str(text) for text in listed]
