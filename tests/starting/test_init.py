"""`loopd init`: what it writes is what `loopd check` takes, and it overwrites nothing."""

from __future__ import annotations

import csv
import gzip
import json
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from loopd.cli import main
from loopd.commands import entrance
from loopd.config import Config, label_key
from loopd.config.json_schema import FILE
from loopd.config_file import load_config, parse_config
from loopd.errors import ConfigError, DataError, LoopdError
from loopd.safe_yaml import decode_yaml
from loopd.starting.draft import Draft
from loopd.starting.init import _write_new, next_steps, write_configuration
from loopd.starting.options import InitOptions, labels_in, labels_out, stem_of, word_of

ROOT = Path(__file__).parents[2]
TEXTS = [f"My parcel number {n} has not come, what can I do?" for n in range(30)]
LABELS = ["billing", "delivery", "other"]


def table(path: Path, rows: Sequence[Mapping[str, object]], **options: Any) -> Path:
    encoding = options.pop("encoding", "utf-8")
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.DictWriter(file, list(rows[0]), **options)
        writer.writeheader()
        writer.writerows(rows)
    return path


def tickets(path: Path, **more: Sequence[object]) -> Path:
    rows = [
        {"nr": n, "body": text, **{name: cells[n % len(cells)] for name, cells in more.items()}}
        for n, text in enumerate(TEXTS)
    ]
    return table(path, rows)


def written(data: Path, asker: Any = None, **said: Any) -> tuple[Config, list[str]]:
    lines: list[str] = []
    path = write_configuration(InitOptions(data, **said), lines.append, asker)
    return load_config(path), lines


