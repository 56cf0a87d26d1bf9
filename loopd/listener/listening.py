"""Owns the life of one listener: its thread, its waits, and how it ends.

Must not decide when its action is due; :mod:`loopd.listener.firing` does.
"""

from __future__ import annotations

import difflib
import inspect
import random
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from loopd import log
from loopd.annotation.http_client import Front
from loopd.annotation.http_errors import soon_contact
from loopd.annotation.watcher import Pace
from loopd.listener.argilla_source import Address
from loopd.listener.filters import Condition, DefinitionError, Filters, parse
from loopd.listener.firing import Context, Firing, RecordSource, Rule, Search
from loopd.loop.retry_loop import RetryLoop

Action = Callable[..., object]
"""``action(records, ctx)``, or ``action(ctx)`` where ``with_records`` is off."""

MAX_BACKOFF = 30.0
"""Longest wait in seconds between two tries while Argilla is away."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How often to look.

    Attributes:
        interval: seconds between two looks at the trigger.
        sweep: seconds between two looks at everything while the trigger does not move.

    Raises:
        DefinitionError: one of them is not above zero.
    """

    interval: float
    sweep: float

    def __post_init__(self) -> None:
        for seconds in (self.interval, self.sweep):
            if not seconds > 0:
                raise DefinitionError(f"an interval of {seconds} s is too short")


