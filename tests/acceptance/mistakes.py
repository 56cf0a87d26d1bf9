"""The usual mistakes of a first user, and what they are told."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import ModuleType

import openpyxl

from loopd.events import RunStarted
from loopd.storage.journal import Journal
from tests.acceptance.scene import CHECK, CONFIG, RUN, Change, Scene

CLOSED = 9
"""A port at which nobody listens: that of a service nobody runs any more."""


@dataclass(frozen=True)
class Mistake:
    """What somebody does, and what they are told.

    Attributes:
        name: of the mistake.
        change: makes it, in a scene that is right; a dict sets keys of the configuration.
        code: with which the command ends.
        says: words of the sentence.
        hint: words of the hint.
        command: that is used.
    """

    name: str
    change: Change | dict[str, object]
    code: int
    says: str
    hint: str
    command: tuple[str, ...] = CHECK

    def make(self, scene: Scene) -> None:
        scene.command = self.command
        if isinstance(self.change, dict):
            for key, value in self.change.items():
                scene.set(key, value)
        else:
            self.change(scene)


def file(name: str, content: str | bytes) -> Change:
    """Somebody's file of that name."""
    return lambda scene: void(scene.write(name, content))


def pool(name: str, content: str | bytes) -> Change:
    """The same, and it is the pool."""

    def change(scene: Scene) -> None:
        scene.write(name, content)
        scene.set("pool.path", name)

    return change


def written(text: str | bytes) -> Change:
    """A configuration that reads so."""

    def change(scene: Scene) -> None:
        scene.text = text

    return change


def keyed(value: str | None, **argilla: object) -> Change:
    """An API key in the variable, and other settings of where it is."""

    def change(scene: Scene) -> None:
        scene.env["ARGILLA_API_KEY"] = value
        for name, setting in argilla.items():
            scene.set(f"argilla.{name}", setting)

    return change


def key_file(content: str | bytes, **_: object) -> Change:
    def change(scene: Scene) -> None:
        scene.write("key.txt", content)
        keyed(None, api_key_file="key.txt")(scene)

    return change


def void(_: object) -> None:
    """Nothing, where something comes back that nobody wants."""


NOTHING: Change = void
"""The mistake is in the command alone."""


def workbook(scene: Scene) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["id", "text", "label"], [1, "an apple", "fruit"], [2, "a hammer", "tool"]):
        sheet.append(row)
    book.save(scene.folder / "pool.xlsx")
    scene.set("pool.path", "pool.xlsx")


def missing_sheet(scene: Scene) -> None:
    workbook(scene)
    scene.set("pool.split", "Tabelle2")


def without_openpyxl(scene: Scene) -> None:
    workbook(scene)
    hide(scene, "openpyxl")


def hide(scene: Scene, *names: str) -> None:
    """Packages that are not installed; back again when the scene is over."""
    for name in names:
        HIDDEN.setdefault(name, sys.modules.get(name))
        sys.modules[name] = None  # type: ignore[assignment] # as import itself does it


HIDDEN: dict[str, ModuleType | None] = {}


def https(scene: Scene) -> None:
    scene.set("argilla.url", scene.url.replace("http://", "https://"))


def page_of_argilla(scene: Scene) -> None:
    scene.set("argilla.url", f"{scene.url}/datasets")


def overlapping(scene: Scene) -> None:
    scene.write("test.csv", (scene.folder / "pool.csv").read_bytes())


def below_a_file(scene: Scene) -> None:
    scene.write("runs", "a file")
    scene.set("run.dir", "runs/first")


def another_configuration(scene: Scene) -> None:
    """A run folder of other labels: somebody copied the configuration, and not the name."""
    begun(scene)
    scene.set("task.labels", ["fruit", "tool", "animal"])


def begun(scene: Scene) -> None:
    folder = scene.folder / "run"
    folder.mkdir()
    with Journal(folder / "journal.sqlite") as journal:
        journal.append(
            RunStarted(
                at=1.0,
                config_digest="0" * 12,
                seed=42,
                labels=("fruit", "tool"),
                pool_fingerprint="0",
                test_fingerprint="0",
                dataset_id="0",
                versions={},
            )
        )


CYRILLIC = "id,text,label\n" + "".join(f"{n},Добрый день номер {n},fruit\n" for n in range(50))
GERMAN = "id,text,label\n" + "".join(f"{n},Grüße {n},fruit\n" for n in range(50))
OTHERS = "id,text,label\n" + "".join(f"{n},some text {n},Fruit\n" for n in range(50))
TEXTS = "id,text\n" + "".join(f"{n},how are you today number {n}\n" for n in range(9))
HEAD = "task: {labels: [a, b]}\npool: {path: pool.csv}\n"

