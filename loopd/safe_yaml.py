"""Owns reading YAML in which nobody is mistaken about what it says; must not know what it is for.

YAML is a language, and people know a tenth of it. A key that is there twice, an alias or a tag is
refused with its line, and so is a file that is too large or too deep to be a configuration.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from loopd.errors import ConfigError

LARGEST = 1_000_000
"""Bytes of the largest file that is read."""

DEEPEST = 30
"""Lists and mappings inside each other; more are refused."""

_TAGS = {
    f"tag:yaml.org,2002:{name}"
    for name in ("null", "bool", "int", "float", "timestamp", "str", "seq", "map", "value")
}
"""Of plain values; bytes, sets (which have no order), merge keys and the others are refused."""

# What constructors raise for scalars that a tag forces to be what they are not.
_ODD = (RecursionError, ValueError, ArithmeticError, LookupError, AttributeError, TypeError)


def read_bytes(path: Path) -> bytes:
    """What a file holds; one byte too many where it is too large.

    Raises:
        ConfigError: missing or unreadable.
    """
    try:
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except FileNotFoundError:
        hint = "`loopd init tickets.csv` writes one for your texts"
        raise ConfigError(f"no configuration file {path}", hint) from None
    except IsADirectoryError:
        hint = f"name the file in it, such as {path / 'my.yaml'}"
        raise ConfigError(f"{path} is a folder, and no configuration", hint) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot read {path}: {reason}", "see its permissions") from None


def read_yaml(path: Path) -> object:
    """The content of a file: dictionaries, lists and plain values; ``None`` where it is empty.

    Raises:
        ConfigError: missing, unreadable, too large, not YAML, or more than plain values.
    """
    return decode_yaml(read_bytes(path), path)


def decode_yaml(content: bytes, path: Path) -> object:
    """The same of what was read from a file already.

    Raises:
        ConfigError: too large, not UTF-8, not YAML, or more than plain values.
    """
    return parse_yaml(decode_text(content, path), str(path))


def decode_text(content: bytes, path: Path) -> str:
    """The text of what was read from a file.

    Raises:
        ConfigError: too large, or not UTF-8.
    """
    if len(content) > LARGEST:
        hint = "is it the right file? A configuration has some hundred lines"
        raise ConfigError(f"{path} is too large: at most {LARGEST:,} bytes are read", hint)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        hint = "save it as UTF-8; is it the YAML file, and not the data?"
        raise ConfigError(f"cannot read {path}: line {line} is not UTF-8", hint) from None


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
        raise ConfigError(f"{name}: {error}", error.hint) from None
    except yaml.YAMLError as error:
        problem, hint = _explained(error)
        raise ConfigError(f"{name} is not YAML: {problem}", hint) from None
    except _ODD:
        hint = "write numbers, dates and words without tags"
        raise ConfigError(f"{name} is not YAML: a value is not what its tag says", hint) from None


def lines_of(text: str, places: Sequence[Sequence[str | int]]) -> list[int]:
    """The lines of keys, each of the innermost that is there; 0 where none is.

    Args:
        text: YAML that can be read.
        places: names of keys and numbers of items, from the outermost on.
    """
    node = yaml.compose(text, Loader=_PlainLoader)
    return [_line_of(node, keys) for keys in places]


def _line_of(node: Any, keys: Sequence[str | int]) -> int:
    line = 0
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            pairs = [pair for pair in node.value if pair[0].value == str(key)]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int):
            pairs = [(item, item) for item in node.value[key : key + 1]]
        else:
            pairs = []
        if not pairs:
            break
        line, node = pairs[0][0].start_mark.line + 1, pairs[0][1]
    return line


class _RefusedError(Exception):
    """It is YAML, and we do not take it."""

    def __init__(self, problem: str, mark: Any, hint: str) -> None:
        super().__init__(f"line {mark.line + 1}: {problem}")
        self.hint = hint


class _PlainLoader(yaml.SafeLoader):
    """PyYAML's safe loader with limits, which hold before anything is built."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """One value, neither too deep nor an alias nor tagged."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        self._depth += 1
        if self._depth > DEEPEST:
            hint = "a configuration has four at most"
            raise _RefusedError(f"more than {DEEPEST} levels", event.start_mark, hint)
        if isinstance(event, yaml.AliasEvent):
            hint = "write out what it stands for, or put the text in quotes"
            raise _RefusedError(f"*{str(event.anchor)[:40]} is an alias", event.start_mark, hint)
        node: Any = super().compose_node(parent, index)
        if node.tag not in _TAGS:
            merges = node.tag == "tag:yaml.org,2002:merge"
            word = "the key `<<`" if merges else f"the tag {node.tag[:80]}"
            hint = "write out what it stands for" if merges else "leave it out, or use quotes"
            raise _RefusedError(f"{word} has no meaning here", node.start_mark, hint)
        self._depth -= 1
        return node

    def compose_scalar_node(self, anchor: Any) -> Any:
        """A scalar that a file can be named after: neither NUL nor half of a surrogate pair."""
        node = super().compose_scalar_node(anchor)
        if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in node.value):
            problem = "a character that no file can hold"
            raise _RefusedError(problem, node.start_mark, "leave it out")
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        """A mapping in which no key occurs twice."""
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                problem, hint = "a key that is a list or a mapping", "write a name before the colon"
                raise _RefusedError(problem, key.start_mark, hint)
            before = lines.get((key.tag, key.value))
            if before is not None:
                problem = f"the key {key.value[:40]!r} is there twice"
                raise _RefusedError(problem, key.start_mark, f"line {before} has it, too: keep one")
            lines[key.tag, key.value] = key.start_mark.line + 1
        return node


