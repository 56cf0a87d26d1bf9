"""Whatever is wrong in a configuration is said in our own words, with its key and its line."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core._pydantic_core import list_all_errors

from loopd.config import Config
from loopd.config.problems import PATTERNS, problems
from loopd.config_file import decode_config, key_names, parse_config
from loopd.errors import ConfigError, DataError, LoopdError, ModelError, StorageError
from loopd.safe_yaml import lines_of, parse_yaml
from tests.hostile.test_configuration import FILES

VALID: dict[str, Any] = {"task": {"labels": ["a", "b"]}, "pool": {"path": "pool.csv"}}

WRONG: tuple[object, ...] = (
    None, True, -1, 0, 1.5, 10**400, float("nan"), float("inf"), "", "  ", "\n", "no such word",
    "http://[::1", "http://a:port", "http://a b", "x" * 20_000, b"bytes",
    dt.date(2001, 1, 1),
    [], [3], [None], ["a", "a"], [[]], [{}], {}, {"x": 1}, {3: "x"}, {"x": {"y": []}}, ("a",),
    set(),
)  # fmt: skip
"""Values of all kinds."""

PLACES = [(*path, name) for path, name in key_names()]


def theirs() -> re.Pattern[str]:
    """Pydantic's sentences, as it lists them itself, and Python's own of the modules in use."""
    kinds = [error["message_template_python"] for error in list_all_errors()]
    parts = {re.split(r"[{}]", kind)[0].strip() for kind in kinds}
    long = sorted(part for part in parts if len(part) > 9)
    python = ("does not appear to be", "Port ", "Invalid IPv6", "invalid literal", "<class ")
    return re.compile("|".join(map(re.escape, [*long, *python, "Value error", "Input "])))


THEIRS = theirs()


def placed(keys: tuple[str, ...], value: object) -> dict[str, Any]:
    """The valid configuration with a value at a key; sections on the way are made."""
    tree: dict[str, Any] = {name: dict(section) for name, section in VALID.items()}
    here = tree
    for key in keys[:-1]:
        if key == "criteria":
            here[key] = [{}]
            here = here[key][0]
        else:
            here = here.setdefault(key, {})
    here[keys[-1]] = value
    return tree


def refused(tree: object) -> str:
    """What is said, empty where nothing is wrong."""
    try:
        parse_config(tree, Path())
    except ConfigError as error:
        return error.message if error.hint else "no hint"
    return ""


@pytest.mark.parametrize("keys", PLACES, ids=".".join)
def test_each_setting_has_our_sentence_for_each_kind_of_value(keys: tuple[str, ...]) -> None:
    said = [refused(placed(keys, value)) for value in WRONG]
    assert any(said), "nothing is wrong there?"
    assert "no hint" not in said
    for sentence in filter(None, said):
        assert not THEIRS.search(sentence), sentence
        assert "tuple[" not in sentence, sentence
        assert "constrained" not in sentence, sentence
        assert len(sentence) < 1500


@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(WRONG)), min_size=2, max_size=4))
def test_several_at_once_are_told_each_once(wrong: list[tuple[tuple[str, ...], object]]) -> None:
    tree: dict[str, Any] = {}
    for keys, value in wrong:
        tree |= placed(keys, value)
    sentence = refused(tree)
    assert not THEIRS.search(sentence)
    parts = sentence.split("; ")
    assert len(parts) == len(set(parts))


def test_what_pydantic_says_itself_would_be_noticed() -> None:
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({**VALID, "queue": {"batch_size": "x", "low_watermark": -1}, "y": 1})
    for details in caught.value.errors():
        assert THEIRS.search(details["msg"]), details["msg"]
    assert not any(THEIRS.search(each.sentence) for each in problems(Config, caught.value, 9))


def test_every_pattern_has_words() -> None:
    text = str(Config.model_json_schema())
    patterns = {match.replace("\\\\", "\\") for match in re.findall(r"'pattern': '(.*?)'", text)}
    assert patterns == PATTERNS.keys()


@pytest.mark.parametrize("key", ["api_key_env", "api_key_file", "headers", "workspace", "timeout"])
@pytest.mark.parametrize("secret", ["hunter2 hunter2", ["hunter2"], {"x": ["hunter2"]}])
def test_what_stands_where_a_key_may_be_is_not_repeated(key: str, secret: object) -> None:
    assert "hunter2" not in refused({**VALID, "argilla": {key: secret}})


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("task: {labels: [a, b]}\nqueue:\n  # :-)\n  batch_size: many\npool: {path: x}\n", "4"),
        ("task: {labels: [a, b]}\n\npool:\n  path: x\n  txt: y\n", "5"),
        ("task: {labels: [a, b]}\npool: {path: x}\nqueue: 3\nrun: {seed: -1}\n", "3 and 4"),
        ("pool:\n  path: x\ntask:\n  title: What?\n", "3"),
        ("task: {labels: [a, b]}\npool: {path: x}\nstopping:\n  criteria:\n  - {name: x}\n", "5"),
        ("task: {labels: [a, b]}\npool: {path: x}\nstrategy: {name: activelab}\n"
         "relabel:\n  max_annotations: 1\n", "5"),
        ("task:\n  labels: [a]\npool: {path: x}\n", "2"),
    ],
)  # fmt: skip
def test_the_hint_names_the_lines(text: str, lines: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        decode_config(text.encode(), tmp_path / "my.yaml")
    assert caught.value.hint == f"correct {tmp_path / 'my.yaml'}, line {lines}"


def test_lines_of_keys_that_are_not_there() -> None:
    text = "a:\n  b:\n  - x\n  - c: 1\n"
    places = ((), ("z",), ("a", "z"), ("a", "b", 1, "c"), ("a", "b", 9))
    assert lines_of(text, places) == [0, 0, 1, 4, 2]


BROKEN = (
    "a:\n\tb: 1\n", "a: [1, 2\n", "a: [1, 2}\n", "a: {b: 1\n", "a: 'x\n", 'a: "x\n', 'a: "\\q"\n',
    "a: b: c\n", "a: 1\n  b: 2\n", "a:\n    b: 1\n  c: 2\n", "a: @x\n", "a: `x\n", "a: %x\n",
    "a: 'it's'\n", "a: [1]]\n", "}\n", "- a\nb: 1\n", "a\nb: 1\n", "a: 1\n---\nb: 2\n", "a: \x07\n",
    "a: *\n", "a: &\n", "{\n", "%foo\n", "a: | x\n y\n", "a: 2001-99-99\n", "a: !!int ''\n",
    "a: *b\n", "a: &b 1\nc: *b\n", "<<: {a: 1}\n", "? [a] : b\n", "a: !x 1\n", "a: 1\na: 2\n",
    "a: !!set {b}\n", 'a: "\\0"\n', "[" * 50 + "]" * 50,
)  # fmt: skip
PYYAML = re.compile(r"while (scanning|parsing)|<block|unicode string|could not|_mark|flow|scalar")


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_no_yaml_is_said_in_our_words(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "my.yaml")
    assert caught.value.message.startswith("my.yaml")
    assert not PYYAML.search(caught.value.message), caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("name", FILES)
def test_hostile_files_have_our_words_too(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        decode_config(FILES[name].encode("utf-8", "surrogatepass"), tmp_path / "my.yaml")
    assert not PYYAML.search(caught.value.message)
    assert not THEIRS.search(caught.value.message)
    assert caught.value.hint


@pytest.mark.parametrize("kind", [ConfigError, DataError, ModelError, StorageError])
def test_whoever_forgets_a_hint_gives_that_of_the_kind(kind: type[LoopdError]) -> None:
    assert kind("x").hint
    assert kind("x", "y").hint == "y"
