"""Owns in which fields and metadata of a record people see a text; must not send anything.

Loopd's own metadata and suggestions are in ``record_schema``, whole records in ``record_bodies``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from loopd.annotation import maker_mark, queue_mark, run_mark
from loopd.annotation.escaping import shown
from loopd.config import PoolSection
from loopd.data.parts import joined
from loopd.records import JsonValue, Record

Json = dict[str, Any]

MARKS = frozenset({run_mark.PROPERTY, queue_mark.PROPERTY, maker_mark.PROPERTY})
"""Metadata by which runs know datasets and records; nobody else uses their names."""

LONGEST_METADATA = 200
"""Characters of a shown column that go into metadata: people filter by them, nobody reads more."""

APART = "pool_"
"""Stands before a column that is called like metadata of loopd's own."""


@dataclass(frozen=True, slots=True)
class RecordLayout:
    """The fields of a dataset that show a text, and what they show beside it.

    Attributes:
        texts: names of the fields of the text: one, or one for each of its parts.
        fields: names of further fields, which no model reads.
        metadata: names of columns that are metadata.
    """

    texts: tuple[str, ...]
    fields: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of all fields, in the order in which people see them."""
        return (*self.texts, *self.fields)

    @property
    def has_parts(self) -> bool:
        """Whether a text has several fields."""
        return len(self.texts) > 1

    def text_in(self, fields: Mapping[str, JsonValue]) -> str | None:
        """What the fields of a record show as its text, escaped as they are; ``None`` without."""
        parts = [(name, fields.get(name)) for name in self.texts]
        texts = [(shown(name), part) for name, part in parts if isinstance(part, str)]
        if not texts:
            return None
        return joined(texts) if self.has_parts else texts[0][1]

    def parts(self, record: Record) -> dict[str, str]:
        """The fields of a text that has several parts; the first one is never absent."""
        return {self.texts[0]: "", **{name: shown(part) for name, part in record.parts}}

    def beside(self, record: Record) -> dict[str, str]:
        """The fields beside the text."""
        return {name: shown(text) for name, text in record.shown if name in self.fields}

    def metadata_of(self, record: Record, own: Collection[str]) -> dict[str, JsonValue]:
        """The columns that are metadata.

        Args:
            record: of the pool.
            own: names of loopd's metadata.
        """
        texts = dict(record.shown)
        names = [name for name in self.metadata if name in texts]
        return {self.property_name(name, own): _cut(texts[name]) for name in names}

    @staticmethod
    def property_name(column: str, own: Collection[str]) -> str:
        """How the metadata of a column are called."""
        reserved = {*own, *MARKS}
        return f"{APART}{column}" if column in reserved else column

    def field_bodies(self) -> list[Json]:
        """The fields as Argilla's API wants them: no Markdown; for HTML see ``escaping.shown``."""
        settings = {"type": "text", "use_markdown": False}
        titles = {self.texts[0]: "Text"} if not self.has_parts else {}
        return [
            {
                "name": name,
                "title": titles.get(name, name),
                "required": name == self.texts[0],
                "settings": settings,
            }
            for name in self.names
        ]

    def property_bodies(self, own: Collection[str]) -> list[Json]:
        """The metadata properties of columns as Argilla's API wants them."""
        return [
            {
                "name": self.property_name(name, own),
                "title": name,
                "settings": {"type": "terms"},
                "visible_for_annotators": True,
            }
            for name in self.metadata
        ]


def layout_of(pool: PoolSection, field: str) -> RecordLayout:
    """How a pool is shown.

    Args:
        pool: its settings.
        field: the field of a text that has no parts.
    """
    several = pool.text_columns if len(pool.text_columns) > 1 else (field,)
    return RecordLayout(several, pool.shown_fields, pool.shown_metadata)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_METADATA else f"{text[: LONGEST_METADATA - 1]}…"
