"""Files at a URL: which there are, which come again, and what is said where they do not come."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from loopd.config import PoolSection
from loopd.data.reading import read_pool
from loopd.data.remote_files import (
    RemoteFiles,
    brought_here,
    fetch_changed,
    hub_name,
    remote_looks,
)
from loopd.errors import DataError
from tests.data.web_folder import WebFolder

NAMES = ("a.csv", "b.jsonl", "c d.parquet", "é.csv", "100%.tsv", "x.csv.gz", "e#1.csv")
NOT_READ = (".hidden.csv", "_SUCCESS", "half.csv.part", "half.csv.tmp", "notes.txt", "a.csv~")


@pytest.fixture(params=["file", "http"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The URL of a folder, and the folder."""
    folder = tmp_path / "there"
    folder.mkdir()
    if request.param == "file":
        yield f"file://{folder}/", folder
        return
    with WebFolder(folder).shown() as web:
        yield web.url, folder


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def names(url: str) -> list[str]:
    return [file.name for file in RemoteFiles(url).listed()]


def test_what_a_folder_a_file_and_a_pattern_stand_for(place: tuple[str, Path]) -> None:
    url, folder = place
    for name in (*NAMES, *NOT_READ):
        (folder / name).write_text(name, encoding="utf-8")
    (folder / "deeper").mkdir()
    (folder / "deeper" / "a.csv").write_text("x")
    assert names(url) == sorted(NAMES)
    assert names(f"{url}b.jsonl") == ["b.jsonl"]
    assert names(f"{url}notes.txt") == ["notes.txt"]  # it was named
    assert names(f"{url}[ab].*") == ["a.csv", "b.jsonl"]


def test_files_of_one_name_in_different_folders_are_two(tmp_path: Path) -> None:
    for day in ("01", "02"):
        (tmp_path / day).mkdir()
        (tmp_path / day / "tickets.csv").write_text(f"text\n{day}\n")
    fetch_changed(f"file://{tmp_path}/*/tickets.csv", tmp_path / "here", {})
    found = texts(tmp_path / "here")
    assert list(found.values()).count("text\n01\n") == 1
    assert len(found) == 2


class Listing:
    """A file system as a hostile server shows it."""

    def __init__(self, *paths: str) -> None:
        self.paths = paths

    def invalidate_cache(self) -> None: ...

    def ls(self, _: str, detail: bool) -> list[dict[str, Any]]:
        return [{"name": path, "size": 1, "type": "file"} for path in self.paths]

    def get_file(self, path: str, here: str) -> None:
        Path(here).write_text(path)


@pytest.mark.parametrize(
    "paths",
    [
        ["http://h/x%2F..%2F..%2Fevil.csv"],
        ["http://h/%2Fetc%2Fx.csv", "http://h/a%00b.csv"],
        ["http://h/a%20b.csv", "http://h/a b.csv", "http://h/a%2520b.csv"],
        [f"http://h/{'x' * 300}.csv", f"http://h/{'x' * 299}y.csv"],
    ],
)
def test_a_server_cannot_say_where_its_files_lie_nor_hide_one_behind_another(
    paths: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fsspec.core.url_to_fs", lambda url, **_: (Listing(*paths), url))
    here = tmp_path / "deep" / "here"
    here.parent.mkdir()
    fetch_changed("http://h/", here, {})
    assert sorted(texts(here).values()) == sorted(paths)
    assert {path.relative_to(tmp_path).parts[:2] for path in tmp_path.rglob("*.csv")} == {
        ("deep", "here")
    }


def test_a_full_disk_is_said_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Listing, "get_file", full)
    monkeypatch.setattr("fsspec.core.url_to_fs", lambda url, **_: (Listing("http://h/a.csv"), url))
    with pytest.raises(DataError, match="no room for the files at http://h/"):
        fetch_changed("http://h/", tmp_path / "here", {})


def test_only_what_changed_comes_again(place: tuple[str, Path], tmp_path: Path) -> None:
    url, folder = place
    for name in NAMES:
        (folder / name).write_text(name, encoding="utf-8")
    here = tmp_path / "here"
    fetch_changed(url, here, {})
    assert texts(here) == {name: name for name in NAMES}
    known = {path.name: look.changed for path, look in remote_looks(url).items()}
    for path in here.iterdir():
        assert path.stat().st_mtime_ns == known[path.name]
        path.unlink()
    fetch_changed(url, here, known)
    assert texts(here) == {}
    (folder / "a.csv").write_text("longer than before")
    (folder / "new.csv").write_text("new")
    fetch_changed(url, here, known)
    assert texts(here) == {"a.csv": "longer than before", "new.csv": "new"}