# -- what is wrong with a text that is not YAML ----------------------------------------------------

_PROBLEMS: tuple[tuple[str, str, str], ...] = (
    (r"found character '\\t'", "it begins with a tab", "indent with spaces"),
    (
        r"found character '(.)' that cannot start",
        "no value can begin with {0}",
        "put the value in quotes",
    ),
    (
        r"mapping values are not allowed",
        "a colon is where none can be",
        "put a text with a colon in quotes, and see that lines of one section begin alike",
    ),
    (
        r"while parsing a flow sequence",
        "the list that begins there is not closed, or a comma is missing",
        "close it with ], with a comma between its items",
    ),
    (
        r"while parsing a flow mapping",
        "the mapping that begins there is not closed, or a comma is missing",
        "close it with }}, with a comma between its keys",
    ),
    (
        r"while scanning a (double-)?quoted scalar|quoted scalar",
        "a quotation mark there is not closed, or a backslash stands between two of them",
        "close it, or use single quotes",
    ),
    (
        r"could not find expected ':'|while scanning a simple key",
        "there is no colon behind a key",
        "write a key, a colon, a space and the value",
    ),
    (
        r"expected <block end>, but found '<scalar>'",
        "a word follows a value that has ended, such as one in quotes",
        "put the whole text in double quotes",
    ),
    (
        r"but found '[\]}]'",
        "a bracket is closed that was not opened",
        "remove it, or open it",
    ),
    (
        r"expected <block end>|while parsing a block",
        "it is indented in another way than the lines around it",
        "begin all lines of a section in the same column, with spaces",
    ),
    (r"special characters|control characters", "a character that no text can hold", "remove it"),
    (r"expected a single document", "a second document begins", "remove the line `---`"),
)
"""Pieces of PyYAML's words, our own, and what helps."""


def _explained(error: yaml.YAMLError) -> tuple[str, str]:
    """What is wrong, with its line, and what helps."""
    context, problem = (getattr(error, name, None) or "" for name in ("context", "problem"))
    begin, end = (getattr(error, name, None) for name in ("context_mark", "problem_mark"))
    for pattern, words, hint in _PROBLEMS:
        match = re.search(pattern, f"{context} {problem} {getattr(error, 'reason', '')}")
        if match:
            mark = begin if "there" in words and begin else end
            says = words.format(*(repr(group) for group in match.groups()))
            return _at(mark) + says, hint.replace("}}", "}")
    return _at(end) + "it cannot be read", "compare it with what `loopd init tickets.csv` writes"


def _at(mark: Any) -> str:
    return f"line {mark.line + 1}: " if mark is not None else ""
