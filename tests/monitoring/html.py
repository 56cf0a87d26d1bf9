"""Reading a page as a browser's parser would: tags, attributes, and tables with their numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any


@dataclass
class Cell:
    """A cell: its words, and the values of its ``<data>`` elements."""

    text: str = ""
    values: list[Any] = field(default_factory=list)
    key: str | None = None


class Page(HTMLParser):
    """The tags of a document, and its tables by id."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: set[str] = set()
        self.tables: dict[str, list[list[Cell]]] = {}
        self.words: list[str] = []
        self._rows: list[list[Cell]] | None = None
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.tags.add(tag)
        self.attributes |= set(known)
        self.links |= {str(known[key]) for key in ("href", "src", "action") if key in known}
        if tag == "table":
            self._rows = self.tables.setdefault(str(known.get("id")), [])
        elif tag == "tr" and self._rows is not None:
            self._rows.append([])
        elif tag in ("td", "th") and self._rows is not None:
            self._rows[-1].append(Cell(key=known.get("data-key")))
        elif tag == "data" and self._rows is not None:
            self._rows[-1][-1].values.append(json.loads(str(known["value"])))

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self._rows = None

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self._rows and self._rows[-1]:
            self._rows[-1][-1].text += data
