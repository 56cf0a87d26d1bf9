"""Owns `loopd start`: configuration, Argilla and the loop in one command, begun and ended together.

Must not do a step of the loop. What is slow to import waits until Argilla is on its way: both take
seconds, and there are two cores.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from loopd import log
from loopd.config import Config
from loopd.config_file import load_config
from loopd.embedded_argilla.listening import is_loopback
from loopd.embedded_argilla.process import check_installed
from loopd.errors import ConfigError, Interrupted, LoopdError
from loopd.loop.stop import Stop, on_signals
from loopd.machine import Phase, State
from loopd.starting.argilla import argilla_in
from loopd.starting.init import CONFIGURATIONS, write_configuration
from loopd.starting.options import Asker, InitOptions, labels_out, word_of
from loopd.storage.files import make_private, storage_error

if TYPE_CHECKING:
    from loopd.loop.observers import Observer

HOME = "argilla-home"
"""Folder of the embedded Argilla, beside the configuration: the one of `loopd serve`."""

LOG = "daemon.log"
"""Name of the loop's log in the folder of the run."""

POLL_SECONDS = 0.05

FIRST_PORT, PORTS = 6900, 100
"""The port of a new Argilla: the first free one of so many."""

NO_KEY = "LOOPD_NO_SUCH_VARIABLE"
"""In the place of the variable that would come before the embedded server's own key."""


@dataclass(frozen=True, slots=True)
class StartOptions:
    """What is said when everything is started.

    Attributes:
        init: what is said of the data; ``init.data`` may be the configuration itself.
        port: of Argilla; ``None``: that of the configuration, 0: any free one.
        browser: whether a browser opens where there is one.
    """

    init: InitOptions
    port: int | None = None
    browser: bool = True


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told, and who is asked.

    Attributes:
        out: takes each line for people; called from more than one thread.
        asker: who answers what cannot be guessed of the data; ``None``: nobody.
        observers: who looks on besides, for a configuration.
        progress: called with (what, done, total) during long steps.
    """

    out: Callable[[str], None]
    asker: Asker | None
    observers: Callable[[Config], Sequence[Observer]]
    progress: Callable[[str, int, int], None] | None = None


def run_start(options: StartOptions, audience: Audience) -> None:
    """Start everything, and work until Ctrl-C, a SIGTERM, or the end of the run.

    Must be called from the main thread.

    Args:
        options: what to start.
        audience: who is told, and who is asked.

    Raises:
        LoopdError: something cannot be started, or the loop fails.
    """
    path = configuration(options, audience.out, audience.asker)
    config = load_config(path)
    refuse_foreign(config)
    stop = Stop(second_kills=True)
    try:
        with ExitStack() as stack:
            stack.enter_context(on_signals(stop))
            state = _work(options, config, stop, stack, audience)
    except Interrupted:
        state = State()
    except OSError as error:
        raise storage_error(Path(error.filename or path), error) from error
    for line in last_lines(state, path):
        audience.out(line)


def _work(
    options: StartOptions, config: Config, stop: Stop, stack: ExitStack, audience: Audience
) -> State:
    check_installed()
    audience.out("Starting Argilla and loading the model ...")
    _log_to_file(config, stack)
    port = port_of(config) if options.port is None else options.port
    warming = threading.Thread(target=warm_up, args=(config, stop), name="warm up", daemon=True)
    stack.callback(_join, warming)  # a Python that ends in the middle of an import may crash
    home, workspace = config.folder / HOME, config.argilla.workspace
    there = stack.enter_context(argilla_in(home, port, workspace, stop, warming.start))
    while warming.is_alive():
        if stop.wait(POLL_SECONDS):
            audience.out("Ending, as soon as what is being loaded is there ...")
            raise Interrupted("a stop was asked for")
    if stop.is_set():
        raise Interrupted("a stop was asked for")
    from loopd.loop.daemon import run_daemon
    from loopd.starting.announcing import Announcer, RoundLines

    live = at_home(config, there.url)
    announcer = Announcer(live, there.annotator, audience.out, browser=options.browser)
    stack.enter_context(announcer.looking())
    lines = RoundLines(audience.out)
    own = Stop(second_kills=True)
    return run_daemon(live, audience.progress, (lines, *audience.observers(live)), stop=own)


def configuration(options: StartOptions, out: Callable[[str], None], asker: Asker | None) -> Path:
    """The configuration of the data, which is written unless it is there.

    Raises:
        ConfigError: it is there and says something else than the options do.
    """
    init = options.init
    if init.data.suffix.lower() in CONFIGURATIONS:
        refuse_contradictions(init, load_config(init.data))
        return init.data
    path = init.config
    if path.exists():
        config = load_config(path)
        refuse_contradictions(init, config)
        refuse_other_data(init.data, config, path)
        out(f"{path} is there, and counts")
        return path
    return write_configuration(
        with_home(options), out, asker, command="loopd start", describe=False
    )


def with_home(options: StartOptions) -> InitOptions:
    """What is said of the data, with the Argilla that will be started beside the configuration."""
    port = options.port or free_port()
    home = options.init.config.parent / HOME
    return replace(options.init, url=f"http://127.0.0.1:{port}", key_file=home / "accounts.json")


def refuse_contradictions(init: InitOptions, config: Config) -> None:
    """Refuse options that the configuration, which is there already, contradicts.

    Raises:
        ConfigError: they say different things.
    """
    pool, task = config.pool, config.task
    said = {
        "--text": (init.text, pool.text),
        "--id": (init.id, pool.id),
        "--label": (init.label, pool.label),
        "--labels": (labels_out(init.labels) or None, labels_out(task.labels)),
        "--encoding": (init.encoding, pool.encoding),
    }
    for option, (word, written) in said.items():
        if word is not None and word != written:
            raise ConfigError(
                f"{option} says {word!r}, and the configuration that is there says {written!r}",
                f"leave {option} out, or change the configuration",
            )


def refuse_other_data(data: Path, config: Config, path: Path) -> None:
    """Refuse a configuration of that name that is about another file.

    Raises:
        ConfigError: its texts come from somewhere else.
    """
    pool = config.pool.path
    if pool is None or not (pool.exists() and data.exists() and pool.samefile(data)):
        raise ConfigError(
            f"{path} is there, and its texts are not those of {data}",
            "give the new one another name: --out NAME.yaml; or go on with: "
            f"loopd start {word_of(path)}",
        )


def refuse_foreign(config: Config) -> None:
    """Refuse a configuration whose Argilla is not one that could be started here.

    Raises:
        ConfigError: it is on another machine, or the texts are in it.
    """
    if config.pool.argilla is not None:
        raise ConfigError(
            "pool.argilla: the texts are in an Argilla that is there, and `loopd start` brings one",
            "start the loop alone with `loopd run`",
        )
    parts = urlsplit(config.argilla.url)
    if parts.scheme != "http" or not is_loopback(parts.hostname or ""):
        raise ConfigError(
            f"argilla.url is {config.argilla.url}: `loopd start` brings an Argilla of its own",
            "start the loop alone with `loopd run`, or leave argilla.url out",
        )


def port_of(config: Config) -> int:
    """The port at which the configuration expects Argilla."""
    return urlsplit(config.argilla.url).port or 80


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    for port in range(FIRST_PORT, FIRST_PORT + PORTS):
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    return 0


def at_home(config: Config, url: str) -> Config:
    """The configuration with the address and the owner's key of the embedded server."""
    section = config.argilla.model_copy(
        update={
            "url": url,
            "api_key_env": NO_KEY,
            "api_key_file": config.folder / HOME / "accounts.json",
            "api_key_command": None,
        }
    )
    return config.model_copy(update={"argilla": section})


