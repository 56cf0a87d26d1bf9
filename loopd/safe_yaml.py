"""Owns reading YAML from somebody who may mean harm; must not know what the file is for.

YAML is a language: aliases and merge keys let a small file stand for billions of values, and tags
make objects. Here a file is small, a key occurs once, aliases count as what they stand for, and
every value is plain.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from loopd.errors import ConfigError

LARGEST = 1_000_000
"""Bytes of the largest file that is read."""

MOST_VALUES = 20_000
"""Values in a file, those behind aliases counted each time; more are refused."""

DEEPEST = 30
"""Lists and mappings inside each other; more are refused."""

_TAGS = {
    f"tag:yaml.org,2002:{name}"
    for name in ("null", "bool", "int", "float", "timestamp", "str", "seq", "map", "merge", "value")
}
"""Of plain values; bytes, sets (which have no order) and the others are refused."""

# What constructors raise for scalars that a tag forces to be what they are not.
_ODD = (RecursionError, ValueError, ArithmeticError, LookupError, AttributeError, TypeError)


def read_yaml(path: Path) -> object:
    """The content of a file: dictionaries, lists and plain values; ``None`` where it is empty.

    Raises:
        ConfigError: missing, unreadable, too large, not YAML, or more than plain values.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        hint = "`loopd init tickets.csv` writes one for your texts"
        raise ConfigError(f"no configuration file {path}", hint) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from None
    return decode_yaml(content, path)


def decode_yaml(content: bytes, path: Path) -> object:
    """The same of what was read from a file already.

    Raises:
        ConfigError: too large, not UTF-8, not YAML, or more than plain values.
    """
    if len(content) > LARGEST:
        raise ConfigError(f"{path} is too large: at most {LARGEST:,} bytes are read")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"cannot read {path}: {error}", "save it as UTF-8") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, name: str) -> object:
    """The content of a text.

    Args:
        text: YAML.
        name: how messages call it.

    Raises:
        ConfigError: not YAML, or more than plain values.
    """
    try:
        # A subclass of yaml.SafeLoader.
        return yaml.load(text, Loader=_PlainLoader)  # noqa: S506
    except _RefusedError as error:
        raise ConfigError(f"{name}: {error}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{name} is not YAML: {' '.join(str(error).split())}") from None
    except _ODD as error:
        raise ConfigError(f"{name} is not YAML: {type(error).__name__}: {error}") from None


class _RefusedError(Exception):
    """It is YAML, and we do not take it."""

    def __init__(self, problem: str, mark: Any) -> None:
        super().__init__(f"line {mark.line + 1}: {problem}")


class _PlainLoader(yaml.SafeLoader):
    """PyYAML's safe loader with limits, which hold before anything is built."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._values = 0
        self._depth = 0
        self._sizes: dict[Any, int] = {}
        """Values behind each anchor that is complete."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """One value, counted."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        before, self._depth = self._values, self._depth + 1
        if self._depth > DEEPEST:
            raise _RefusedError(f"more than {DEEPEST} levels", event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in self.anchors and event.anchor not in self._sizes:
                raise _RefusedError(f"*{event.anchor} stands for itself", event.start_mark)
            self._values += self._sizes.get(event.anchor, 0)
        self._values += 1
        if self._values > MOST_VALUES:
            raise _RefusedError(f"more than {MOST_VALUES:,} values", event.start_mark)
        node: Any = super().compose_node(parent, index)
        if node.tag not in _TAGS:
            raise _RefusedError(f"the tag {node.tag[:80]} has no meaning here", node.start_mark)
        anchor = getattr(event, "anchor", None)
        if anchor is not None and not isinstance(event, yaml.AliasEvent):
            self._sizes[anchor] = self._values - before
        self._depth -= 1
        return node

    def compose_scalar_node(self, anchor: Any) -> Any:
        """A scalar that can be stored: neither NUL nor half of a surrogate pair."""
        node = super().compose_scalar_node(anchor)
        if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in node.value):
            raise _RefusedError("a character that no file can hold", node.start_mark)
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        """A mapping in which no key occurs twice."""
        node = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _RefusedError("a key that is a list or a mapping", key.start_mark)
            if (key.tag, key.value) in seen:
                raise _RefusedError(f"the key {key.value[:40]!r} is there twice", key.start_mark)
            seen.add((key.tag, key.value))
        return node
