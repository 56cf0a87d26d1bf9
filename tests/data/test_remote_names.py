"""What files at a URL are called here: what a local pool would read of them is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from loopd.config import PoolSection
from loopd.data.pool_files import is_finished_name, pool_files
from loopd.data.reading import read_pool
from loopd.data.remote_files import RemoteFiles, brought_here, fetch_changed, remote_looks
from loopd.data.remote_names import LONGEST_NAME, local_names
from loopd.errors import DataError

ROWS = "text\nfirst\nsecond\n"


def here_as_there(folder: Path, pattern: str) -> tuple[list[str], list[str]]:
    """The texts that a local pool has, and one at a URL."""
    pools = []
    for section in (
        PoolSection(path=folder / pattern),
        PoolSection(url=f"file://{folder}/{pattern}"),
    ):
        with brought_here(section) as here:
            pool, _ = read_pool(here, labels=None)
            pools.append(sorted(pool.texts))
    return pools[0], pools[1]


@pytest.mark.parametrize(
    "names",
    [
        ("_arch/x.csv", ".old/x.csv", "~tmp/x.csv", "plain/x.csv"),
        ("a/b.csv", "a/_c.csv", "a/d.csv.part", "a/.e.csv"),
        ("a/state.json", "b/dataset_info.json"),
    ],
)
def test_a_pattern_reads_what_it_reads_on_a_local_disk(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    for name in names:
        path = tmp_path / "there" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        row = f'{{"text": "{name}"}}\n'
        path.write_text(row if name.endswith("json") else f"text\n{name}\n")
    here, there = here_as_there(tmp_path / "there", "*/*.*")
    assert here == there
    assert there


@pytest.mark.parametrize("name", ["_named.csv", ".named.csv", "state.json"])
def test_a_file_that_is_named_is_read(name: str, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / name).write_text('{"text": "one"}\n' if name.endswith("json") else "text\none\n")
    assert here_as_there(there, name) == (["one"], ["one"])


def test_signs_of_a_saved_folder_do_not_stop_the_files_beside_them(tmp_path: Path) -> None:
    for name in ("state.json", "dataset_info.json", "dataset_dict.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "a.csv").write_text(ROWS)
    with brought_here(PoolSection(url=f"file://{tmp_path}/")) as here:
        assert here.path is not None
        assert [path.name for path in pool_files(here.path)] == ["a.csv"]


@pytest.mark.parametrize("names", [("export",), ("export", "a.csv")])
def test_a_name_that_tells_no_format_is_an_error_at_first(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    for name in names:
        (tmp_path / name).write_text(ROWS)
    url = f"file://{tmp_path}/{'export' if len(names) == 1 else '*'}"
    with (
        pytest.raises(DataError, match="export: cannot tell the format from the name"),
        brought_here(PoolSection(url=url)),
    ):
        pass


def test_later_it_is_left_out_and_said_once(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    for name in ("export", "a.csv"):
        (there / name).write_text(ROWS)
    with capture_logs() as lines:
        for _ in range(3):
            fetch_changed(f"file://{there}/*", tmp_path / "here", {})
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["a.csv"]
    assert [line["file"] for line in lines if line["event"] == "file_left_out"] == ["export"]
    assert set(remote_looks(f"file://{there}/*")) == {Path("a.csv")}


def test_names_without_a_file_in_a_web_address_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class Index:
        def invalidate_cache(self) -> None: ...

        def ls(self, _: str, detail: bool) -> list[dict[str, Any]]:
            names = ["http://h/", "http://h/?C=N;O=D", "http://h/./", "http://h/a.csv"]
            return [
                {"name": name, "size": 1, "type": "directory" if name.endswith("/") else "file"}
                for name in names
            ]

    monkeypatch.setattr("fsspec.core.url_to_fs", lambda url, **_: (Index(), url))
    for url in ("http://h/", "http://h/*", "http://h/**"):
        assert [file.name for file in RemoteFiles(url).listed()] == ["a.csv"]


@pytest.mark.parametrize("length", [60, 120, 300])
def test_long_names_of_any_script_can_be_written(length: int, tmp_path: Path) -> None:
    paths = [f"b/{letter}{'票' * length}.csv.gz" for letter in "ab"]
    names = local_names({path: path[2:] for path in paths})
    for name in names.values():
        (tmp_path / f".{name}.part").touch()
        assert name.endswith("票.csv.gz")
    assert len(set(names.values())) == 2


def test_names_that_are_no_text(tmp_path: Path) -> None:
    odd = [f"{chr(code)}.csv" for code in (0xDCFF, 0xD800)]
    names = local_names({f"b/{name}": name for name in odd})
    for name in names.values():
        (tmp_path / name).touch()
    assert len(set(names.values())) == 2


@given(
    paths=st.sets(
        st.text(st.sampled_from("ab._~%/票 ?#\udcff\0"), min_size=1, max_size=12), max_size=6
    ),
    root=st.sampled_from(["bucket/", "http://h/"]),
)
def test_each_file_has_a_name_that_is_read(paths: set[str], root: str) -> None:
    ends = {f"{path.strip('/')}x.csv" for path in paths} - {""}
    names = local_names({root + path: path for path in ends})
    assert len(set(names.values())) == len(ends)
    for path, name in names.items():
        assert len(name.encode()) <= LONGEST_NAME + 9
        assert "/" not in name
        assert "\0" not in name
        if root == "bucket/" or not set(path) & {"?", "#"}:
            assert is_finished_name(name, is_listed=True)