def warm_up(config: Config, stop: Stop) -> None:
    """Import what is slow and load the model once, so that it is in memory when it is needed.

    What fails here fails again where it is needed, and is told there. An import cannot be broken
    off: before and after it is seen whether anybody still wants it.

    Args:
        config: of the run.
        stop: set by whoever does not.
    """
    from loopd.learning.auto_classifiers import check
    from loopd.loop import daemon  # noqa: F401  (the slowest part of loopd itself)
    from loopd.loop.data_sets import read_data
    from loopd.loop.tools import build_learner

    if stop.is_set():
        return
    with suppress(LoopdError, ImportError):
        learner = build_learner(config, read_data(config).pool)
        if not stop.is_set():
            check(learner)


def _join(thread: threading.Thread) -> None:
    if thread.ident is not None:
        thread.join()


def _log_to_file(config: Config, stack: ExitStack) -> None:
    folder = config.run.dir
    make_private(folder)
    file = stack.enter_context((folder / LOG).open("a", encoding="utf-8", buffering=1))
    log.set_up(config.log, file)
    stack.callback(log.set_up, config.log)


def last_lines(state: State, path: Path) -> tuple[str, ...]:
    """What to do next."""
    name = word_of(path)
    if state.phase is not Phase.DONE:
        return ("", f"Ended, and nothing is lost. Go on with: loopd start {name}")
    return (
        "",
        "The run is done. Take out what people have labelled, or see how it went:",
        f"  loopd export {name}",
        f"  loopd report {name}",
    )
