"""Code that is not ours: the user's own may fail in any way, a model's is never run."""

from __future__ import annotations

import json
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loopd.config import ClassifierSection
from loopd.errors import ModelError
from loopd.learning.classifiers.source import locate, refuse_code
from loopd.learning.dotted import resolve
from loopd.learning.foreign import calling

MODULES = {
    "raises": "raise ValueError('two\\nlines')",
    "exits": "import sys; sys.exit(0)",
    "raises_anything": "class Odd(BaseException): pass\nraise Odd('x')",
    "generator_exit": "raise GeneratorExit",
    "of_itself": "import {name}; Name = {name}.Name",
    "from_itself": "from {name} import Name",
    "in_a_circle": "from {name}_b import Name",
    "no_python": "def (",
    "deep": "x = " + "(" * 500 + ")" * 500,
    "for_ever": "def f(): f()\nf()",
    "nul": "x = '\0'",
    "no_name": "Other = 1",
    "name_that_raises": "def __getattr__(name): raise RuntimeError(name)",
    "name_that_exits": "def __getattr__(name): raise SystemExit(3)",
    "no_utf8": "# -*- coding: ascii -*-\nx = 'ä'",
}


@pytest.mark.parametrize("kind", MODULES)
def test_a_module_that_cannot_be_used_is_one_line(kind: str, tmp_path: Path) -> None:
    name = f"hostile_{kind}"
    source = MODULES[kind].replace("{name}", name)
    (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
    (tmp_path / f"{name}_b.py").write_text(f"from {name} import Name", encoding="utf-8")
    with pytest.raises(ModelError) as caught:
        resolve(f"{name}:Name", [tmp_path])
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("file", ["namesake.py", "namesake/__init__.py"])
def test_code_of_another_run_never_stands_in_for_this_one_s(file: str, tmp_path: Path) -> None:
    for run in ("one", "two"):
        (tmp_path / run / file).parent.mkdir(parents=True)
        (tmp_path / run / file).write_text(f"Name = {run!r}")
    assert [resolve("namesake:Name", [tmp_path / "one"]) for _ in range(2)] == ["one", "one"]
    with pytest.raises(ModelError, match=r"already imported another 'namesake', from .*one"):
        resolve("namesake:Name", [tmp_path / "two"])
    assert resolve("namesake:Name", [tmp_path / "elsewhere"]) == "one"  # still importable


@pytest.mark.parametrize("way", ["link to the folder", "link to the file", "relative"])
def test_the_same_code_by_another_way_is_no_namesake(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    (one / "namesake.py").write_text("Name = 'one'")
    assert resolve("namesake:Name", [one]) == "one"
    if way == "link to the folder":
        two.symlink_to(one)
    elif way == "link to the file":
        two.mkdir()
        (two / "namesake.py").symlink_to(one / "namesake.py")
    else:
        monkeypatch.chdir(tmp_path)
        two = Path("one")
    assert resolve("namesake:Name", [two]) == "one"


def test_a_relative_folder_is_remembered_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for run in ("one", "two"):
        (tmp_path / run / "code").mkdir(parents=True)
        (tmp_path / run / "code" / "namesake.py").write_text(f"Name = {run!r}")
    monkeypatch.chdir(tmp_path / "one")
    assert resolve("namesake:Name", [Path("code")]) == "one"
    monkeypatch.chdir(tmp_path / "two")
    with pytest.raises(ModelError, match="already imported another"):
        resolve("namesake:Name", [Path("code")])


def test_no_file_hides_what_is_built_in(tmp_path: Path) -> None:
    (tmp_path / "sys.py").write_text("version = 'none'")
    assert resolve("sys:version", [tmp_path]) == sys.version


def test_ctrl_c_in_foreign_code_is_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "hostile_interrupt.py").write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        resolve("hostile_interrupt:Name", [tmp_path])
    with pytest.raises(KeyboardInterrupt), calling("it"):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    "error", [SystemExit(0), BaseException("x"), MemoryError(), StopIteration()]
)
def test_foreign_code_cannot_end_us_without_a_word(error: BaseException) -> None:
    with pytest.raises(ModelError, match="the strategy failed"), calling("the strategy"):
        raise error


