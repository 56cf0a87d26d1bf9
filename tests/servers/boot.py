"""Owns the start of a stock server, in the Python of the server; must change nothing of it.

Run as ``python -m tests.servers.boot HOME --package argilla_server --port 0`` with this project on
the path: of the project it needs what stands on the standard library alone. What is in the
environment decides about database and search; see ``stock``.
"""

from __future__ import annotations

import argparse
import asyncio
import enum
import importlib
import importlib.metadata
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from loopd.embedded_argilla.accounts import HomeAccounts, load_or_create_accounts
from loopd.embedded_argilla.home import ServerHome
from loopd.embedded_argilla.jobs import running_redis
from loopd.embedded_argilla.listening import bound_socket, listen, url_of


def main() -> None:
    """Serve until SIGTERM, or work on its jobs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("--package", default="argilla_server")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--workspace", default="loopd")
    parser.add_argument("--work", action="store_true")
    options = parser.parse_args()
    play_python(options.package)
    if options.work:
        work(options.package)
    else:
        serve(options)


def serve(options: argparse.Namespace) -> None:
    """Bring the server up: Redis, database, accounts, search engine, worker."""
    home = ServerHome(options.home)
    home.clear_temporary()
    home.info.unlink(missing_ok=True)
    with bound_socket("127.0.0.1", options.port) as listener, running_redis(home) as redis:
        os.environ["ARGILLA_REDIS_URL"] = os.environ["EXTRALIT_REDIS_URL"] = redis
        migrate(options.package)
        prepare(options.package)
        listen(listener)
        with working(options):
            asyncio.run(_serve(options, home, listener))


async def _serve(options: argparse.Namespace, home: ServerHome, listener: Any) -> None:
    import uvicorn

    accounts = load_or_create_accounts(home)
    await make_accounts(options.package, accounts, options.workspace)
    app = importlib.import_module(options.package).app
    config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", lifespan="on")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.05)
    if server.started:
        home.write_info(url_of(listener))
    await serving


def migrate(package: str) -> None:
    """Bring the database to the newest schema."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    scripts = Path(str(importlib.import_module(package).__file__)).parent / "alembic"
    config.set_main_option("script_location", str(scripts))
    command.upgrade(config, "head")


async def make_accounts(package: str, accounts: HomeAccounts, workspace: str) -> None:
    """Owner, annotator and workspace, where they are not there yet."""
    database = importlib.import_module(f"{package}.database")
    models = importlib.import_module(f"{package}.models")
    roles = importlib.import_module(f"{package}.enums").UserRole
    async with database.AsyncSessionLocal() as db:
        if await models.User.get_by(db, username=accounts.owner.username) is not None:
            return
        space = await models.Workspace.create(db, name=workspace)
        for account, role in ((accounts.owner, roles.owner), (accounts.annotator, roles.annotator)):
            user = await models.User.create(
                db,
                first_name=account.username,
                username=account.username,
                role=role,
                api_key=account.api_key,
                password_hash=hash_password(package, account.password),
            )
            await models.WorkspaceUser.create(db, workspace_id=space.id, user_id=user.id)


def hash_password(package: str, password: str) -> Any:
    return importlib.import_module(f"{package}.contexts.accounts").hash_password(password)


def play_python(package: str) -> None:
    """Have enums in texts be their values where the server is for a Python in which they are.

    From 3.11 on they are their names there. Argilla up to 2.4 is for older ones: it would ask the
    database for answers that are ``ResponseStatus.submitted``, and complete no record.
    """
    wheel = importlib.metadata.metadata(package.replace("_", "-"))
    if "<3.11" in str(wheel["Requires-Python"]):
        enum.Enum.__format__ = _format  # type: ignore[assignment,method-assign]


def _format(member: enum.Enum, how: str) -> str:
    by_name = type(member).__str__ is enum.Enum.__str__ and isinstance(member, str)
    return format(member.value if by_name else str(member), how)


# -- search ----------------------------------------------------------------------------------------


def prepare(package: str) -> None:
    """What `osmem-server` and one of the servers lack; the search engine's code stays as it is."""
    play_scripts()
    engine = importlib.import_module(f"{package}.search_engine.opensearch").OpenSearchEngine
    if "get_all_index_names" in engine.__abstractmethods__:  # extralit-server 0.7.2
        engine.get_all_index_names = _all_index_names
        engine.__abstractmethods__ = engine.__abstractmethods__ - {"get_all_index_names"}


async def _all_index_names(self: Any) -> list[str]:
    return list(await self.client.indices.get("*"))


def play_scripts() -> None:
    """Have the client do what an Argilla's three scripts do: `osmem-server` runs no Painless."""
    from opensearchpy import AsyncOpenSearch

    update = AsyncOpenSearch.update

    async def playing(self: Any, index: Any, id: Any, body: Any = None, **rest: Any) -> Any:  # noqa: A002
        if "script" not in body:
            return await update(self, index=index, id=id, body=body, **rest)
        source = (await self.get(index=index, id=id))["_source"]
        play(body["script"], source)
        return await self.index(index=index, id=id, body=source, refresh=True)

    AsyncOpenSearch.update = playing  # type: ignore[method-assign]


def play(script: Any, source: dict[str, Any]) -> None:
    """Change a document as a script of Argilla's engine does.

    Args:
        script: one that adds or removes a response, or removes a suggestion.
        source: the document, which is changed.
    """
    if isinstance(script, str):
        source["suggestions"].pop(script.split('"')[3], None)
        return
    response = script["params"]["response"]
    others = [one for one in source.get("responses") or () if one["id"] != response["id"]]
    source["responses"] = [*others, response] if ".add(" in script["source"] else others


# -- jobs ------------------------------------------------------------------------------------------


@contextmanager
def working(options: argparse.Namespace) -> Iterator[None]:
    """A worker beside the server, which ends with it, however that ends."""
    command = [sys.executable, "-m", "tests.servers.boot", str(options.home), "--work"]
    child = subprocess.Popen(
        [*command, "--package", options.package], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        yield
    finally:
        child.kill()
        child.wait()


def work(package: str) -> None:
    """Do the server's jobs, if this version has any."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(ModuleNotFoundError):  # before 2.2 there were none
        queues = importlib.import_module(f"{package}.jobs.queues")
        prepare(package)
        from rq import SimpleWorker

        class Worker(SimpleWorker):  # type: ignore[misc] # it has no types
            """Asks not for its own address: the Redis of these tests cannot tell it."""

            def _set_ip_address(self, connection: Any) -> None:
                self.ip_address = "127.0.0.1"

        named = [getattr(queues, name) for name in dir(queues) if name.endswith("_QUEUE")]
        Worker(named, connection=queues.REDIS_CONNECTION).work(logging_level="WARNING")
    threading.Event().wait()


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
