"""Owns what must be right about a PostgreSQL database before Argilla uses it; reads no rows.

Where the database is, its clients know from the environment (see ``addresses``).
"""

from __future__ import annotations

import asyncio
import importlib.util
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from loopd.errors import ServerError
from loopd.installation import add_extra
from loopd.printable import one_line

_NEEDED = ("asyncpg", "psycopg2")
_OLDEST = 12
_CONNECT_SECONDS = 10.0
_STARTING_SECONDS = 30.0
_LOCK = 0x6C6F6F7064  # of PostgreSQL's advisory locks; any number that nobody else uses


def check_drivers() -> None:
    """Raise ServerError when a package is missing; must be called before anything else here."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ServerError(
            f"PostgreSQL needs {' and '.join(missing)}, which is not installed.",
            hint=f"Run: {add_extra('postgresql')}",
        )


def check_database(shown: str) -> None:
    """Look whether the database of the environment can be Argilla's.

    Args:
        shown: its address for messages, without a password.

    Raises:
        ServerError: it cannot be reached, refuses us, or is unfit.
    """
    asyncio.run(_check(shown))


@asynccontextmanager
async def alone() -> AsyncIterator[None]:
    """Keep other servers on this database waiting: of several, one makes the tables and accounts.

    The database frees the lock when this process dies, however it dies.
    """
    import asyncpg

    connection = await asyncpg.connect(timeout=_CONNECT_SECONDS)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        yield
    finally:
        await connection.close(timeout=_CONNECT_SECONDS)


def migrate_alone(migrate: Callable[[], None]) -> None:
    """Run a migration while no other server does."""

    async def run() -> None:
        async with alone():
            await asyncio.to_thread(migrate)

    asyncio.run(run())


async def applied_revisions() -> set[str]:
    """Return the revisions of Argilla's schema that the database is at; none when it is empty."""
    import asyncpg

    connection = await asyncpg.connect(timeout=_CONNECT_SECONDS)
    try:
        if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
            return set()
        rows = await connection.fetch("SELECT version_num FROM alembic_version")
        return {row["version_num"] for row in rows}
    finally:
        await connection.close(timeout=_CONNECT_SECONDS)


async def _check(shown: str) -> None:
    connection = await _connected(shown)
    try:
        await _check_fitness(connection, shown)
    finally:
        await connection.close(timeout=_CONNECT_SECONDS)


async def _connected(shown: str) -> Any:
    """Connect; a server that is just starting is waited for."""
    import asyncpg

    deadline = time.monotonic() + _STARTING_SECONDS
    while True:
        try:
            return await asyncpg.connect(timeout=_CONNECT_SECONDS)
        except asyncpg.CannotConnectNowError as error:
            if time.monotonic() > deadline:
                raise ServerError(f"{shown} does not get ready: {error}.") from None
            await asyncio.sleep(0.5)
        except (OSError, ssl.SSLError, TimeoutError, asyncio.TimeoutError) as error:
            raise _unreachable(shown, error) from None
        except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            raise _refused(shown, error) from None


def _unreachable(shown: str, error: Exception) -> ServerError:
    if isinstance(error, ssl.SSLError):
        hint = "Set sslmode and sslrootcert in the address as the server wants them."
        return ServerError(f"{shown} cannot be spoken to with TLS: {_words(error)}.", hint=hint)
    return ServerError(
        f"{shown} cannot be reached: {_words(error) or 'no answer in time'}.",
        hint="Is PostgreSQL running there, and are host and port right?",
    )


def _refused(shown: str, error: Exception) -> ServerError:
    import asyncpg

    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return ServerError(
            f"{shown}: PostgreSQL has no database of that name.",
            hint="Make it, for example: createdb --encoding=UTF8 --template=template0 "
            "--owner=USER DATABASE",
        )
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        return ServerError(
            f"{shown} refuses the login: {_words(error)}.",
            hint="Are the user and the password right, and does pg_hba.conf let this machine in?",
        )
    if isinstance(error, asyncpg.TooManyConnectionsError):
        return ServerError(
            f"{shown} has no connection left: {_words(error)}.",
            hint="Raise max_connections of PostgreSQL: each server takes up to 30.",
        )
    return ServerError(f"{shown} cannot be used: {_words(error)}.")


async def _check_fitness(connection: Any, shown: str) -> None:
    version = connection.get_server_version()
    if version.major < _OLDEST:
        problem = f"{shown} is PostgreSQL {version.major}.{version.minor}"
        raise ServerError(f"{problem}; Argilla's search needs {_OLDEST} or later.")
    encoding = await connection.fetchval("SHOW server_encoding")
    if encoding != "UTF8":
        raise ServerError(
            f"{shown} keeps its texts as {encoding}, which cannot hold every character.",
            hint="Make it anew: createdb --encoding=UTF8 --template=template0 DATABASE",
        )
    if await connection.fetchval("SELECT pg_is_in_recovery()"):
        problem = f"{shown} is a standby, which can only be read"
        raise ServerError(f"{problem}.", hint="Give the address of the primary.")
    may_create = "SELECT has_schema_privilege(current_schema(), 'CREATE')"
    if not await connection.fetchval(may_create):
        raise ServerError(
            f"{shown}: the user may not make tables there.",
            hint="Make the user the owner of the database: ALTER DATABASE name OWNER TO user",
        )


def _words(error: Exception) -> str:
    return one_line(str(error)).rstrip(".")[:300]