def test_what_is_here_already_does_not_come_again(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a.csv").write_text("x")
    with WebFolder(tmp_path / "there").shown() as web:
        for _ in range(3):
            fetch_changed(web.url, tmp_path / "here", {})
        assert web.fetched == ["a.csv"]


@given(
    steps=st.lists(
        st.dictionaries(st.sampled_from(["a.csv", "b.csv", "c.csv"]), st.text(max_size=5)),
        min_size=1,
        max_size=4,
    )
)
def test_after_each_look_what_is_new_is_here(
    steps: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    there = fsspec.filesystem("memory")
    url, here = "memory://property/", tmp_path_factory.mktemp("here")
    if there.exists("/property"):
        there.rm("/property", recursive=True)
    there.makedirs("/property")
    known: dict[str, int] = {}
    now: dict[str, str] = {}
    for step in steps:
        for name, text in step.items():
            there.pipe(f"/property/{name}", text.encode())
        now |= step
        fetch_changed(url, here, known)
        come = {path.name: path.read_bytes().decode() for path in here.iterdir()}
        assert come == step
        known |= {path.name: path.stat().st_mtime_ns for path in here.iterdir()}
        for path in here.iterdir():
            path.unlink()
    assert set(names(url)) == set(now)


def test_a_pool_is_read_from_a_url(place: tuple[str, Path]) -> None:
    url, folder = place
    (folder / "1.csv").write_text("id,text,label\n1,one,a\n2,two,b\n")
    (folder / "2.jsonl").write_text('{"id": "3", "text": "three", "label": "a"}\n')
    section = PoolSection(url=url, id="id", label="label")
    with brought_here(section) as here:
        pool, report = read_pool(here, labels=("a", "b"))
        assert here.path is not None
    assert not here.path.exists()
    assert [(record.id, record.text, record.gold) for record in pool] == [
        ("1", "one", "a"),
        ("2", "two", "b"),
        ("3", "three", "a"),
    ]
    assert report.source == "2 files from 1.csv to 2.jsonl"


# -- what goes wrong -------------------------------------------------------------------------------


def test_a_server_that_is_away_or_refuses_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x")
    with WebFolder(tmp_path).shown() as web:
        urls = (web.url, f"{web.url}a.csv", f"{web.url}*.csv")
        for web.refusal in (403, 404, 500):
            for url in urls:
                problem = problem_of(url)
                assert problem.startswith(f"cannot read {url}")
                assert str(web.refusal) in problem or problem.endswith("there is nothing")
    for url in urls:
        assert "cannot read" in problem_of(url)
        assert "onnect" in problem_of(url)


def test_a_key_in_an_address_is_not_in_what_is_said_of_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x")
    with WebFolder(tmp_path).shown() as web:
        url = f"{web.url}a.csv?signature=secret"
        assert names(url) == ["a.csv"]
        for web.refusal in (403, 404, 500):
            assert "secret" not in problem_of(url)
    assert "secret" not in problem_of(url)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nosuch://bucket/a.csv", "Protocol not known: nosuch"),
        ("file:///nowhere/a.csv", "there is nothing"),
    ],
)
def test_what_is_not_there_is_one_sentence(url: str, reason: str) -> None:
    assert problem_of(url) == f"cannot read {url}: {reason}"


def problem_of(url: str) -> str:
    with pytest.raises(DataError) as caught:
        RemoteFiles(url).listed()
    assert caught.value.hint
    assert "\n" not in caught.value.message
    return caught.value.message


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str, **__: Any) -> Any:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    with pytest.raises(DataError, match="Install s3fs to access S3") as caught:
        RemoteFiles("s3://bucket/a.csv").listed()
    assert "pip" in (caught.value.hint or "")


def test_nothing_to_read_is_an_error_where_there_must_be_something(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    section = PoolSection(url=f"file://{tmp_path}/")
    with pytest.raises(DataError, match="no file to read at file://"), brought_here(section):
        pass


def test_half_a_file_is_never_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = fsspec.filesystem("memory")
    there.pipe("/halves/a.csv", b"text\nx\n")

    def broken(_: Any, path: str, local: str, **__: Any) -> None:
        Path(local).write_bytes(b"te")
        raise OSError("the line is cut")

    with monkeypatch.context() as patch:
        patch.setattr(type(there), "get_file", broken)
        with pytest.raises(DataError, match="the line is cut"):
            fetch_changed("memory://halves/", tmp_path / "here", {})
    here = tmp_path / "here"
    assert list(here.iterdir()) == []
    fetch_changed("memory://halves/", here, {})
    assert [path.name for path in here.iterdir()] == ["a.csv"]


def test_one_source_alone() -> None:
    with pytest.raises(ValidationError, match="exactly one of"):
        PoolSection(url="s3://b/x", path=Path("x.csv"))


def test_data_sets_of_the_hub_are_known() -> None:
    assert hub_name("hf://datasets/owner/name/data/*.parquet") == "owner/name"
    assert hub_name("hf://datasets/owner/name@main/x.csv") == "owner/name"
    assert hub_name("s3://datasets/owner/name") == ""
    assert hub_name(None) == ""
