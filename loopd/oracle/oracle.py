"""Owns the oracle: simulated annotators at work on any Argilla 2 server, over its HTTP API.

Must not import the loop's state or the Argilla SDK: the people know what the UI shows them and
the right answers, nothing else.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from loopd.annotation.http import Front, first_contact
from loopd.errors import ConfigError, DatasetError, TransientError
from loopd.loop.retry import delays
from loopd.oracle.behaviour import OracleOptions
from loopd.oracle.coordinator import OracleCoordinator, OracleReport
from loopd.oracle.people_api import PeopleApi, TakenError
from loopd.oracle.person import LONGEST_PAUSE, OracleTask, SimulatedAnnotator

__all__ = ["OracleOptions", "OracleReport", "OracleTask", "Stoppable", "run_oracle"]

T = TypeVar("T")
Connect = Callable[[str], PeopleApi]
"""Makes an account's line to Argilla, from its key."""

WATCH_SECONDS = 0.1
"""How often the oracle looks whether it should end."""

PATIENCE = 3.0
"""Seconds that requests under way get once the end is asked for; a silent server takes longer."""


class Stoppable(Protocol):
    """What tells the oracle to end, such as ``threading.Event``."""

    def wait(self, seconds: float, /) -> bool:
        """Wait so long or until the end is asked for; returns whether it is."""


@dataclass(frozen=True, slots=True)
class Login:
    """A person's login; the key is never printed."""

    name: str
    api_key: str


def run_oracle(
    url: str,
    api_key: str,
    task: OracleTask,
    *,
    options: OracleOptions,
    stop: Stoppable,
    report: Callable[[str], None],
    front: Front | None = None,
) -> OracleReport:
    """Play annotators until a stop is asked for, or until nothing is left for ``idle_exit``.

    With an owner's key it creates or reuses the accounts ``oracle-1`` to ``oracle-N``; with any
    other key it answers as that account alone. A server that is away and a dataset that does not
    exist yet are waited for.

    Args:
        url: address of the Argilla server.
        api_key: key of an owner, or of the account that is to answer.
        task: the dataset and the right answers.
        options: how many people, how fast, how careless.
        stop: ends the oracle when set.
        report: called with one line for people about everything notable, from any thread.
        front: what lies between the people and Argilla.

    Raises:
        ConfigError: more than one person without an owner's key.
        DatasetError: there is no such workspace.
        AuthError, ArgillaError: Argilla refuses for good.
    """
    coordinator = OracleCoordinator(report)
    watch = threading.Thread(target=_watch, args=(coordinator, stop, options), daemon=True)
    watch.start()
    work = _Work(
        lambda: _staff(lambda key: PeopleApi(url, key, front), api_key, coordinator, task, options)
    )
    try:
        work.start()
        while work.is_alive() and not coordinator.closed:
            work.join(WATCH_SECONDS)
        work.join(PATIENCE)
    finally:
        coordinator.close()
        watch.join()
    error = work.error or coordinator.error
    if error is not None:
        raise error
    return coordinator.summary()


class _Work(threading.Thread):
    """A call in a thread of its own, which need not be waited for."""

    def __init__(self, call: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self._call()
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            self.error = error


def _watch(coordinator: OracleCoordinator, stop: Stoppable, options: OracleOptions) -> None:
    """Close the room when a stop is asked for, or after a long time without work."""
    while not coordinator.closed and not stop.wait(WATCH_SECONDS):
        if options.idle_exit is not None and coordinator.idle_seconds >= options.idle_exit:
            break
    coordinator.close()


def _staff(
    connect: Connect,
    api_key: str,
    coordinator: OracleCoordinator,
    task: OracleTask,
    options: OracleOptions,
) -> None:
    """Let all people in and wait until they went home."""
    accounts = _patiently(
        coordinator,
        lambda: first_contact(lambda: _accounts(connect, api_key, task.workspace, options)),
    )
    if accounts is None:
        return
    coordinator.people = tuple(account.name for account in accounts)
    coordinator.say(f"at work: {', '.join(coordinator.people)}")
    people = [
        SimulatedAnnotator(
            each.name, connect(each.api_key), coordinator, task, options.of_person(number)
        )
        for number, each in enumerate(accounts)
    ]
    threads = [
        threading.Thread(target=account.work, name=account.name, daemon=True) for account in people
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _patiently(coordinator: OracleCoordinator, call: Callable[[], T]) -> T | None:
    """The result of a call that is repeated while Argilla is away; ``None`` if the room closed."""
    for delay in delays(LONGEST_PAUSE):
        try:
            return call()
        except TransientError as error:
            coordinator.count("outages")
            coordinator.say(f"{error.message}; the people wait")
            pause = max(delay, error.retry_after or 0.0)
        if coordinator.wait(pause):
            break
    return None


def _accounts(
    connect: Connect, api_key: str, workspace: str, options: OracleOptions
) -> tuple[Login, ...]:
    api = connect(api_key)
    try:
        me = api.me()
        workspace_id = api.workspace_id(workspace)
        if workspace_id is None:
            raise DatasetError(
                f"the account {me['username']} sees no workspace {workspace!r}",
                "check argilla.workspace, or add the account to it",
            )
        if me["role"] == "owner":
            return _annotators(api, workspace_id, options.people)
    finally:
        api.close()
    if options.people > 1:
        raise ConfigError(
            f"{options.people} people need an owner's API key, {me['username']} is {me['role']}",
            "use the key of an owner, or one person",
        )
    return (Login(me["username"], api_key),)


def _annotators(api: PeopleApi, workspace_id: str, people: int) -> tuple[Login, ...]:
    """The accounts oracle-1 to oracle-N, all members of the workspace."""
    users_by_name = {user["username"]: user for user in api.users()}
    accounts = []
    for number in range(1, people + 1):
        name = f"oracle-{number}"
        user = users_by_name.get(name) or _hire(api, name)
        api.join(workspace_id, user["id"])
        accounts.append(Login(name, user["api_key"]))
    return tuple(accounts)


def _hire(api: PeopleApi, name: str) -> dict[str, str]:
    try:
        user: dict[str, str] = api.create_annotator(name, secrets.token_urlsafe(24))
        return user
    except TakenError:
        # Another oracle was faster.
        return next(user for user in api.users() if user["username"] == name)
