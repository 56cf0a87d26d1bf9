"""The configuration: spelling help, one line for each problem, digests, paths, keys."""

from pathlib import Path

import pytest

from loopd.config import ArgillaSection, Config
from loopd.config_file import load_config, parse_config
from loopd.credentials import api_key
from loopd.errors import ConfigError

MINIMAL = {"task": {"labels": ["a", "b"]}, "pool": {"path": "pool.csv"}}


def _load(tmp_path: Path, text: str) -> Config:
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
    return load_config(tmp_path / "c.yaml")


def test_the_minimal_file_is_enough(tmp_path: Path) -> None:
    config = _load(tmp_path, "task: {labels: [a, b]}\npool: {path: data/pool.csv}\n")
    assert config.pool.path == tmp_path / "data/pool.csv"
    assert config.run.dir == tmp_path / "runs/default"
    assert config.queue.first_size == config.queue.batch_size == 20


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"quue": {}}, "did you mean `queue`?"),
        ({"queue": {"bach_size": 3}}, "did you mean `batch_size`?"),
        ({"stopping": {"criteria": [{"name": "kappa_average", "stopp": True}]}}, "`stop`?"),
        ({"queue": {"batch_size": "many"}}, "queue.batch_size"),
        ({"queue": {"batch_size": 0}}, "queue.batch_size"),
        ({"queue": {"batch_size": 5, "low_watermark": 5}}, "smaller than"),
        (
            {"strategy": {"name": "activelab"}, "queue": {"min_submitted": 3}},
            "relabel.max_annotations (5) leaves no room for a second opinion",
        ),
        (
            {
                "strategy": {"name": "activelab"},
                "queue": {"min_submitted": 6},
                "pool": {"path": "pool.csv", "answers": "answers"},
            },
            "relabel.max_annotations (5) leaves no room for a second opinion",
        ),
        ({"task": {"labels": ["a", "a"]}}, "listed twice"),
        ({"task": {"labels": ["a", " a\u00a0"]}}, "the labels 'a' and ' a\\xa0' are one"),
        ({"task": {"labels": ["\u00e9", "e\u0301"]}}, "the labels '\\xe9' and 'e\\u0301' are one"),
        ({"task": {"labels": ["a", "\u200b"]}}, "a label is empty"),
        (
            {"task": {"type": "multi_label", "labels": ["a", "b"], "none_label": "b "}},
            "the name is already a label",
        ),
        ({"pool": {"path": "p.csv", "encoding": "rot13"}}, "no encoding 'rot13'"),
        ({"pool": {"path": "p.csv", "tolerate": 1.5}}, "pool.tolerate"),
        ({"task": {"labels": ["a"]}}, "task.labels"),
        ({"task": {"type": "multi_label", "labels": ["a"]}}, "2 options at least"),
        ({"task": {"labels": ["a", " "]}}, "empty"),
        ({"task": {"labels": ["yes", True]}}, "write it in quotes"),
        ({"task": {}}, "`task.labels` is missing"),
        ({"pool": {"path": "x", "hub": "y"}}, "exactly one"),
        ({"pool": {}}, "exactly one"),
        ({"test": {"path": "x"}}, "column of its labels"),
        (
            {"stopping": {"target_accuracy": 0.9}, "audit": {"random_share": 0, "folds": 0}},
            "needs an accuracy: a `test` set, or audit.random_share or audit.folds above 0",
        ),
        ({"audit": {"folds": 1}}, "take 0 or at least 2"),
        ({"stopping": {"criteria": [{"name": "kappa"}]}}, "criteria.0.name"),
        ({"argilla": {"url": "localhost"}}, "http://"),
        ({"argilla": {"dataset": "a\nb"}}, "argilla.dataset"),
        ({"run": {"seed": -1}}, "run.seed"),
        ({"consensus": {"strategy": "vote"}}, "consensus.strategy"),
        ({"relabel": {"max_annotations": 1}}, "relabel.max_annotations"),
        (
            {
                "task": {"type": "multi_label", "labels": ["a", "b"]},
                "strategy": {"name": "activelab"},
            },
            "strategy.name: activelab needs a single_label task, not multi_label",
        ),
        (
            {
                "task": {"type": "multi_label", "labels": ["a", "b"]},
                "consensus": {"strategy": "crowdlab"},
            },
            "consensus.strategy: crowdlab needs a single_label task, not multi_label",
        ),
        (
            {"task": {"type": "spans", "labels": ["a"]}, "consensus": {"strategy": "dawid_skene"}},
            "dawid_skene needs a single_label or multi_label task, not spans",
        ),
    ],
)
def test_problems_are_named_in_one_line(change: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({**MINIMAL, **change}, Path())
    assert words in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "text",
    ["[1, 2", "just text", "", "a: !!python/object/apply:os.system ['true']", "a: \x00", "- 1\n"],
)
def test_files_that_are_no_configuration_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        _load(tmp_path, text)