class Person:
    """Somebody who answers, in order."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.questions: list[str] = []

    def choose(self, question: str, choices: Sequence[str]) -> str:
        self.questions.append(question)
        return next(choice for choice in choices if choice == self.answers[0]) and self.write("")

    def write(self, question: str) -> str:
        self.questions.append(question)
        return self.answers.pop(0)


# -- what is written -------------------------------------------------------------------------------


def test_labels_come_from_their_column_the_most_frequent_first(tmp_path: Path) -> None:
    data = tickets(tmp_path / "tickets.csv", topic=["delivery", "billing", "delivery", "", "other"])
    config, lines = written(data)
    assert config.task.labels == ("delivery", "billing", "other")
    assert config.pool.path == data
    assert (config.pool.text, config.pool.id, config.pool.label) == ("body", "nr", "topic")
    said = "\n".join(lines)
    for word in ("'body', because", "'nr', because", "'topic', because", "'delivery', 'billing'"):
        assert word in said


def test_labels_that_are_said_count(tmp_path: Path) -> None:
    config, _ = written(tickets(tmp_path / "t.csv"), labels=("b", "a"))
    assert config.task.labels == ("b", "a")
    assert config.pool.label is None
    assert config.argilla.dataset == "t"
    assert config.run.dir == tmp_path / "runs" / "t"


def test_an_id_that_comes_twice_far_below_is_none(tmp_path: Path) -> None:
    rows = [{"id": n % 250, "text": f"{TEXTS[n % 30]} {n}"} for n in range(300)]
    config, lines = written(table(tmp_path / "t.csv", rows), labels=("a", "b"))
    assert config.pool.id is None
    assert any("no column looks like ids" in line for line in lines)


def test_words_that_yaml_takes_for_others_stay_labels(tmp_path: Path) -> None:
    labels = ("yes", "No", "on", "null", "1", "~", "a: b", "x #y", "- z", "true")
    config, _ = written(tickets(tmp_path / "t.csv"), labels=labels)
    assert config.task.labels == labels


def test_a_label_may_have_a_stroke_in_its_name(tmp_path: Path) -> None:
    data = tickets(tmp_path / "t.csv", tags=["Billing | Payments", "Other", "Billing | Payments"])
    config, _ = written(data)
    assert config.task.type == "single_label"
    assert set(config.task.labels) == {"Billing | Payments", "Other"}


def test_cells_with_several_labels_make_a_task_with_several(tmp_path: Path) -> None:
    data = tickets(tmp_path / "t.csv", tags=["a|b", "b", "", "c"])
    config, _ = written(data)
    assert config.task.type == "multi_label"
    assert config.task.labels == ("b", "a", "c")
    assert config.task.none_label == "None of these"
    assert "all labels that apply" in config.task.guidelines
    rows = [{"text": text, "labels": ["x", "y"][: n % 3]} for n, text in enumerate(TEXTS)]
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    (tmp_path / "l.jsonl").write_text(lines)
    config, _ = written(tmp_path / "l.jsonl")
    assert config.task.labels == ("x", "y")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("semicolons.csv", {"delimiter": ";"}),
        ("tabs.tsv", {"delimiter": "\t"}),
        ("cp1252.csv", {"encoding": "cp1252"}),
    ],
)
def test_any_file_that_a_pool_may_be(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    rows = [{"Ticket Text": f"Grüße, {text}", "category": LABELS[n % 3]} for n, text in
            enumerate(TEXTS)]  # fmt: skip
    config, _ = written(table(tmp_path / name, rows, **options))
    assert config.pool.text == "Ticket Text"
    assert set(config.task.labels) == set(LABELS)


def test_what_a_tool_wrote_has_its_texts_where_the_tool_has_them(tmp_path: Path) -> None:
    records = [
        {"id": n, "data": {"text": text}, "annotations": [], "predictions": []}
        for n, text in enumerate(TEXTS)
    ]
    (tmp_path / "export.json").write_text(json.dumps(records))
    config, _ = written(tmp_path / "export.json", labels=("a", "b"))
    assert (config.pool.text, config.pool.label) == ("text", None)


def test_a_gzipped_file_gives_its_own_name(tmp_path: Path) -> None:
    data = tickets(tmp_path / "tickets.csv")
    with gzip.open(tmp_path / "tickets.csv.gz", "wb") as file:
        file.write(data.read_bytes())
    data.unlink()
    written(tmp_path / "tickets.csv.gz", labels=("a", "b"))
    assert (tmp_path / "tickets.yaml").is_file()
    assert stem_of(Path("x/a.b.csv")) == "a.b"


def test_the_configuration_may_lie_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "my configs").mkdir()
    data = tickets(tmp_path / "data" / "tickets 2026: all.csv")
    config, _ = written(data, labels=("a", "b"), out=tmp_path / "my configs" / "c.yml")
    assert config.pool.path == data
    assert config.argilla.dataset == "tickets-2026-all"


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=40)


@given(
    labels=st.lists(NAMES.filter(str.strip), min_size=2, max_size=4, unique_by=str.casefold),
    text=st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30
    ),
    what=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
)
def test_whatever_a_name_holds_comes_back(labels: list[str], text: str, what: str) -> None:
    meanings = dict.fromkeys(labels, what)
    draft = Draft("x", "d", "single_label", tuple(labels), "p.csv", text, descriptions=meanings)
    content: Any = decode_yaml(draft.yaml().encode(), Path("x.yaml"))
    assert content["task"]["labels"] == labels
    assert content["pool"]["text"] == text
    words = "".join(letter if letter.isprintable() else " " for letter in what).split()
    assert " ".join(words) in content["task"]["guidelines"]


def test_meanings_are_asked_for_and_shown_to_annotators(tmp_path: Path) -> None:
    person = Person("one, two", "  the first  one", "")
    config, _ = written(tickets(tmp_path / "t.csv"), person)
    assert config.task.labels == ("one", "two")
    assert "- **one**: the first one" in config.task.guidelines
    assert "**Enter**" in config.task.guidelines
    assert any("'two'" in question for question in person.questions)
    assert config.task.descriptions == {"one": ("the first one",)}


def test_nobody_who_says_nothing_gets_descriptions(tmp_path: Path) -> None:
    config, _ = written(tickets(tmp_path / "t.csv"), Person("one, two", "", " "))
    assert config.task.descriptions == {}
    assert "descriptions" not in (tmp_path / "t.yaml").read_text()


@given(
    labels=st.lists(NAMES.filter(label_key), min_size=2, max_size=4, unique_by=str.casefold),
    said=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=4),
    kind=st.sampled_from(["single_label", "multi_label", "spans"]),
)
def test_what_is_said_of_a_label_is_what_a_model_learns(
    labels: list[str], said: list[str], kind: str
) -> None:
    meant = dict(zip(labels, said, strict=False))
    draft = Draft("x", "d", kind, tuple(labels), "p.csv", "text", descriptions=meant)
    task: Any = decode_yaml(draft.yaml().encode(), Path("x.yaml"))
    words = {
        label: "".join(letter if letter.isprintable() else " " for letter in text).split()
        for label, text in meant.items()
    }
    expected = {label: [" ".join(some)] for label, some in words.items() if some}
    assert task["task"].get("descriptions", {}) == ({} if kind == "spans" else expected)


@pytest.mark.parametrize("kind", ["single_label", "multi_label", "spans"])
@pytest.mark.parametrize("long_texts", ["", "Some texts are long"])
def test_what_is_proposed_of_the_model_can_be_taken_as_it_stands(
    kind: str, long_texts: str
) -> None:
    draft = Draft("x", "d", kind, ("a", "b"), "p.csv", "text", long_texts=long_texts)
    lines = draft.yaml().splitlines()
    proposed = [line[2:] for line in lines if line.startswith("# classifier:")]
    expected: dict[str, Any] = {"windows": "mean"} if long_texts else {}
    if kind == "single_label":
        expected["options"] = {"self_training": 300}
    taken: Any = decode_yaml("\n".join([*lines, *proposed]).encode(), Path("x.yaml"))
    assert taken.get("classifier", {}) == expected
    section = parse_config(taken, Path()).classifier
    assert section.windows == ("mean" if long_texts else "none")


def test_a_text_column_that_cannot_be_guessed_is_asked_for(tmp_path: Path) -> None:
    rows = [{"one": f"w{n}", "two": f"v{n}"} for n in range(30)]
    data = table(tmp_path / "t.csv", rows)
    config, _ = written(data, Person("two", "a,b", "", ""))
    assert config.pool.text == "two"


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["t.yaml", "elsewhere.yml"])
def test_nothing_is_overwritten(name: str, tmp_path: Path) -> None:
    data, out = tickets(tmp_path / "t.csv"), tmp_path / name
    out.write_text("# years of work\n")
    with pytest.raises(ConfigError, match="nothing is overwritten"):
        written(data, labels=("a", "b"), out=out)
    assert out.read_text() == "# years of work\n"


def test_not_even_what_came_while_somebody_was_asked(tmp_path: Path) -> None:
    class Slow(Person):
        def write(self, question: str) -> str:
            (tmp_path / "t.yaml").write_text("mine")
            return super().write(question)

    with pytest.raises(ConfigError, match="nothing is overwritten"):
        written(tickets(tmp_path / "t.csv"), Slow("a,b", "", ""))
    assert (tmp_path / "t.yaml").read_text() == "mine"


def test_a_link_that_leads_nowhere_is_there_too(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="nothing is overwritten"):
        written(tickets(tmp_path / "t.csv"), labels=("a", "b"))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "--labels"),
        ({"text": "bdy", "labels": ("a", "b")}, "did you mean 'body'?"),
        ({"id": "x", "labels": ("a", "b")}, "--id"),
        ({"label": "one"}, "1 different values"),
        ({"label": "topci"}, "--label"),
        ({"labels": ("only",)}, "at least two"),
        ({"labels": ("a", "A\t")}, "control character"),
        ({"labels": ("a", "b"), "out": Path("t.txt")}, ".yaml"),
        ({"labels": ("a", "b"), "encoding": "latin-17"}, "encoding"),
        ({"labels": ("a", "b"), "out": Path("no/such/folder/t.yaml")}, "cannot write"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_leaves_nothing(
    said: dict[str, Any], words: str, tmp_path: Path
) -> None:
    data = tickets(tmp_path / "t.csv", day=["Mo", "Tu"], one=["x"])
    if "out" in said:
        said = {**said, "out": tmp_path / said["out"]}
    with pytest.raises(LoopdError) as caught:
        written(data, **said)
    assert words in f"{caught.value.message} {caught.value.hint}"
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file"):
        written(tmp_path / "tickets.csv", labels=("a", "b"))
    (tmp_path / "e.csv").write_text("")
    with pytest.raises(DataError, match="empty"):
        written(tmp_path / "e.csv", labels=("a", "b"))
    (tmp_path / "h.csv").write_text("text,label\n")
    with pytest.raises(DataError, match="no rows"):
        written(tmp_path / "h.csv", labels=("a", "b"))
    (tmp_path / "c.yaml").write_text("x: y\n")
    with pytest.raises(ConfigError, match="is a configuration"):
        written(tmp_path / "c.yaml")


def test_a_list_of_labels() -> None:
    assert labels_in(" a, b c,,a ") == ("a", "b c")


# -- the command -----------------------------------------------------------------------------------


@given(st.lists(st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1), min_size=1))
def test_a_list_of_labels_comes_back_whatever_is_in_them(names: list[str]) -> None:
    labels = tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
    assert labels_in(labels_out(labels)) == labels


def test_labels_may_have_commas_and_come_in_several_options(tmp_path: Path) -> None:
    data = tickets(tmp_path / "t.csv")
    words = ["--labels", 'billing,"late, or lost"', "--labels", "other"]
    done = CliRunner().invoke(main, ["init", str(data), *words])
    assert done.exit_code == 0, done.output
    config = load_config(tmp_path / "t.yaml")
    assert config.task.labels == ("billing", "late, or lost", "other")


@pytest.mark.parametrize("name", ["-x.yaml", "a b.yaml", "--help.yaml", "plain.yaml"])
def test_commands_that_are_printed_can_be_pasted(name: str) -> None:
    for line in next_steps(Path(name)):
        if line.startswith("  loopd"):
            words = shlex.split(line.partition("#")[0])
            assert not words[2].startswith("-")
            assert Path(words[2]) == Path(name)
    assert word_of(Path("plain.yaml")) == "plain.yaml"


@pytest.mark.parametrize(
    "first",
    [
        "My parcel has not come yet, why?",
        "7,My parcel has not come",
        "2026-11-28,body",
        "https://example.org/1,What is this",
        "It has come, thank you!",
    ],
)
def test_a_file_without_names_of_columns_loses_no_text(first: str, tmp_path: Path) -> None:
    data = tmp_path / "t.csv"
    two = ", " not in first and "," in first
    lines = [first, *(f"{n},{text}" if two else text for n, text in enumerate(TEXTS))]
    data.write_text("\n".join(f'"{line}"' if ", " in first else line for line in lines))
    with pytest.raises(ConfigError, match="no names of columns") as caught:
        written(data, labels=("a", "b"))
    assert "--text" in (caught.value.hint or "")
    assert not (tmp_path / "t.yaml").exists()


@pytest.mark.parametrize(
    ("first", "others"),
    [
        (("It is broken", "billing"), LABELS),
        (("Where is it", " other"), LABELS),
        (("My parcel is late", "7"), range(30)),
        (("My parcel is late", "0"), range(1, 31)),
        (("Where is it", "4.5"), (1, 2.5, 5)),
    ],
)
def test_a_cell_that_fits_those_below_is_no_name(
    first: tuple[str, str], others: Sequence[object], tmp_path: Path
) -> None:
    data = tmp_path / "t.csv"
    with data.open("w", newline="") as file:
        rows = [(text, others[n % len(others)]) for n, text in enumerate(TEXTS)]
        csv.writer(file).writerows([first, *rows])
    with pytest.raises(ConfigError, match="no names of columns"):
        written(data, labels=("a", "b"))


HEADERS = st.one_of(
    st.sampled_from(
        ("#", "2023", "1.5", "", " ", "%", "@", "- x", "a: b", "x # y", "*y", "&x", "!t", "null",
         "~", "yes", "12:30", "---", "...", "<<", "=x", "{a}", "[b]", "'", '"', "Q1 2024", "€",
         "\u200b", "How did you hear of us and when?", "Why?", "Was ist das?", "No.", "a,b", "a;b",
         "a\\b", "两年", "1e5", "|", ">")
    ),
    st.integers(1900, 2100).map(str),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    others=st.lists(HEADERS, max_size=3),
    name=st.sampled_from(
        ("text", "Message Body", "2023", "#", "customer remarks", "a: b", "%", "Any notes?")
    ),
)
def test_ordinary_tables_are_taken_whatever_is_over_their_columns(
    tmp_path_factory: pytest.TempPathFactory, others: list[str], name: str
) -> None:
    assume(name not in others and not any(_is_no_name(header) for header in others))
    data = tmp_path_factory.mktemp("header") / "t.csv"
    with data.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow([*others, name])
        rows.writerows([*(n % 5 for _ in others), text] for n, text in enumerate(TEXTS))
    config, _ = written(data, labels=("a", "b"))
    assert config.pool.text == name


def _is_no_name(header: str) -> bool:
    """Whether it would fit a row of the file, or is hardly ever a name."""
    with suppress(ValueError):
        return -1 <= float(header) <= 5
    return header.casefold().startswith("http") or "@" in header[1:]


def test_a_forms_question_may_be_the_name_of_a_column(tmp_path: Path) -> None:
    question = "What do you think of our service?"
    data = table(tmp_path / "t.csv", [{question: text} for text in TEXTS])
    config, _ = written(data, labels=("a", "b"), text=question)
    assert config.pool.text == question


def test_the_command_says_what_comes_next_and_asks_nobody_in_a_pipe(tmp_path: Path) -> None:
    data = tickets(tmp_path / "t.csv")
    done = CliRunner().invoke(main, ["init", str(data), "--labels", "a,b"])
    assert done.exit_code == 0, done.output
    assert f"loopd start {tmp_path / 't.yaml'}" in done.stdout
    refused = CliRunner().invoke(main, ["init", str(data), "--out", str(tmp_path / "o.yaml")])
    assert refused.exit_code == ConfigError.exit_code
    assert refused.stderr.count("\n") == 2


def test_who_sits_at_a_terminal_is_asked_what_cannot_be_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entrance, "_asker", entrance._Terminal)
    data = table(tmp_path / "t.csv", [{"one": f"w{n}", "two": f"v{n}"} for n in range(30)])
    typed = "3\n2\nonly\nspam, ham\nunwanted mail\n\n"
    done = CliRunner().invoke(main, ["init", str(data)], input=typed)
    assert done.exit_code == 0, done.output
    config = load_config(tmp_path / "t.yaml")
    assert (config.pool.text, config.task.labels) == ("two", ("spam", "ham"))
    assert "- **spam**: unwanted mail" in config.task.guidelines
    assert "Two labels at least" in done.output


def test_check_takes_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARGILLA_API_KEY", "owner.key")
    CliRunner().invoke(main, ["init", str(tickets(tmp_path / "t.csv")), "--labels", "a,b"])
    text = (tmp_path / "t.yaml").read_text().replace(":6900", ":9")
    (tmp_path / "t.yaml").write_text(f"{text}classifier: {{name: tfidf}}\n")
    done = CliRunner().invoke(main, ["check", str(tmp_path / "t.yaml")])
    errors = [line for line in done.output.splitlines() if line.startswith("error")]
    assert len(errors) == 1
    assert "127.0.0.1:9 is unreachable" in errors[0]


# -- the schema ------------------------------------------------------------------------------------


def validate(content: object) -> list[str]:
    import jsonschema

    schema = json.loads(FILE.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    return [error.message for error in validator.iter_errors(content)]


def test_the_first_line_names_the_schema_that_is_shipped(tmp_path: Path) -> None:
    written(tickets(tmp_path / "t.csv"), labels=("a", "b"))
    text = (tmp_path / "t.yaml").read_text()
    assert text.splitlines()[0] == f"# yaml-language-server: $schema={FILE.as_uri()}"
    assert FILE.is_file()
    assert validate(yaml.safe_load(text)) == []


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda p: p.name)
def test_every_configuration_of_ours_fits_the_schema(path: Path) -> None:
    assert validate(yaml.safe_load(path.read_text())) == []


@pytest.mark.parametrize(
    "change",
    [{"quue": {}}, {"queue": {"bach_size": 3}}, {"queue": {"batch_size": 0}}, {"task": {}}],
)
def test_the_schema_refuses_what_the_configuration_refuses(change: dict[str, Any]) -> None:
    content = {"task": {"labels": ["a", "b"]}, "pool": {"path": "p.csv"}}
    assert validate(content) == []
    assert validate(content | change)


def test_the_folder_in_which_one_is_has_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "saved"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert InitOptions(Path()).config == tmp_path / "saved.yaml"


def test_nothing_is_left_of_a_file_that_was_not_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_text: str) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.yaml"
    opened = Path.open

    def narrow(self: Path, *words: Any, **more: Any) -> Any:
        file = opened(self, *words, **more)
        if self == path:
            monkeypatch.setattr(file, "write", full, raising=False)
        return file

    monkeypatch.setattr(Path, "open", narrow)
    with pytest.raises(LoopdError, match="cannot write"):
        _write_new(path, "task:")
    assert not path.exists()