class Listener:
    """Calls an action when its rule says so, in a thread of its own or in the caller's.

    Made by :func:`listener`. What it was called for and its ``query_params`` outlive
    :meth:`stop`, not the process.

    Args:
        action: the decorated function.
        rule: when to call it.
        params: parameters of the filters.
        connect: finds the dataset; may raise ``TransientError``.
        timing: how often to look.
        with_records: whether the action takes the records.
    """

    def __init__(
        self,
        action: Action,
        rule: Rule,
        params: dict[str, Any],
        connect: Callable[[], RecordSource],
        timing: Timing,
        *,
        with_records: bool = True,
    ) -> None:
        self.action = action
        self.context = Context(params, self._ask_to_stop)
        self._connect = connect
        self._timing = timing
        self._with_records = with_records
        self._firing = Firing(rule, self.context, Pace(timing.sweep, time.monotonic))
        self._wish = threading.Event()
        self._ended = threading.Event()
        self._ended.set()
        self._claim = threading.Lock()
        self._worker: threading.Thread | None = None
        self._own_thread = False
        self._error: BaseException | None = None
        self.__doc__ = action.__doc__
        self.__name__ = getattr(action, "__name__", "listener")

    def start(self) -> None:
        """Listen in a thread of its own, and return at once.

        The thread is a daemon: it does not keep a script alive; use :meth:`run` or :meth:`join`.

        Raises:
            RuntimeError: it is running.
        """
        name = f"listener-{self.__name__}"
        worker = threading.Thread(target=self._in_background, name=name, daemon=True)
        self._begin(worker, own_thread=True)
        worker.start()

    def run(self) -> None:
        """Listen here, until :meth:`stop` is called from elsewhere or ``ctx.stop()`` in the action.

        Raises:
            LoopdError: Argilla refuses for a reason that waiting cannot mend.
            Exception: what the action or the condition raised.
            RuntimeError: it is running.
        """
        self._begin(threading.current_thread(), own_thread=False)
        try:
            self._listen()
        finally:
            self._ended.set()

    __call__ = run

    def stop(self, timeout: float | None = 60.0) -> None:
        """End it: a wait ends at once, a call of the action is waited for.

        From inside the action it only leaves the wish, as ``ctx.stop()`` does.

        Args:
            timeout: seconds to wait at most; ``None`` is for ever.

        Raises:
            TimeoutError: the action (or a request) is still at work; the listener ends after it.
            Exception: what ended the listener before; see :meth:`join`.
        """
        self._ask_to_stop()
        self.join(timeout)

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended.

        Args:
            timeout: seconds to wait at most; ``None`` is for ever.

        Raises:
            TimeoutError: it goes on.
            Exception: the action, the condition or Argilla failed in the background, now or before.
        """
        worker = self._worker
        if worker is threading.current_thread():
            return
        if not self._ended.wait(timeout):
            raise TimeoutError(f"`{self.__name__}` is still at work after {timeout} s")
        if worker is not None and self._own_thread:
            worker.join()
        if self._error is not None:
            raise self._error

    def is_running(self) -> bool:
        """Whether it listens or its action is at work."""
        return not self._ended.is_set()

    # -- inside --------------------------------------------------------------------------------

    def _ask_to_stop(self) -> None:
        self._wish.set()

    def _begin(self, worker: threading.Thread, *, own_thread: bool) -> None:
        with self._claim:
            if self.is_running():
                raise RuntimeError(f"`{self.__name__}` is running already")
            self._worker, self._own_thread = worker, own_thread
            self._ended.clear()
            self._wish.clear()
            self._error = None

    def _in_background(self) -> None:
        try:
            self._listen()
        except BaseException as error:  # noqa: BLE001 - a thread's edge: stop() and join() raise it
            self._error = error
            log.get("listener").warning(
                "listener_failed",
                listener=self.__name__,
                kind=type(error).__name__,
                problem=str(error),
            )
        finally:
            self._ended.set()

    def _listen(self) -> None:
        patience = RetryLoop(
            wait=self._wish.wait,
            monotonic=time.monotonic,
            max_backoff=MAX_BACKOFF,
            part="listener",
            seed=random.getrandbits(32),
        )
        self._firing.begin()
        source = patience.attempt(soon_contact(self._connect, time.monotonic))
        while source is not None and not self._wish.is_set():
            self._step(patience, source)
            self._wish.wait(self._timing.interval)

    def _step(self, patience: RetryLoop, source: RecordSource) -> None:
        search = patience.attempt(lambda: self._firing.look(source))
        if search is None or self._wish.is_set() or not self._firing.due(search):
            return
        self.context.search, self.context.dataset = search, source.dataset
        if self._with_records:
            self.action(list(search.records), self.context)
        else:
            self.action(self.context)
        self._firing.fired()


def listener(  # noqa: PLR0913 - keywords only, those of version 1 and where Argilla is
    *,
    dataset: Any,
    workspace: Any = None,
    filters: Sequence[Condition] | Condition = (),
    query: str | None = None,
    condition: Callable[[Search], object] | None = None,
    with_records: bool = True,
    execution_interval_in_seconds: float = 30,
    sweep_interval_in_seconds: float = 30,
    refire: bool = False,
    client: Any = None,
    api_url: str | None = None,
    api_key: str | None = None,
    headers: Mapping[str, str] | None = None,
    ca_file: str | Path | None = None,
    client_cert: str | Path | None = None,
    **query_params: Any,
) -> Callable[[Action], Listener]:
    """Call the decorated function when a condition on a dataset's records holds.

    Once for each state of records and answers in which it holds; see :mod:`loopd.listener.firing`.

    Args:
        dataset: its name, or an ``rg.Dataset``.
        workspace: its name; may be left out where the dataset's name is in one workspace only.
        filters: conditions as in ``rg.Filter``; values may name parameters in braces.
        query: text to search for in the records; may name parameters.
        condition: gets a :class:`Search`; without one, any matching record will do.
        with_records: ``False`` calls ``action(ctx)`` instead of ``action(records, ctx)``.
        execution_interval_in_seconds: between two looks.
        sweep_interval_in_seconds: after so long all records are read even if Argilla's
            ``last_activity_at`` did not move, as it does not for bulk answers and new records.
        refire: call at every look while the condition holds, as version 1 did.
        client: an ``rg.Argilla``.
        api_url, api_key: of a client to be made. Without all three it is the SDK's default one.
        headers: also sent by that client, such as the token of a private Space.
        ca_file: PEM certificates that it trusts in addition to the public ones.
        client_cert: PEM file of the certificate that it shows, with its key.
        query_params: the parameters, and whatever the action finds in ``ctx.query_params``.

    Raises:
        DefinitionError: something above cannot work.
    """
    rule = Rule(_conditions(filters, query, query_params), condition, refire)
    front = _front(headers, ca_file, client_cert)
    address = Address(dataset, workspace, client, api_url=api_url, api_key=api_key, front=front)
    timing = Timing(execution_interval_in_seconds, sweep_interval_in_seconds)
    make = partial(Listener, connect=address.connect, timing=timing, with_records=with_records)
    return lambda action: make(action, rule, dict(query_params))


def _conditions(
    filters: Sequence[Condition] | Condition, query: str | None, params: Mapping[str, Any]
) -> Filters:
    """What a record must be like, where the parameters fit it."""
    conditions = parse(filters, query)
    _refuse_misspelt(params.keys() - conditions.names())
    conditions.check(params)
    return conditions


def _front(
    headers: Mapping[str, str] | None, ca_file: str | Path | None, client_cert: str | Path | None
) -> Front | None:
    """What lies before Argilla, ``None`` where nothing is said of it."""
    if not (headers or ca_file or client_cert):
        return None
    ca, cert = (None if path is None else Path(path) for path in (ca_file, client_cert))
    return Front(tuple((headers or {}).items()), ca, cert)


def _refuse_misspelt(params: Collection[str]) -> None:
    """Of keywords that no filter uses, one that is almost an option is a slip."""
    options = [name for name in inspect.signature(listener).parameters if name != "query_params"]
    for name in sorted(params):
        if name == "metrics":
            raise DefinitionError("Argilla 2 has no `metrics`: compute them in the action")
        near = difflib.get_close_matches(name, options, n=1, cutoff=0.7)
        if near:
            raise DefinitionError(f"unknown option `{name}`; did you mean `{near[0]}`?")
