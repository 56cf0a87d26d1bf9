"""What loopd's own source must never do, whoever changes it next."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "loopd"

NEVER_IMPORTED = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
NEVER_CALLED = {"eval", "exec", "compile", "os.system", "os.popen", "torch.load", "torch.save"}
UNPICKLES = ("np.load", "numpy.load")
LOADS_MODELS = ("from_pretrained", "SentenceTransformer")


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Every call with the name of what is called."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def is_false(call: ast.Call, name: str) -> bool:
    return any(
        each.arg == name and isinstance(each.value, ast.Constant) and each.value.value is False
        for each in call.keywords
    )


def sins(path: Path) -> list[str]:
    """What a module does that it must not."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        found += [f"imports {name}" for name in names if name.split(".")[0] in NEVER_IMPORTED]
    for name, call in calls(path):
        if name in NEVER_CALLED or any(each.arg == "shell" for each in call.keywords):
            found.append(f"calls {name}")
        if name in UNPICKLES and not is_false(call, "allow_pickle"):
            found.append(f"{name} without allow_pickle=False")
        if name.endswith(LOADS_MODELS) and not is_false(call, "trust_remote_code"):
            found.append(f"{name} without trust_remote_code=False")
    return found


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_no_module_loads_pickles_or_runs_texts(path: Path) -> None:
    assert not sins(path)


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from dill import load",
        "eval('1')",
        "np.load(x)",
        "np.load(x, allow_pickle=True)",
        "subprocess.run('x', shell=True)",
        "transformers.AutoModel.from_pretrained(x)",
        "torch.load(x)",
    ],
)
def test_a_planted_sin_is_noticed(line: str, tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(line)
    assert sins(tmp_path / "planted.py")