@pytest.mark.parametrize("path", ["a..b:C", "../x:Y", "a b:C", ":", ".", "a:", "os;x:y", "a:b:c"])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(ModelError):
        resolve(path)


class _Bomb:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return (Path.touch, (self._mark,))


@pytest.fixture(scope="module")
def packaged() -> Path:
    return Path(locate("packaged"))


def _model(folder: Path, packaged: Path, *, weights: bool) -> Path:
    """The packaged model's small files, and its weights if asked for."""
    names = ["config.json", "tokenizer.json", "tokenizer_config.json", "modules.json", "vocab.txt"]
    folder.mkdir()
    for name in [*names, *(["model.safetensors"] if weights else [])]:
        shutil.copy(packaged / name, folder / name)
    return folder


def _changed(path: Path, **values: object) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | values), encoding="utf-8")


def _load(folder: Path) -> Any:
    from loopd.learning.classifiers.backbone import Backbone

    return Backbone(ClassifierSection(model=str(folder), device="cpu"))


@pytest.mark.integration
def test_a_pickle_is_never_loaded(tmp_path: Path, packaged: Path) -> None:
    folder, mark = _model(tmp_path / "m", packaged, weights=False), tmp_path / "pwned"
    for name in ("pytorch_model.bin", "model.bin", "model.pt", "tf_model.h5", "vocab.pkl"):
        (folder / name).write_bytes(pickle.dumps(_Bomb(mark)))
    with pytest.raises(ModelError, match="cannot load the model") as caught:
        _load(folder)
    assert "\n" not in caught.value.message
    with pytest.raises(ModelError, match="in a pickle"):
        refuse_code(str(folder))
    assert not mark.exists()


CODE = "from pathlib import Path\nPath({mark!r}).touch()\nclass Model: pass\nclass Config: pass\n"


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["no-such-architecture", "bert"])
def test_code_of_a_model_is_never_run(kind: str, tmp_path: Path, packaged: Path) -> None:
    folder, mark = _model(tmp_path / "m", packaged, weights=True), tmp_path / "pwned"
    (folder / "evil.py").write_text(CODE.format(mark=str(mark)))
    names = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}
    _changed(folder / "config.json", model_type=kind, auto_map=names)
    tokenizer = {"AutoTokenizer": ["evil.Model", "evil.Model"]}
    _changed(folder / "tokenizer_config.json", auto_map=tokenizer)
    if kind == "bert":
        assert _load(folder).max_tokens == 256  # the stock classes serve
    else:
        with pytest.raises(ModelError, match="cannot load the model"):
            _load(folder)
    assert not mark.exists()


@pytest.mark.integration
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("tokenizer_config.json", {"model_max_length": "many"}),
        ("tokenizer_config.json", {"model_max_length": -5}),
        ("tokenizer_config.json", {"tokenizer_class": "os.system"}),
        ("tokenizer_config.json", {"pad_token": {"a": ["b"]}}),
        ("tokenizer.json", {"model": {"type": "Nonsense"}}),
        ("config.json", {"hidden_size": -1}),
        ("config.json", {"hidden_size": "wide"}),
        ("config.json", {"max_position_embeddings": None}),
        ("config.json", {"hidden_act": "os.system"}),
    ],
)
def test_oddities_end_in_one_line_or_are_handled(
    name: str, values: dict[str, Any], tmp_path: Path, packaged: Path
) -> None:
    folder = _model(tmp_path / "m", packaged, weights=True)
    _changed(folder / name, **values)
    try:
        found = _load(folder).tokenize(["some words", "a" * 100_000])
    except ModelError as error:
        _is_one_line(error)
    else:
        assert all(0 < len(ids) <= 256 for ids in found)


def _is_one_line(error: ModelError) -> None:
    assert "\n" not in error.message


@pytest.mark.parametrize(
    "modules",
    ["[{", "{}", "[1]", '[{"type": 3}]', '[{"type": "evil.Model", "path": ""}]', '[{"path": ""}]'],
)
def test_modules_of_a_sentence_transformer_must_be_its_own(modules: str, tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text(modules)
    if modules == "{}":
        refuse_code(str(tmp_path))
        return
    with pytest.raises(ModelError):
        refuse_code(str(tmp_path))


def test_the_packaged_model_is_taken() -> None:
    refuse_code("packaged")