def test_a_missing_file_and_other_encodings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no configuration file"):
        load_config(tmp_path / "absent.yaml")
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(tmp_path / "c.yaml")


def test_the_digest_follows_what_shapes_the_results() -> None:
    def digest(**sections: object) -> str:
        return parse_config({**MINIMAL, **sections}, Path()).digest()

    same = digest()
    assert digest(argilla={"url": "http://elsewhere:1"}, log={"level": "debug"}) == same
    assert digest(run={"dir": "elsewhere"}, pool={"path": "moved.csv"}) == same
    assert digest(dashboard={"enabled": False, "port": 0}) == same
    assert digest(pool={"path": "p", "encoding": "cp1252", "tolerate": 0.5}) == same
    assert same == "fbe4e50ab6f9"  # of all versions so far
    assert digest(run={"seed": 7}) != same
    assert digest(queue={"batch_size": 7}) != same


IN_ARGILLA = {"argilla": {"workspace": "support", "dataset": "tickets"}, "text": "body"}


def test_a_pool_in_argilla_says_where_the_loop_works() -> None:
    config = parse_config({**MINIMAL, "pool": IN_ARGILLA}, Path())
    assert (config.argilla.workspace, config.argilla.dataset) == ("support", "tickets")
    assert config.task.field == "body"
    moved = {**IN_ARGILLA, "argilla": {"dataset": "copies"}}
    again = parse_config({**MINIMAL, "pool": moved, "argilla": {"workspace": "here"}}, Path())
    assert (again.argilla.workspace, again.argilla.dataset) == ("here", "copies")
    assert again.digest() == config.digest()
    assert Config.model_validate(config.model_dump()).model_dump() == config.model_dump()


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"argilla": {"dataset": "other"}}, "argilla.dataset is not pool.argilla.dataset"),
        ({"argilla": {"workspace": "other"}}, "argilla.workspace is not pool.argilla.workspace"),
        ({"task": {"labels": ["a", "b"], "field": "text"}}, "task.field is not pool.text"),
        (
            {"pool": {**IN_ARGILLA, "path": "p.csv"}},
            "exactly one of `path`, `hub`, `url` and `argilla`",
        ),
        ({"pool": {**IN_ARGILLA, "id": "id"}}, "id: a pool in Argilla has none"),
        ({"pool": {**IN_ARGILLA, "answers": "label"}}, "answers: a pool in Argilla has none"),
        ({"pool": {**IN_ARGILLA, "label": ["a", "b"]}}, "label: in Argilla it is one name"),
        ({"pool": {"argilla": {}}}, "`pool.argilla.dataset` is missing"),
        ({"pool": {"argilla": {"dataset": "x", "datset": "y"}}}, "did you mean `dataset`?"),
        ({"pool": {"argilla": 3}}, "pool.argilla"),
        ({"argilla": 3}, "argilla"),
        ({"test": {"argilla": {"dataset": "x"}, "label": "l"}}, "unknown key `test.argilla`"),
    ],
)
def test_what_contradicts_a_pool_in_argilla_is_refused(
    sections: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({**MINIMAL, "pool": IN_ARGILLA, **sections}, Path())
    assert words in str(caught.value)


def test_the_key_comes_from_the_environment_then_from_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("from-file\nsecond line\n")
    section = ArgillaSection(api_key_env="TEST_LOOPD_KEY", api_key_file=tmp_path / "key")
    monkeypatch.delenv("TEST_LOOPD_KEY", raising=False)
    assert api_key(section) == "from-file"
    monkeypatch.setenv("TEST_LOOPD_KEY", " from-env ")
    assert api_key(section) == "from-env"
    with pytest.raises(ConfigError, match="TEST_OTHER"):
        api_key(ArgillaSection(api_key_env="TEST_OTHER"))
    with pytest.raises(ConfigError, match="api_key_file"):
        api_key(ArgillaSection(api_key_env="TEST_OTHER", api_key_file=tmp_path / "absent"))
