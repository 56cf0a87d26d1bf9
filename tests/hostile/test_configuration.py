"""Configuration files that mean harm: one clear line, exit code 10, and no memory or time lost."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from loopd import safe_yaml
from loopd.cli import main
from loopd.config_file import load_config
from loopd.errors import ConfigError

REST = "\npool: {path: pool.csv}\n"


def bomb(leaf: str, join: str) -> str:
    """Ten levels of ten aliases: ten billion values in half a kilobyte."""
    each = (join.format(", ".join([f"*a{level}"] * 10)) for level in range(10))
    lines = [leaf, *each]
    return "".join(f"a{level}: &a{level} {line}\n" for level, line in enumerate(lines))


FILES = {
    "aliases": bomb("[x]", "[{}]") + "task: {labels: *a10}" + REST,
    "merge keys": bomb("{x: 1}", "{{<<: [{}]}}") + "task: {labels: [a, b]}" + REST,
    "itself": "task: &t {labels: [a, b], more: *t}" + REST,
    "itself as options": "task: {labels: [a, b]}\nclassifier: {options: &o {o: *o}}" + REST,
    "deep lists": "task: {labels: " + "[" * 5000 + "]" * 5000 + "}" + REST,
    "deep mappings": "".join("  " * depth + "a:\n" for depth in range(200)),
    "a huge scalar": f"task: {{labels: [a, {'b' * 2_000_000}]}}" + REST,
    "a long label": f"task: {{labels: [a, {'b' * 900_000}]}}" + REST,
    "one key twice": "task: {labels: [a, b]}\ntask: {labels: [c, d]}" + REST,
    "one key twice inside": "task: {labels: [a, b], labels: [c, d]}" + REST,
    "a python tag": "task: !!python/object/apply:os.system ['touch pwned']" + REST,
    "a python name": "task: {labels: [a, !!python/name:os.system ]}" + REST,
    "another tag": "task: {labels: [a, !exec ls]}" + REST,
    "bytes": "task: {labels: [a, b]}\nclassifier: {options: {x: !!binary aGFsbG8=}}" + REST,
    "a set": "task: {labels: !!set {a, b}}" + REST,
    "a date": "task: {labels: [a, b]}\nstrategy: {options: {x: 2001-12-14}}" + REST,
    "no date": "task: {labels: [a, 2001-99-99]}" + REST,
    "no number": "task: {labels: [a, !!int '']}" + REST,
    "a huge number": f"task: {{labels: [a, b]}}\nrun: {{seed: {'9' * 5000}}}" + REST,
    "sixties": f"task: {{labels: [a, b]}}\nrun: {{seed: 1{':59' * 3000}.5}}" + REST,
    "for ever": "task: {labels: [a, b]}\nargilla: {timeout: .inf}" + REST,
    "for ages": "task: {labels: [a, b]}\nqueue: {poll_interval: 1.0e+300}" + REST,
    "not a number": "task: {labels: [a, b]}\nqueue: {poll_interval: .nan}" + REST,
    "a list as key": "task: {? [a, b] : c}" + REST,
    "NUL": 'task: {labels: [a, "b\\0"]}' + REST,
    "NUL in a path": 'task: {labels: [a, b]}\npool: {path: "pool\\0.csv"}',
    "half a pair": 'task: {labels: [a, "\\uD800"]}' + REST,
    "raw control": "task: {labels: [a, b\x07]}" + REST,
    "escape": 'task: {labels: [a, "b\\e[2J"]}' + REST,
    "a line end": 'task: {labels: [a, "b\\nc"]}' + REST,
    "an unknown key that clears the screen": 'task: {labels: [a, b], "\\e[2Jx": 1}' + REST,
    "many unknown keys": "task: {labels: [a, b]}\n" + "".join(f"k{n}: 1\n" for n in range(5000)),
    "a line end in the name": 'task: {labels: [a, b]}\nargilla: {dataset: "a\\nb"}' + REST,
    "a signal in the question": 'task: {labels: [a, b], question: "\\a"}' + REST,
    "blanks for a field": 'task: {labels: [a, b], field: "  "}' + REST,
    "a name without end": f"task: {{labels: [a, b]}}\nargilla: {{dataset: {'x' * 201}}}" + REST,
    "nobody's home": "task: {labels: [a, b]}\npool: {path: ~nobody-of-that-name/pool.csv}",
    "a password": "task: {labels: [a, b]}\nargilla: {url: 'http://me:hunter2@localhost'}" + REST,
    "a key": "task: {labels: [a, b]}\nargilla: {url: 'http://localhost/?api_key=hunter2'}" + REST,
    "no list of words": "task: {labels: [a, b]}\nargilla: {api_key_command: cat key}" + REST,
}


@pytest.mark.parametrize("name", FILES)
def test_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(FILES[name].encode("utf-8", "surrogatepass"))
    before = time.monotonic()
    done = CliRunner().invoke(main, ["check", str(path)])
    assert time.monotonic() - before < 20
    assert done.exit_code == 10, done.output
    line, *hints = done.stderr.splitlines()
    assert line.startswith("loopd: config error: ")
    assert all(each.startswith("  hint: ") for each in hints)
    assert len(done.output) < 3000
    assert line.isprintable()
    assert "hunter2" not in done.output
    assert not list(tmp_path.glob("pwned"))


def test_a_file_without_end_is_not_read_whole() -> None:
    with pytest.raises(ConfigError, match="too large"):
        load_config(Path("/dev/zero"))


def test_what_people_write_is_taken(tmp_path: Path) -> None:
    text = """
    task: {labels: [café, "naïve \U0001f600\u200d\U0001f525", 'a b']}
    pool: {path: pool.csv, text: question}
    test: {text: question, path: test.csv, label: topic}
    strategy: {options: {names: [a, &an b], deep: [[1, {a: 2.5}], null, true]}}
    argilla: {api_key_command: [pass, show, argilla]}
    """
    (tmp_path / "c.yaml").write_text("\ufeff" + text, encoding="utf-8")
    config = load_config(tmp_path / "c.yaml")
    assert config.test is not None
    assert (config.test.text, config.test.path) == ("question", tmp_path / "test.csv")
    assert config.strategy.options["names"] == ["a", "b"]
    assert config.digest()


def test_five_hundred_long_labels_are_taken(tmp_path: Path) -> None:
    labels = ", ".join(f"{'ä' * 190}{number}" for number in range(500))
    (tmp_path / "c.yaml").write_text(f"task: {{labels: [{labels}]}}{REST}", encoding="utf-8")
    assert len(load_config(tmp_path / "c.yaml").task.labels) == 500


def test_aliases_are_refused_with_their_line() -> None:
    with pytest.raises(ConfigError, match=r"line 2: \*a is an alias") as caught:
        safe_yaml.parse_yaml("a: &a [x]\nb: *a\n", "c.yaml")
    assert "write out" in caught.value.hint


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "x" * 300, "\u202egnp", "a\tb"])
def test_a_pool_that_is_nowhere_ends_with_its_own_code(name: str, tmp_path: Path) -> None:
    text = "task: {labels: [a, b]}\nargilla: {api_key_env: LOOPD_NONE}\nclassifier: {name: tfidf}\n"
    path = tmp_path / "c.yaml"
    path.write_text(f'{text}pool: {{path: "{name}"}}\n', encoding="utf-8")
    done = CliRunner().invoke(main, ["run", str(path)], env={"LOOPD_NONE": ""})
    assert done.exit_code == 11, done.output
    assert done.stderr.splitlines()[0].isprintable()
