"""Texts that are longer than the model reads are told when a configuration is written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from loopd.config import ClassifierSection, Config
from loopd.config_file import load_config, parse_config
from loopd.errors import ModelError
from loopd.safe_yaml import decode_yaml
from loopd.starting import long_texts as module
from loopd.starting.init import write_configuration
from loopd.starting.long_texts import LongTexts, long_texts
from loopd.starting.options import InitOptions
from tests.starting.test_init import table

SENTENCE = "50% of 40 texts are longer than the 256 tokens that the model reads of each"


def file_of(folder: Path, words: int, share: float, count: int = 40) -> Path:
    long = "nobody answers calls " * (words // 3)
    rows = [
        {"text": f"parcel {n} {long}" if n % 10 < 10 * share else f"parcel {n} is late"}
        for n in range(count)
    ]
    return table(folder / "t.csv", rows)


def written(data: Path) -> tuple[Config, str, list[str]]:
    lines: list[str] = []
    path = write_configuration(InitOptions(data, labels=("a", "b")), lines.append)
    return load_config(path), path.read_text(), lines


def test_the_whole_is_proposed_where_many_are_too_long(tmp_path: Path) -> None:
    config, text, lines = written(file_of(tmp_path, 600, 0.5))
    assert config.classifier == ClassifierSection()  # a proposal changes nothing
    assert f"# {SENTENCE}.\n" in text
    assert any(SENTENCE in line and "classifier.windows" in line for line in lines)
    (proposed,) = (line for line in text.splitlines() if line.startswith("# classifier:"))
    taken = decode_yaml(text.replace(proposed, proposed[2:]).encode(), Path("t.yaml"))
    classifier = parse_config(taken, tmp_path).classifier
    assert classifier.windows == "mean"
    assert classifier.options == {"self_training": 300}


@pytest.mark.parametrize(("words", "share"), [(6, 1.0), (120, 1.0), (600, 0.0)])
def test_nothing_is_said_where_hardly_any_is(tmp_path: Path, words: int, share: float) -> None:
    _, text, lines = written(file_of(tmp_path, words, share))
    assert "windows" not in text
    assert "windows" not in "\n".join(lines)
    assert "\n\n\n" not in text


def test_tokens_decide_and_not_characters() -> None:
    section = ClassifierSection(max_tokens=32)
    words = "parcel " * 30  # and two around them
    assert long_texts([words], section) == LongTexts(1, 0, 32)
    assert long_texts([words + "parcel"], section) == LongTexts(1, 1, 32)
    assert long_texts(["体" * 33], section) == LongTexts(1, 1, 32)
    assert long_texts(["1234 " * 5], section).longer == 0


@pytest.mark.parametrize(
    "text",
    [
        "体" * 255,
        "한국어 문장입니다 " * 25,
        " " * 4000 + "word " * 900,
        "x" * 300 + " " * 3000 + "word " * 900,
        ("x" * 300 + " ") * 20 + "word " * 700,
    ],
    ids=["two around it", "Hangul", "blanks first", "padded", "words that it cannot read first"],
)
def test_none_that_is_too_long_is_missed(text: str) -> None:
    assert long_texts([text]).longer == 1


def test_it_looks_at_all_parts_of_a_file() -> None:
    texts = ["short"] * 900 + ["word " * 300] * 100
    seen = long_texts(texts)
    assert (seen.texts, seen.longer, seen.many) == (200, 20, True)
    assert not LongTexts(200, 10, 256).many
    assert not long_texts([]).many


@pytest.mark.parametrize("words", [100, 2000])
def test_characters_decide_where_there_is_no_tokenizer(
    monkeypatch: pytest.MonkeyPatch, words: int
) -> None:
    def missing(_: str) -> str:
        raise ModelError("not there")

    monkeypatch.setattr(module, "locate", missing)
    assert long_texts(["parcel " * words]).longer == (words > 256)


def test_the_model_is_not_loaded_for_it() -> None:
    code = (
        "import sys; from loopd.starting.long_texts import long_texts; "
        "print(long_texts(['word ' * 999]).longer, {'torch', 'transformers'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1 set()"
