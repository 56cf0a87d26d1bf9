"""How files are opened: encodings, quotes, packing, arrays; what is guessed is said."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from loopd.config import DataSection
from loopd.data.pool import Pool
from loopd.data.reading import read_pool
from loopd.data.report import ReadingReport
from loopd.errors import DataError

GERMAN = "Grüße aus Köln: die Straße ist größer"
WESTERN = (
    GERMAN,
    "L\u2019été dernier, la société créée à Orléans a été gênée",
    "¿Dónde está el niño? ¡Mañana será otro año!",
    "As informações não estão disponíveis",
    "Määrä on pää asia, työ yöllä on hyvää",
    "Rødgrød med fløde på Ærø",
    "The café\u2019s owner said \u201cnaïve\u201d \u2014 it costs £5\u2026",
)


def read(path: Path, **keys: Any) -> tuple[Pool, ReadingReport]:
    return read_pool(DataSection(path=path, **keys), labels=None)


def table(text: str, rows: int = 30) -> str:
    return "id\ttext\n" + "".join(f"{number}\t{text} {number}\n" for number in range(rows))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pool.csv"


# -- encodings -------------------------------------------------------------------------------------

MARKED = ("utf-8", "utf-8-sig", "utf-16", "utf-32")


@pytest.mark.parametrize("codec", MARKED)
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json"])
def test_unicode_is_read_whatever_its_form(tmp_path: Path, codec: str, suffix: str) -> None:
    path = tmp_path / f"pool{suffix}"
    content = table(GERMAN) if suffix[1] != "j" else json.dumps({"text": f"{GERMAN} 0"}) + "\n"
    path.write_bytes(content.encode(codec))
    pool, report = read(path)
    assert pool.texts[0] == f"{GERMAN} 0"
    assert report.is_whole


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", [GERMAN, "我的包裹在哪里"])
def test_unicode_without_its_mark_is_told_by_its_zeros_and_said(
    path: Path, codec: str, text: str
) -> None:
    path.write_bytes(table(text).encode(codec))
    pool, report = read(path)
    assert pool.texts[0] == f"{text} 0"
    assert report.notes == (
        f"read as {codec}, because of its zero bytes; set `pool.encoding` if that is wrong",
    )
    assert not report.is_whole


@pytest.mark.parametrize("text", WESTERN)
def test_western_text_of_windows_is_guessed_and_said(path: Path, text: str) -> None:
    path.write_bytes(table(text).encode("cp1252"))
    pool, report = read(path)
    assert pool.texts[0] == f"{text} 0"
    assert report.notes == (
        "read as cp1252, because line 2 is not UTF-8; set `pool.encoding` if that is wrong",
    )
    assert f"  {report.notes[0]}" in report.lines()


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("Zażółć gęślą jaźń, głowa boli", "cp1250"),
        ("Příliš žluťoučký kůň úpěl", "cp1250"),
        ("Привет, где моя посылка?", "cp1251"),
        ("Привет, где моя посылка?", "koi8-r"),
        ("Καλημέρα, πού είναι το δέμα μου;", "cp1253"),
        ("Şimdi ağaç ve dağ, eşim için", "cp1254"),
        ("שלום לכולם", "cp1255"),
        ("荷物はどこですか", "shift_jis"),
        ("荷物はどこですか", "euc_jp"),
        ("我的包裹在哪里", "gb18030"),
        ("내 소포는 어디에", "euc_kr"),
        (GERMAN, "mac_roman"),
        (GERMAN, "cp850"),
    ],
)
def test_nothing_else_is_guessed_and_what_is_stated_is_read(
    path: Path, text: str, codec: str
) -> None:
    path.write_bytes(table(text).encode(codec))
    with pytest.raises(DataError, match="line 2: not UTF-8, and") as caught:
        read(path)
    assert "set `pool.encoding` to what it is" in caught.value.hint
    pool, report = read(path, encoding=codec)
    assert pool.texts[0] == f"{text} 0"
    assert report.is_whole


def test_one_bad_byte_among_thousands_of_lines_is_a_row(path: Path) -> None:
    for text in (GERMAN, "plain"):
        lines = table(text, 4000).encode().splitlines(keepends=True)
        lines[7] = b"6\tbad \xff byte\n"
        path.write_bytes(b"".join(lines))
        pool, report = read(path)
        assert (len(pool), report.refused, report.notes) == (3999, 1, ())
        assert report.examples == ("line 8: the text holds bytes that are no text",)


def test_a_mixture_of_encodings_is_no_guess(path: Path) -> None:
    utf8, windows = table(GERMAN).encode(), table(GERMAN).encode("cp1252")
    path.write_bytes(utf8 + windows.split(b"\n", 1)[1])
    with pytest.raises(DataError, match="30 of 60 rows cannot be used") as caught:
        read(path)
    assert caught.value.hint.startswith("set `pool.encoding`, or set `pool.tolerate: 0.5`")


def test_a_mark_and_a_statement_must_agree(path: Path) -> None:
    path.write_bytes(table(GERMAN).encode("utf-16"))
    with pytest.raises(DataError, match=r"mark of UTF-16, but `pool\.encoding` says cp1252"):
        read(path, encoding="cp1252")
    assert read(path, encoding="UTF-16LE")[0].texts[0] == f"{GERMAN} 0"


@pytest.mark.parametrize("name", ["rot13", "base64", "zlib", "idna", "unicode_escape", "utf-9", ""])
def test_what_is_no_encoding_of_text_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="Python knows no encoding"):
        DataSection(path=Path("x.csv"), encoding=name)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_all_systems(path: Path, end: str) -> None:
    path.write_bytes(end.join(["text,label", "a,x", "b,y", ""]).encode())
    pool, report = read(path)
    assert pool.texts == ["a", "b"]
    assert report.is_whole


# -- packing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pool.csv.gz", "pool.csv.GZ", "pool.CSV.Gz", "pool.csv"])
def test_gzip_is_told_by_what_it_is(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"text\na\n"))
    assert read(path)[0].texts == ["a"]
    path.write_bytes(b"text\nb\n")  # unpacked by somebody who kept the name
    assert read(path)[0].texts == ["b"]


def test_an_excel_workbook_is_called_so(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04\x14\0\6\0 and so on")
    with pytest.raises(DataError, match="is a ZIP archive, such as an Excel workbook"):
        read(path)


# -- quotes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;", "sep=;;;"])
def test_the_first_line_of_excel_names_the_separator(path: Path, first: str) -> None:
    path.write_text(f"{first}\nid;text\n1;a, b\n2;c\n")
    pool, report = read(path, id="id")
    assert pool.texts == ["a, b", "c"]
    assert report.is_whole


def tweets(*texts: str) -> str:
    return "id\ttext\tlabel\n" + "".join(f"{n}\t{text}\tx\n" for n, text in enumerate(texts))


@pytest.mark.parametrize(
    "texts",
    [
        ('"never closed', "b", "c"),
        ("a", '"opens here', "b", 'closes here"', "c"),
        ('"opens', 'closes"'),
        ("a", 'said "no"', '5" wide', '"'),
        ('"a" and "b"', "c"),
    ],
)
def test_lone_quotes_between_tabs_are_text(tmp_path: Path, texts: tuple[str, ...]) -> None:
    path = tmp_path / "pool.tsv"
    path.write_text(tweets(*texts))
    pool, report = read(path, id="id", label="label")
    assert pool.texts == list(texts)
    assert report.is_whole


def test_well_formed_quotes_between_tabs_are_quotes(tmp_path: Path) -> None:
    path = tmp_path / "pool.tsv"
    path.write_text('id\ttext\n1\t"a ""b"" c"\n2\t"two\nlines"\n3\tplain\n')
    assert read(path, id="id")[0].texts == ['a "b" c', "two\nlines", "plain"]


def test_a_cell_of_csv_that_swallowed_rows_is_reported_by_line(path: Path) -> None:
    path.write_text('id,text,label\n0,a,x\n1,"opens,x\n2,b,x\n3,closes",x\n4,c,x\n')
    pool, report = read(path, id="id")
    assert len(pool) == 3
    assert report.notes == (
        "line 5: a quote holds lines 3 to 5 together, and every one of them looks like a row: was "
        "it left open?",
    )
    assert not report.is_whole


def test_prose_of_several_lines_is_no_swallowed_row(path: Path) -> None:
    path.write_text('id,text,label\n0,"Dear all,\n\nthank you, Ann, and\nBob.",x\n1,b,y\n')
    pool, report = read(path, id="id")
    assert len(pool) == 2
    assert report.is_whole


def test_a_quote_that_is_never_closed_says_where_it_opened(path: Path) -> None:
    path.write_text('id,text\n1,a\n2,"b\n3,c\n')
    with pytest.raises(DataError, match=r"line 4: not CSV: .*; its row begins on line 3"):
        read(path)


# -- JSON ------------------------------------------------------------------------------------------

RECORDS = [{"text": "a", "label": "x"}, {"text": "b", "label": float("nan"), "more": {"n": [1]}}]


@pytest.mark.parametrize("name", ["pool.json", "pool.jsonl", "pool.ndjson"])
@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_of_records(tmp_path: Path, name: str, indent: int | None) -> None:
    path = tmp_path / name
    path.write_text(json.dumps(RECORDS, indent=indent))
    pool, report = read(path, label="label")
    assert [(record.text, record.gold) for record in pool] == [("a", "x"), ("b", None)]
    assert report.is_whole


@pytest.mark.parametrize("indent", [None, 2])
def test_an_object_whose_one_list_holds_the_records(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "pool.json"
    path.write_text(json.dumps({"version": 1, "items": RECORDS, "tags": ["t"]}, indent=indent))
    pool, report = read(path, label="label")
    assert pool.texts == ["a", "b"]
    assert report.notes == ("the records are those in 'items'",)
    path.write_text(json.dumps({"one": RECORDS, "two": RECORDS}, indent=indent))
    with pytest.raises(DataError, match="lists of records in 'one', 'two'"):
        read(path)


@pytest.mark.parametrize("indent", [None, 2])
def test_one_record_with_a_list_of_its_own_is_a_record(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "pool.json"
    path.write_text(json.dumps({"text": "a", "annotations": [{"user": "w"}]}, indent=indent))
    assert read(path)[0].texts == ["a"]


@pytest.mark.parametrize("name", ["pool.csv.GZ", "pool.csv.gzip", "pool.CSV.Gzip", "pool.csv"])
def test_what_is_gzipped_is_unpacked_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"text\na\n"))
    assert read(path)[1].is_whole


@pytest.mark.parametrize("name", ["pool.zip", "pool.dat", "pool.csv"])
def test_a_file_is_called_what_it_is(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"PK\x03\x04\x14\0\6\0 and so on")
    with pytest.raises(DataError, match="is a ZIP archive") as error:
        read(path)
    assert "unpack the archive" in error.value.hint