TABLE: tuple[Mistake, ...] = (
    # -- the table of texts
    Mistake("wrong column", {"pool.text": "body"}, 11, "no column 'body'; it has 'id'", "'body'"),
    Mistake("nearly a column", {"pool.text": "txt"}, 11, "no column 'txt'", "did you mean 'text'?"),
    Mistake("wrong id column", {"pool.id": "nr"}, 11, "no column 'nr'", "'nr'"),
    Mistake("wrong label column", {"test.label": "gold"}, 11, "test.csv has no column", "'gold'"),
    Mistake("wrong path", {"pool.path": "pol.csv"}, 11, "no file", "did you mean pool.csv?", RUN),
    Mistake("path in a folder that is not", {"pool.path": "in/p.csv"}, 11, "no file", "the folder"),
    Mistake("a folder without data", {"pool.path": "/proc/self"}, 11, "is a folder", "name a", RUN),
    Mistake(
        "an empty file", file("pool.csv", ""), 11, "pool.csv is empty", "name the columns", RUN
    ),
    Mistake(
        "a header alone", file("pool.csv", "id,text,label\n"), 11, "no usable row", "complete?"
    ),
    Mistake(
        "another encoding",
        file("pool.csv", CYRILLIC.encode("cp1251")),
        11,
        "not UTF-8",
        "set `pool.encoding`",
    ),
    Mistake(
        "an encoding that is none",
        {"pool.encoding": "utf9"},
        10,
        "encoding 'utf9'",
        "my.yaml, line",
    ),
    Mistake(
        "a binary file",
        file("pool.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9),
        11,
        "is no text",
        "name the table itself",
        RUN,
    ),
    Mistake("a PDF", pool("pool.pdf", b"%PDF-1.4 ..."), 11, "cannot tell the format", "use .csv"),
    Mistake(
        "an old workbook",
        pool("p.xls", bytes.fromhex("d0cf11e0a1b11ae1") * 9),
        11,
        "Excel workbook of an old kind",
        "save it as .xlsx",
    ),
    Mistake(
        "a sheet that is not there", missing_sheet, 11, "no sheet 'Tabelle2'; it has", "`split`"
    ),
    Mistake(
        "half a Parquet file",
        pool("p.parquet", b"PAR1xxxx"),
        11,
        "not a readable Parquet file",
        "complete?",
    ),
    Mistake("a workbook without its package", without_openpyxl, 11, "openpyxl", "xlsx"),
    Mistake(
        "the same texts in the test set",
        overlapping,
        0,
        "40 pool texts are also in the test",
        "remove them",
    ),
    # -- labels
    Mistake(
        "no labels", {"task.labels": []}, 10, "task.labels must be a list of 1 or more", "line"
    ),
    Mistake(
        "labels in one text",
        {"task.labels": "fruit, tool"},
        10,
        "a list of 1 or more texts",
        "my.yaml, line",
    ),
    Mistake(
        "a label twice", {"task.labels": ["tool", "tool"]}, 10, "listed twice", "my.yaml, line"
    ),
    Mistake("one label", {"task.labels": ["tool"]}, 10, "list at least two", "my.yaml, line"),
    Mistake(
        "yes and no", {"task.labels": [True, False]}, 10, "write it in quotes", "my.yaml, line"
    ),
    Mistake(
        "labels that are not in the column",
        {"task.labels": ["apple", "hammer"], "pool.label": None},
        11,
        "not in task.labels: 'fruit', 'tool'",
        "task.labels has 'apple'",
    ),
    Mistake(
        "labels in another case",
        {"task.labels": ["Fruit", "Tool"], "pool.label": None},
        11,
        "not in task.labels",
        "did you mean 'Fruit'?",
    ),
    Mistake(
        "answers in another case",
        file("pool.csv", OTHERS),
        11,
        "unknown label 'Fruit'",
        "`task.labels`",
    ),
    # -- the configuration
    Mistake(
        "tabs", written("task:\n\tlabels: [a, b]\n"), 10, "line 2: it begins with a tab", "spaces"
    ),
    Mistake(
        "a key twice",
        written(f"{HEAD}task: {{labels: [c]}}\n"),
        10,
        "line 3: the key 'task'",
        "line 1 has it",
    ),
    Mistake("a list", written("- task\n- pool\n"), 10, "is no configuration", "loopd init"),
    Mistake("nothing but comments", written("# to do\n"), 10, "is no configuration", "loopd init"),
    Mistake(
        "a list that is not closed",
        written("task: {labels: [a, b}\n"),
        10,
        "line 1: the list",
        "close it with ]",
    ),
    Mistake(
        "a colon in a text",
        written(f"{HEAD}log: level: info\n"),
        10,
        "line 3: a colon",
        "in quotes",
    ),
    Mistake(
        "no space behind the colon",
        written("task:\n  labels:[a]\npool: {path: x}\n"),
        10,
        "task must be a section",
        "line 1",
    ),
    Mistake(
        "an unknown key",
        {"queue.bach_size": 3},
        10,
        "unknown key `queue.bach_size` (did you mean `batch_size`?)",
        "my.yaml, line",
    ),
    Mistake(
        "a key in the wrong section",
        {"pool.labels": ["a"]},
        10,
        "unknown key `pool.labels`",
        "line",
    ),
    Mistake(
        "a word for a number",
        {"queue.batch_size": "many"},
        10,
        "queue.batch_size must be a whole number from 1 to 500, and not 'many'",
        "my.yaml, line",
    ),
    Mistake("a negative number", {"queue.batch_size": -1}, 10, "from 1 to 500, and not -1", "line"),
    Mistake("nought", {"stopping.max_rounds": 0}, 10, "of at least 1 or empty, and not 0", "line"),
    Mistake("per cent", {"stopping.target_accuracy": 90}, 10, "of at most 1", "my.yaml, line"),
    Mistake("a section that is a number", {"queue": 20}, 10, "queue must be a section", "line"),
    Mistake(
        "another kind of task",
        {"task.type": "singel_label"},
        10,
        "did you mean single_label?",
        "line",
    ),
    Mistake(
        "the data as configuration",
        NOTHING,
        10,
        "is no configuration",
        "loopd init",
        ("check", "{folder}/pool.csv"),
    ),
    Mistake(
        "a configuration that is not there",
        NOTHING,
        10,
        "no configuration file",
        "loopd init",
        ("run", "your.yaml"),
    ),
    # -- the key
    Mistake("no key", keyed(None), 10, "ARGILLA_API_KEY is unset", "argilla.api_key_file", RUN),
    Mistake("a blank key", keyed("  \n"), 10, "ARGILLA_API_KEY is unset", "My settings", RUN),
    Mistake("a wrong key", keyed("owner.wrong"), 20, "refuses the API key", "My settings", RUN),
    Mistake(
        "a key over two lines", keyed("abc\ndef"), 20, "refuses the API key", "My settings", RUN
    ),
    Mistake(
        "a key file that is not there",
        keyed(None, api_key_file="k.txt"),
        10,
        "argilla.api_key_file",
        "correct the path",
        RUN,
    ),
    Mistake(
        "a key file that cannot be read",
        keyed(None, api_key_file="/proc/self/mem"),
        10,
        "argilla.api_key_file",
        "correct the path",
        RUN,
    ),
    Mistake("an empty key file", key_file("\n"), 10, "it is empty", "My settings", RUN),
    Mistake(
        "the key in the configuration",
        {"argilla.api_key": "x.y"},
        10,
        "unknown key `argilla.api_key`",
        "export ARGILLA_API_KEY",
    ),
    # -- the address
    Mistake(
        "no scheme",
        {"argilla.url": "localhost:6900"},
        10,
        "argilla.url: must start with http://",
        "line",
    ),
    Mistake(
        "no port",
        {"argilla.url": "http://localhost:port"},
        10,
        "argilla.url: its port must be",
        "line",
    ),
    Mistake(
        "the API's address",
        {"argilla.url": "http://127.0.0.1:6900/api/v1"},
        10,
        "the address alone, without a page: http://127.0.0.1:6900",
        "line",
    ),
    Mistake("a page of Argilla", page_of_argilla, 10, "the address alone", "my.yaml, line"),
    Mistake(
        "a closed port",
        {"argilla.url": f"http://127.0.0.1:{CLOSED}"},
        24,
        "unreachable (connection refused)",
        "argilla.url",
    ),
    Mistake(
        "an unknown host",
        {"argilla.url": "http://argilla.invalid:6900"},
        24,
        "is unreachable",
        "argilla.url",
    ),
    Mistake("https on a port of http", https, 22, "no secure connection", "begin with http://"),
    Mistake(
        "no such workspace",
        {"argilla.workspace": "suport"},
        21,
        "no workspace `suport`",
        "argilla.workspace",
        RUN,
    ),
    # -- the model
    Mistake(
        "a model that nobody has",
        {"classifier.name": "frozen-head", "classifier.model": "no/such-model"},
        12,
        "cannot load the model 'no/such-model': it is no folder here",
        "`packaged`",
    ),
    Mistake(
        "a classifier that is none",
        {"classifier.name": "transfomer"},
        12,
        "did you mean `transformer`?",
        "frozen-head",
        RUN,
    ),
    Mistake(
        "a strategy that is none",
        {"strategy.name": "braking_ties"},
        12,
        "did you mean `breaking_ties`?",
        "known:",
        RUN,
    ),
    Mistake(
        "a GPU that is not there",
        {"classifier.name": "frozen-head", "classifier.device": "gpu"},
        12,
        "device 'gpu' cannot be used: it is none of",
        "try device: auto",
    ),
    # -- the run
    Mistake(
        "a folder of another configuration",
        another_configuration,
        13,
        "the labels and the pool",
        "run.dir",
        RUN,
    ),
    Mistake(
        "a file where the folder should be",
        {"run.dir": "pool.csv"},
        16,
        "a file is in its place",
        "run.dir",
        RUN,
    ),
    Mistake("a folder below a file", below_a_file, 16, "a file is in its place", "run.dir", RUN),
    Mistake(
        "a folder that cannot be made",
        {"run.dir": "/proc/loopd/run"},
        16,
        "cannot open",
        "run.dir",
        RUN,
    ),
    Mistake(
        "a variable that is unset",
        {"run.dir": "$NOWHERE/run"},
        10,
        "$NOWHERE/run names a variable",
        "export it",
    ),
    Mistake(
        "more answers than people",
        {"queue.min_submitted": 30},
        0,
        "a record needs 30 answers",
        "loopd users add",
    ),
    Mistake("no run yet", NOTHING, 13, "no run in", "loopd run", ("status", CONFIG)),
    Mistake("nothing to export yet", NOTHING, 13, "no run in", "loopd run", ("export", CONFIG)),
    Mistake(
        "nothing to predict with yet",
        NOTHING,
        13,
        "no run in",
        "loopd run",
        ("predict", CONFIG, "--out", "out.csv"),
    ),
    Mistake(
        "no dataset to recover from",
        NOTHING,
        21,
        "there is no dataset",
        "argilla.dataset",
        ("recover", CONFIG),
    ),
    # -- the command line
    Mistake(
        "a wrong word",
        NOTHING,
        2,
        "no such command 'chekc' (did you mean `check`?)",
        "loopd --help",
        ("chekc", CONFIG),
    ),
    Mistake("no configuration", NOTHING, 2, "missing argument 'CONFIG'", "loopd init", ("run",)),
    Mistake(
        "a folder for a configuration",
        NOTHING,
        2,
        "is a directory",
        "loopd init",
        ("run", "{folder}"),
    ),
    Mistake(
        "an option that is none",
        NOTHING,
        2,
        "no such option '--stya'",
        "loopd run --help",
        ("run", CONFIG, "--stya"),
    ),
    Mistake(
        "no file to write",
        NOTHING,
        2,
        "missing option '--out'",
        "loopd predict --help",
        ("predict", CONFIG),
    ),
    Mistake(
        "a file that nobody can write",
        begun,
        10,
        "out.docx: cannot tell",
        ".csv",
        ("predict", CONFIG, "--out", "out.docx"),
    ),
    Mistake(
        "init of a folder", NOTHING, 11, "is a folder", "name a file in it", ("init", "{folder}")
    ),
    Mistake(
        "init without labels",
        file("t.csv", TEXTS),
        10,
        "nobody knows what to ask",
        "--labels",
        ("init", "t.csv"),
    ),
    Mistake(
        "init with one label",
        file("t.csv", TEXTS),
        10,
        "list at least two",
        "--labels",
        ("init", "t.csv", "--labels", "a"),
    ),
    Mistake(
        "init with another column",
        NOTHING,
        10,
        "no column 'body'",
        "name one of them",
        ("init", "pool.csv", "--text", "body", "--out", "o.yaml"),
    ),
    Mistake(
        "init twice",
        file("pool.yaml", ""),
        10,
        "nothing is overwritten",
        "--out",
        ("init", "pool.csv"),
    ),
    Mistake(
        "start without labels",
        file("t.csv", TEXTS),
        10,
        "nobody knows what to ask",
        "--labels",
        ("start", "t.csv", "--no-browser"),
    ),
    Mistake(
        "start of a missing file",
        NOTHING,
        11,
        "no file",
        "did you mean pool.csv?",
        ("start", "pol.csv"),
    ),
    Mistake(
        "serve for everybody",
        NOTHING,
        23,
        "other machines",
        "--allow-remote",
        ("serve", "--host", "0.0.0.0"),  # noqa: S104
    ),
    Mistake(
        "users at no address",
        NOTHING,
        10,
        "--url: must start with http://",
        "--url http://",
        ("users", "list", "--url", "localhost:1"),
    ),
    Mistake(
        "somebody unknown",
        NOTHING,
        10,
        "no account is named nobody",
        "loopd users list",
        ("users", "remove", "nobody", "--yes", "--config", CONFIG),
    ),
)
