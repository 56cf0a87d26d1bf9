"""Files at a URL that come in part, slowly, one and not the other, or are taken away meanwhile."""

from __future__ import annotations

import os
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import aiohttp
import fsspec
import pytest
from aiohttp import client as aiohttp_client
from fsspec.implementations.http import HTTPFileSystem
from fsspec.implementations.local import LocalFileSystem

from loopd.config import PoolSection
from loopd.data import remote_systems
from loopd.data.remote_files import RemoteFiles, brought_here, fetch_changed, remote_looks
from loopd.data.remote_systems import RESERVE
from loopd.errors import DataError
from tests.data.odd_web import OddFile, OddWeb

ROWS = b"text\n" + b"a text of some length\n" * 50

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path / "here"


def come(here: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in here.iterdir()}


# -- what an earlier attempt has left --------------------------------------------------------------


def test_what_is_no_more_listed_goes(tmp_path: Path, here: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    for name in ("a.csv", "b.csv"):
        (there / name).write_bytes(ROWS)
    section = PoolSection(url=f"file://{there}/")
    with brought_here(section, here):
        assert set(come(here)) == {"a.csv", "b.csv"}
    (there / "b.csv").unlink()
    (here / ".c.csv.part").touch()
    with brought_here(section, here):
        assert set(come(here)) == {"a.csv"}
    other = section.model_copy(update={"url": f"file://{there}/d.csv"})
    (there / "d.csv").write_bytes(ROWS)
    with brought_here(other, here):
        assert set(come(here)) == {"d.csv"}


def test_what_vanishes_meanwhile_is_no_trouble(
    tmp_path: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = fsspec.filesystem("memory")
    there.pipe("/vanishing/a.csv", ROWS)
    here.mkdir()
    (here / "old.csv").touch()

    def forget(*_: Any, **__: Any) -> None:
        """Somebody empties the folder while a file comes."""
        shutil.rmtree(here)
        here.mkdir()

    with monkeypatch.context() as patch:
        patch.setattr(type(there), "get_file", forget)
        fetch_changed("memory://vanishing/", here, {})
    assert come(here) == {}
    real = Path.stat

    def gone(path: Path, **options: Any) -> os.stat_result:
        if path == here / "a.csv":
            path.unlink(missing_ok=True)
        return real(path, **options)

    (here / "a.csv").touch()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", gone)
        fetch_changed("memory://vanishing/", here, {})
    assert come(here) == {"a.csv": ROWS}


# -- files that come in part -----------------------------------------------------------------------


def test_a_part_is_not_taken_for_the_whole(here: Path) -> None:
    files = {"a.csv": OddFile(ROWS, sent=30), "b.csv": OddFile(ROWS)}
    with OddWeb(files).shown() as web:
        with pytest.raises(DataError, match=rf"only 30 of {len(ROWS):,} bytes of a.csv"):
            fetch_changed(web.url, here, {})
        assert come(here) == {"b.csv": ROWS}
        files["a.csv"].sent = None
        fetch_changed(web.url, here, {})
    assert come(here) == {"a.csv": ROWS, "b.csv": ROWS}


@pytest.mark.parametrize("tells_size", [True, False])
@pytest.mark.parametrize("body", [ROWS, b"text\nx\n"])
def test_what_a_server_packs_is_whole(body: bytes, tells_size: bool, here: Path) -> None:
    file = OddFile(body, is_packed=True, tells_size=tells_size)
    with OddWeb({"a.csv": file}).shown() as web:
        fetch_changed(web.url, here, {}, must_be=True)
    assert come(here) == {"a.csv": body}


def test_a_file_that_grows_meanwhile_comes(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = fsspec.filesystem("memory")
    there.pipe("/growing/a.csv", ROWS)
    real = type(there).get_file

    def grown(system: Any, *args: Any, **options: Any) -> None:
        there.pipe("/growing/a.csv", ROWS * 2)
        real(system, *args, **options)

    monkeypatch.setattr(type(there), "get_file", grown)
    fetch_changed("memory://growing/", here, {})
    assert come(here) == {"a.csv": ROWS * 2}


def test_a_slow_file_may_take_its_time(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    HTTPFileSystem.clear_instance_cache()
    monkeypatch.setattr(aiohttp_client, "DEFAULT_TIMEOUT", aiohttp.ClientTimeout(total=0.3))
    with OddWeb({"a.csv": OddFile(b"text\nslow\n", pause=0.08)}).shown() as web:
        fetch_changed(web.url, here, {}, must_be=True)
    assert come(here) == {"a.csv": b"text\nslow\n"}


def test_a_server_that_falls_silent_is_given_up(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_systems, "STALL", 0.2)
    with (
        OddWeb({"a.csv": OddFile(b"text\n", pause=1.0)}).shown() as web,
        pytest.raises(DataError, match=f"cannot read a.csv at {web.url}"),
    ):
        fetch_changed(web.url, here, {})
    assert come(here) == {}


def test_what_fsspec_is_configured_to_say_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fsspec.config.conf, "https", {"client_kwargs": {"trust_env": True}})
    system, _ = remote_systems.system_at("https://h/a.csv")
    assert system.client_kwargs["trust_env"]
    assert system.client_kwargs["timeout"].total is None


# -- a full disk -----------------------------------------------------------------------------------


def test_a_proxy_of_the_usual_variables_is_asked(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "http://files.invalid/a.csv"
    with OddWeb({address: OddFile(ROWS)}).shown() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        fetch_changed(address, here, {}, must_be=True)
    assert come(here) == {"a.csv": ROWS}
    assert proxy.fetched == [address]


def test_a_file_without_room_is_not_begun(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = Usage(0, 0, RESERVE + len(ROWS) - 1)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with OddWeb({"a.csv": OddFile(ROWS)}).shown() as web:
        with pytest.raises(DataError, match="no room for the files at http"):
            fetch_changed(web.url, here, {})
        assert web.fetched == []
    assert come(here) == {}


def test_a_file_of_unknown_size_ends_before_the_disk_is_full(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([RESERVE + 1, RESERVE + 1])
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(0, 0, next(looks, RESERVE - 1)))
    with OddWeb({"a.csv": OddFile(ROWS, tells_size=False)}).shown() as web:
        with pytest.raises(DataError, match="no room for the files at http"):
            fetch_changed(web.url, here, {})
        assert "a.csv" in web.fetched
    assert come(here) == {}


# -- one file of several ---------------------------------------------------------------------------


def test_one_that_cannot_be_looked_at_does_not_hide_the_others(here: Path) -> None:
    files = {"a.csv": OddFile(ROWS, status=403), "b.csv": OddFile(ROWS), "c.csv": OddFile(ROWS)}
    with OddWeb(files).shown() as web:
        with pytest.raises(DataError, match=f"cannot read a.csv at {web.url}.*403"):
            fetch_changed(web.url, here, {})
        assert set(come(here)) == {"b.csv", "c.csv"}
        assert {str(path) for path in remote_looks(web.url)} == {"b.csv", "c.csv"}
        files["b.csv"].status = 500
        with pytest.raises(DataError, match=r"2 files at http.* did not come, a.csv, b.csv: "):
            fetch_changed(web.url, here, {})
        assert set(come(here)) == {"b.csv", "c.csv"}  # it has not been taken away there
        with pytest.raises(DataError, match="403"), brought_here(PoolSection(url=web.url)):
            pass


def test_a_dead_link_is_left_out_and_an_error_at_first(here: Path) -> None:
    with OddWeb({"a.csv": OddFile(ROWS, status=404), "b.csv": OddFile(ROWS)}).shown() as web:
        fetch_changed(web.url, here, {})
        assert set(come(here)) == {"b.csv"}
        with (
            pytest.raises(DataError, match=f"cannot read a.csv at {web.url}: there is nothing"),
            brought_here(PoolSection(url=web.url)),
        ):
            pass


def test_one_that_cannot_be_fetched_does_not_stop_those_after_it(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = fsspec.filesystem("memory")
    real = type(there).get_file
    for letter in "abcdef":
        there.pipe(f"/some/{letter}.csv", ROWS)

    def some(system: Any, path: str, *args: Any, **options: Any) -> None:
        if path[-5] in "abde":
            raise PermissionError("not yours")
        real(system, path, *args, **options)

    monkeypatch.setattr(type(there), "get_file", some)
    problem = r"4 files at memory://some/ did not come, a.csv, b.csv, d.csv and 1 more: .*not yours"
    with pytest.raises(DataError, match=problem):
        fetch_changed("memory://some/", here, {})
    assert set(come(here)) == {"c.csv", "f.csv"}
    with pytest.raises(DataError, match=r"cannot read a.csv at memory://some/: not yours"):
        fetch_changed("memory://some/", here, {}, must_be=True)


def test_a_source_that_falls_silent_is_not_asked_for_each_file(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"{letter}.csv": OddFile(ROWS, status=500) for letter in "abcdef"}
    with OddWeb(files).shown() as web:
        monkeypatch.setattr(remote_systems, "LONG", 0.0)
        with pytest.raises(DataError, match=f"^cannot read {web.url}: "):
            fetch_changed(web.url, here, {})
        for file in files.values():
            file.status, file.sent = 200, 30
        problem = r"3 files at http.* did not come, a.csv, [b-f].csv, [b-f].csv"
        with pytest.raises(DataError, match=problem):
            fetch_changed(web.url, here, {})
        assert web.fetched[0] == "a.csv"
        assert len(set(web.fetched)) == 3


# -- folders that cannot be listed -----------------------------------------------------------------


@pytest.mark.parametrize("pattern", ["*.csv", "*/a.csv", "**/*.csv"])
def test_a_folder_that_is_not_there_is_not_an_empty_one(pattern: str) -> None:
    with pytest.raises(DataError, match="there is nothing"):
        RemoteFiles(f"file:///nonexistent/dir/{pattern}").listed()


def test_one_folder_that_may_not_be_listed_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("2026-01", "2026-02", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.csv").write_bytes(ROWS)
    system = type(fsspec.filesystem("file"))
    real, closed = system.ls, "other"

    def refused(self: Any, path: str, **options: Any) -> Any:
        if path.rstrip("/").endswith(closed):
            raise PermissionError(13, "Permission denied")
        return real(self, path, **options)

    monkeypatch.setattr(system, "ls", refused)
    url = f"file://{tmp_path}/2026*/a.csv"
    assert [file.name for file in RemoteFiles(url).listed()] == [
        "2026-01%2Fa.csv",
        "2026-02%2Fa.csv",
    ]
    closed = "2026-02"
    with pytest.raises(DataError, match="Permission denied"):
        RemoteFiles(url).listed()


@pytest.mark.parametrize(
    ("pattern", "count"),
    [("*.csv", 1), ("*/*.csv", 2), ("**/*.csv", 4), ("a/**/c.csv", 2), ("[ab]/?.csv", 2)],
)
def test_patterns(pattern: str, count: int, tmp_path: Path) -> None:
    for name in ("c.csv", "a/c.csv", "b/c.csv", "a/b/c.csv", "a/b/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(ROWS)
    system = fsspec.filesystem("file")
    found = {file.path for file in RemoteFiles(f"file://{tmp_path}/{pattern}").listed()}
    assert found == set(system.glob(f"{tmp_path}/{pattern}"))
    assert len(found) == count


class FarFiles(LocalFileSystem):  # type: ignore[misc] # fsspec has no types
    """Files as over SFTP: a connection is made once, and links are told as links."""

    protocol = "far"
    cachable = True
    is_broken = False

    def ls(self, path: str, detail: bool = False, **options: Any) -> Any:
        self._refuse()
        found = super().ls(path, detail=True, **options)
        for one in found:
            if Path(one["name"]).is_symlink():
                one |= {"type": "link", "size": os.lstat(one["name"]).st_size}
        return found if detail else [one["name"] for one in found]

    def info(self, path: str, **options: Any) -> Any:
        self._refuse()
        return super().info(path, **options)

    def _refuse(self) -> None:
        if self.is_broken:
            raise OSError("the socket is closed")


@pytest.fixture
def far() -> None:
    fsspec.register_implementation("far", FarFiles, clobber=True)


@pytest.mark.usefixtures("far")
def test_a_connection_that_was_lost_is_made_again(tmp_path: Path, here: Path) -> None:
    (tmp_path / "a.csv").write_bytes(ROWS)
    system, _ = remote_systems.system_at(f"far://{tmp_path}/")
    fetch_changed(f"far://{tmp_path}/", here, {})
    system.is_broken = True
    for one in FarFiles._cache.values():
        one.is_broken = True
    (tmp_path / "b.csv").write_bytes(ROWS)
    fetch_changed(f"far://{tmp_path}/", here, {})
    assert set(come(here)) == {"a.csv", "b.csv"}


@pytest.mark.usefixtures("far")
@pytest.mark.parametrize("pattern", ["", "*.csv", "*/*.csv"])
def test_links_are_followed(pattern: str, tmp_path: Path, here: Path) -> None:
    real, there = tmp_path / "real", tmp_path / "there"
    for folder in (real, there):
        folder.mkdir()
    (real / "x.csv").write_bytes(b"text\n1\n")
    (there / "now.csv").symlink_to(real / "x.csv")
    (there / "gone.csv").symlink_to(real / "none.csv")
    (there / "folder").symlink_to(real)
    url = f"far://{there}/{pattern}"
    fetch_changed(url, here, {})
    (name,) = come(here)
    before = RemoteFiles(url).look().files[name].changed
    (real / "x.csv").write_bytes(ROWS)
    fetch_changed(url, here, {name: before})
    assert come(here) == {name: ROWS}


def test_a_few_that_are_stuck_starve_no_others(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = fsspec.filesystem("memory")
    names = [f"{number:02d}.csv" for number in range(12)]
    for name in names:
        there.pipe(f"/stuck/{name}", ROWS)
    real = type(there).get_file

    def some(system: Any, path: str, *args: Any, **options: Any) -> None:
        if path[-6:-4] < "06":
            raise PermissionError("not yours")
        real(system, path, *args, **options)

    monkeypatch.setattr(type(there), "get_file", some)
    monkeypatch.setattr(remote_systems, "LONG", 0.0)
    for _ in range(100):
        with pytest.raises(DataError, match="not yours"):
            fetch_changed("memory://stuck/", here, {})
    assert sorted(come(here)) == names[6:]
