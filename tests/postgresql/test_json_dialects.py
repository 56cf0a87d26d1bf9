"""Both dialects of JSON say the same of the same values, and nothing in a record stops a query."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    JSON,
    Column,
    Integer,
    MetaData,
    Table,
    and_,
    create_engine,
    event,
    select,
)
from sqlalchemy.engine import URL, Connection, Engine

from tests.servers.postgresql import USER, Postgresql

pytestmark = pytest.mark.integration

FOLDER = Path(__file__).parents[2] / "loopd" / "embedded_argilla" / "search"
TABLE = Table("rows", MetaData(), Column("id", Integer, primary_key=True), Column("data", JSON))


def dialect(module: str, name: str) -> Any:
    """A dialect without the package around it, which wants Argilla and its settings."""
    spec = importlib.util.spec_from_file_location(module, FOLDER / f"{module}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return getattr(loaded, name)()


class Database:
    """One database with a table of JSON, and how it is asked."""

    def __init__(self, connection: Connection, words: Any) -> None:
        self._connection = connection
        self._words = words
        TABLE.create(connection)

    def numbers_and_texts(self, documents: list[Any], key: str) -> list[tuple[Any, ...]]:
        """Of each value at the key: the document's number, the value as a number and as a text."""
        self._fill(documents)
        rows = self._words.values(TABLE.c.data, f'$."{key}"')
        number, text = self._words.number(rows), self._words.text(rows)
        query = select(TABLE.c.id, number, text).select_from(TABLE).join(rows, and_(True))
        return [tuple(row) for row in self._connection.execute(query.order_by(TABLE.c.id))]

    def items(self, documents: list[Any], key: str) -> list[Any]:
        self._fill(documents)
        item = self._words.item(TABLE.c.data, key, f'$."{key}"')
        return list(self._connection.scalars(select(item).order_by(TABLE.c.id)))

    def sorted(self, texts: list[str]) -> list[str]:
        self._fill([{"k": text} for text in texts])
        item = self._words.by_code(self._words.item(TABLE.c.data, "k", '$."k"'))
        return list(self._connection.scalars(select(item).order_by(item)))

    def holding(self, texts: list[str], part: str) -> list[str]:
        self._fill([{"k": text} for text in texts])
        item = self._words.item(TABLE.c.data, "k", '$."k"')
        query = select(item).where(item.icontains(part, autoescape=True)).order_by(TABLE.c.id)
        return list(self._connection.scalars(query))

    def _fill(self, documents: list[Any]) -> None:
        self._connection.execute(TABLE.delete())
        if documents:
            rows = [{"id": number, "data": each} for number, each in enumerate(documents)]
            self._connection.execute(TABLE.insert(), rows)


@pytest.fixture(scope="module", autouse=True)
def no_pragmas() -> Iterator[None]:
    """Argilla's listener, where another test has loaded it, takes each database for its SQLite."""
    loaded = sys.modules.get("argilla_server.database")
    if loaded is None:
        yield
        return
    event.remove(Engine, "connect", loaded.set_sqlite_pragma)
    yield
    event.listen(Engine, "connect", loaded.set_sqlite_pragma)


@pytest.fixture(scope="module")
def postgres(cluster: Postgresql) -> Iterator[Database]:
    name = cluster.database().rsplit("/", 1)[1]
    url = URL.create("postgresql+psycopg2", USER, cluster.password, "127.0.0.1", cluster.port, name)
    with create_engine(url).connect() as connection:
        yield Database(connection, dialect("json_postgresql", "PostgresqlJson"))


@pytest.fixture(scope="module")
def sqlite() -> Iterator[Database]:
    with create_engine("sqlite://").connect() as connection:
        yield Database(connection, dialect("json_sqlite", "SqliteJson"))


NO_NUL = st.characters(min_codepoint=1, exclude_categories=["Cs"])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(-1e300, 1e300, allow_subnormal=False),
    # SQLite takes anything written with these letters for a number.
    st.text(NO_NUL, max_size=8).filter(lambda text: set(text) - set("-+.eE0123456789")),
    st.sampled_from(["12", "-1.5", "1e3", "", "١٢", "Infinity", "NaN", "\\u0000"]),
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3))
ODD = 'a.b["c"] \\ d$'


def comparable(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """What both must agree on: SQLite writes numbers in another way as texts."""
    number = row[1]
    is_text = row[2] is None or number is None
    return (row[0], number, row[2] if is_text else "a number")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(VALUES, max_size=30))
@example([10**15, 1.7e308, 5e-324, -0.0])
def test_both_read_the_same_values(postgres: Database, sqlite: Database, values: list[Any]) -> None:
    documents: list[Any] = [*({"k": value, "other": 1} for value in values), {}, None]
    ours = map(comparable, postgres.numbers_and_texts(documents, "k"))
    theirs = map(comparable, sqlite.numbers_and_texts(documents, "k"))
    assert sorted(ours, key=repr) == sorted(theirs, key=repr)


def test_numbers_that_are_no_numbers_to_the_database_stop_nothing(postgres: Database) -> None:
    huge = [10**400, "9" * 400, "1e999", math.pi]
    rows = postgres.numbers_and_texts([{"k": value} for value in huge], "k")
    assert [row[1] for row in rows] == [None, None, None, math.pi]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b", "a\ufffdb"),
        ("\x00", "\ufffd"),
        ("\x00\x00x\x00", "\ufffd\ufffdx\ufffd"),
        ("\\\x00", "\\\ufffd"),
        ("\\u0000", "\\u0000"),
        ("\\\\u0000\x00", "\\\\u0000\ufffd"),
        ("\U0001f600", "\U0001f600"),
    ],
)
def test_a_nul_in_one_record_does_not_take_the_search_from_all(
    postgres: Database, text: str, shown: str
) -> None:
    documents = [{"k": text, "z": "\x00"}, {"k": "plain"}, {"k": [text, "z"]}]
    assert postgres.items(documents, "k")[:2] == [shown, "plain"]
    rows = postgres.numbers_and_texts(documents, "k")
    assert [row[2] for row in rows] == [shown, "plain", shown, "z"]


def test_names_of_any_kind(postgres: Database, sqlite: Database) -> None:
    for database, name in ((postgres, ODD), (sqlite, "a.b $[0]")):
        path = "$." + json.dumps(name, ensure_ascii=False)
        database._fill([{name: "here"}])
        rows = database._words.values(TABLE.c.data, path)
        query = select(database._words.text(rows)).select_from(TABLE).join(rows, and_(True))
        assert database._connection.scalars(query).all() == ["here"]


def test_objects_keep_the_order_of_their_names(postgres: Database, sqlite: Database) -> None:
    document = {"k": {"zebra": 1, "a": [2, {"c": None}]}}
    ours, theirs = postgres.items([document], "k")[0], sqlite.items([document], "k")[0]
    assert ours.replace(" ", "") == theirs


def test_texts_sort_by_their_codes(postgres: Database, sqlite: Database) -> None:
    texts = ["b", "B", "a", "Z", "é", "z", "_", "1", "ß", "日", " "]
    assert postgres.sorted(texts) == sqlite.sorted(texts) == sorted(texts)


def test_case_is_ignored_for_ascii_only(postgres: Database, sqlite: Database) -> None:
    texts = ["TITLE", "t\u0131tle", "t\u0130tle", "50%", "5_0", "KELVIN"]
    for part in ("title", "50%", "5_0", "kelvin"):
        assert postgres.holding(texts, part) == sqlite.holding(texts, part)
