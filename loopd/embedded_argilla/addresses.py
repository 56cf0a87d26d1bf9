"""Owns how the addresses of PostgreSQL and Redis are written; must not connect to anything.

Everything that an address of PostgreSQL says becomes one of the variables that PostgreSQL's clients
read by themselves, so that no address with a password in it exists that could be shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from loopd.errors import ConfigError

ARGILLA_URL = "postgresql+asyncpg://"
"""What Argilla is told: the rest is in the environment."""

_SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg2")
_REDIS_SCHEMES = ("redis", "rediss", "unix")
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_PARAMETERS = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "ssl": "PGSSLMODE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
}
_FORM = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"
_ESCAPES = "characters such as @ / ? # % in a password are written as %40 %2F %3F %23 %25"


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """One database of a PostgreSQL server.

    Attributes:
        environment: names and values of libpq's variables; may hold the password.
        shown: the address for people, without the password.
        secret: whether it holds a password.
    """

    environment: tuple[tuple[str, str], ...] = field(repr=False)
    shown: str
    secret: bool


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """One Redis.

    Attributes:
        url: as Redis' clients take it; may hold the password.
        shown: the same without the password.
        secret: whether it holds a password.
    """

    url: str = field(repr=False)
    shown: str
    secret: bool


def database_address(text: str) -> DatabaseAddress:
    """Return the database that a URL names.

    Raises:
        ConfigError: it is no URL of a PostgreSQL database; the text is not repeated.
    """
    parts = _split(text, "--database", f"write {_FORM}; {_ESCAPES}")
    if parts.scheme.startswith("sqlite"):
        hint = "leave --database out: without it the database is a file in the --home"
        raise ConfigError("--database is for PostgreSQL only, not for SQLite", hint)
    if parts.scheme not in _SCHEMES:
        raise ConfigError("--database is no address of a PostgreSQL database", f"write {_FORM}")
    variables = dict(_variables(parts))
    if "PGDATABASE" not in variables:
        raise ConfigError("--database names no database", f"write {_FORM}")
    return DatabaseAddress(
        environment=tuple(variables.items()),
        shown=_shown(variables),
        secret="PGPASSWORD" in variables,
    )


def redis_address(text: str) -> RedisAddress:
    """Return the Redis that a URL names.

    Raises:
        ConfigError: it is no URL of a Redis; the text is not repeated.
    """
    form = "write redis://:PASSWORD@HOST:6379/0, rediss:// for TLS, or unix:///PATH"
    parts = _split(text, "--redis", f"{form}; {_ESCAPES}")
    if parts.scheme not in _REDIS_SCHEMES:
        raise ConfigError("--redis is no address of a Redis", form)
    if any(name in ("password", "username") for name, _ in parse_qsl(parts.query)):
        raise ConfigError("--redis has its password at the wrong end", form)
    host = parts.netloc.rpartition("@")[2]
    shown = f"{parts.scheme}://{host}{parts.path}"
    return RedisAddress(url=text, shown=shown, secret=bool(parts.password))


def _split(text: str, option: str, hint: str) -> SplitResult:
    # What urlsplit says of a bad address may repeat a part of the password: it is not quoted.
    try:
        parts = urlsplit(text.strip())
        rest = f"{parts.path}?{parts.query}"
        usable = parts.port != 0 and "@" not in rest and not parts.fragment
    except ValueError:
        usable = False
    if not usable or any(ord(character) < 32 for character in unquote(text)):
        raise ConfigError(f"{option} is no address that can be read", hint)
    return parts


def _variables(parts: SplitResult) -> Iterator[tuple[str, str]]:
    named = {
        "PGHOST": parts.hostname,
        "PGPORT": parts.port,
        "PGUSER": parts.username,
        "PGPASSWORD": parts.password,
        "PGDATABASE": parts.path.removeprefix("/"),
    }
    for name, value in named.items():
        if value:
            yield name, unquote(str(value))
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in _PARAMETERS or not value:
            allowed = ", ".join(sorted(_PARAMETERS))
            problem = f"--database has a parameter that loopd does not take: {name[:40]}"
            raise ConfigError(problem, f"these are taken: {allowed}")
        if _PARAMETERS[name] == "PGSSLMODE" and value not in _SSL_MODES:
            hint = f"it is one of {', '.join(_SSL_MODES)}"
            raise ConfigError(f"--database has a {name} that PostgreSQL does not have", hint)
        yield _PARAMETERS[name], value


def _shown(variables: dict[str, str]) -> str:
    user = f"{quote(variables['PGUSER'])}@" if "PGUSER" in variables else ""
    host = variables.get("PGHOST", "")
    port = f":{variables['PGPORT']}" if "PGPORT" in variables else ""
    directory = f"?host={host}" if host.startswith("/") else ""
    name = f"[{host}]" if ":" in host else "" if directory else host
    return f"postgresql://{user}{name}{port}/{quote(variables['PGDATABASE'])}{directory}"
