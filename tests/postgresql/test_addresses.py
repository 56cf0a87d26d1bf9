"""How the addresses of PostgreSQL and Redis are read, and that no message repeats a password."""

from __future__ import annotations

from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopd.embedded_argilla.addresses import database_address, redis_address
from loopd.errors import ConfigError

SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg2")
SECRET = "sesame-1234"
TEXTS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF), min_size=1, max_size=20)


@given(user=TEXTS, password=TEXTS, name=TEXTS, scheme=st.sampled_from(SCHEMES))
def test_any_user_password_and_name_arrive_as_they_are(
    user: str, password: str, name: str, scheme: str
) -> None:
    parts = [quote(text, safe="") for text in (user, password, name)]
    address = database_address(f"{scheme}://{parts[0]}:{parts[1]}@db.example:5433/{parts[2]}")
    assert dict(address.environment) == {
        "PGUSER": user,
        "PGPASSWORD": password,
        "PGHOST": "db.example",
        "PGPORT": "5433",
        "PGDATABASE": name,
    }
    assert address.secret


@given(password=st.uuids())
def test_no_password_is_shown(password: UUID) -> None:
    database = database_address(f"postgresql://ann:{password}@h/d?sslmode=require")
    redis = redis_address(f"redis://:{password}@h:6379/2")
    for address in (database, redis):
        assert str(password) not in address.shown + repr(address) + str(address)
    assert database.shown == "postgresql://ann@h/d"
    assert redis.shown == "redis://h:6379/2"


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("postgresql:///argilla", {"PGDATABASE": "argilla"}),
        ("postgresql://h/d", {"PGHOST": "h", "PGDATABASE": "d"}),
        ("postgresql://[::1]:5432/d", {"PGHOST": "::1", "PGPORT": "5432", "PGDATABASE": "d"}),
        (
            "postgresql:///d?host=/var/run/postgresql",
            {"PGHOST": "/var/run/postgresql", "PGDATABASE": "d"},
        ),
        (
            "postgresql://h/d?sslmode=verify-full&sslrootcert=/ca.pem",
            {"PGHOST": "h", "PGDATABASE": "d", "PGSSLMODE": "verify-full",
             "PGSSLROOTCERT": "/ca.pem"},
        ),
        ("postgresql+asyncpg://h/d?ssl=require",
         {"PGHOST": "h", "PGDATABASE": "d", "PGSSLMODE": "require"}),
    ],
)  # fmt: skip
def test_forms_of_addresses(text: str, variables: dict[str, str]) -> None:
    assert dict(database_address(text).environment) == variables


@pytest.mark.parametrize(
    "text",
    [
        "",
        "argilla",
        SECRET,
        f"sqlite:///{SECRET}.db",
        f"sqlite+aiosqlite:///{SECRET}.db?check_same_thread=False",
        f"mysql://u:{SECRET}@h/d",
        f"postgresql://u:{SECRET}@h",
        f"postgresql://u:{SECRET}@h/",
        f"postgresql://u:{SECRET}@h:port/d",
        f"postgresql://u:{SECRET}@h:0/d",
        f"postgresql://u:{SECRET}@h:99999/d",
        f"postgresql://u:a/{SECRET}@h/d",
        f"postgresql://u:12?{SECRET}@h/d",
        f"postgresql://u:12#{SECRET}@h/d",
        f"postgresql://u:{SECRET}%0a@h/d",
        f"postgresql://u:{SECRET}@h/d?application_name=x",
        f"postgresql://u:{SECRET}@h/d?sslmode={SECRET}",
        f"postgresql://u:{SECRET}@h/d?sslmode=",
        f"postgresql://u:{SECRET}@h1:5432,h2:5432/d",
    ],
)
def test_what_is_no_address_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        database_address(text)
    words = f"{refusal.value.message} {refusal.value.hint}"
    assert "\n" not in words
    assert SECRET not in words
    assert refusal.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost:6379",
        f"http://:{SECRET}@h:6379",
        f"redis://:{SECRET}@h:port/0",
        f"redis://:a/{SECRET}@h/0",
        f"redis://h:6379/0?password={SECRET}",
    ],
)
def test_what_is_no_redis_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        redis_address(text)
    words = f"{refusal.value.message} {refusal.value.hint}"
    assert SECRET not in words
    assert refusal.value.hint


def test_sqlite_has_its_own_hint() -> None:
    with pytest.raises(ConfigError, match="not for SQLite") as refusal:
        database_address("sqlite:///x.db")
    assert "--home" in refusal.value.hint
