"""Owns ``loopd check``: walks the gates of a run and says what is there; must change nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from loopd.annotation.store import Progress
from loopd.config import Config
from loopd.credentials import exposed
from loopd.errors import LoopdError
from loopd.learning.auto_classifiers import AUTO, CHEAP
from loopd.learning.classifiers.registry import WITH_WINDOWS, canonical
from loopd.learning.strategies.catalogue import STRATEGIES
from loopd.loop.audit_in_force import folds_in_force
from loopd.loop.gates import GATES, Gate, in_order
from loopd.loop.pool_source import HINT
from loopd.loop.random_fallback import PLAIN, losing_setup
from loopd.operations.check_visit import CheckVisit
from loopd.operations.label_names import sentence, undescribed
from loopd.ports import can_listen
from loopd.records import Span, Target
from loopd.storage.files import free_bytes

MUCH_UNREAD = 0.01
"""Share of all tokens from which on it is a warning that they are never read."""

LITTLE_ROOM = 256 * 2**20
"""Free bytes on the disk below which a run is warned."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor.

    Attributes:
        topic: what was looked at.
        level: ``ok``, ``warning`` or ``error``.
        text: what was found.
        hint: what to do about it; may be empty.
        exit_code: of the error, 0 otherwise.
    """

    topic: str
    level: str
    text: str
    hint: str = ""
    exit_code: int = 0


def check(
    config: Config,
    watching: Callable[[str], None] = lambda _: None,
    progress: Progress | None = None,
) -> Iterator[Finding]:
    """Walk the gates of a run, one after the other, without taking or changing anything.

    Where a run would end at the first error, all are told; what needs a gate that is closed is
    left out.

    Args:
        config: of the run.
        watching: called with the name of what is looked at next.
        progress: called with (what, done, total) during long steps.

    Yields:
        findings as they come; data and model may take a while.
    """
    visit = CheckVisit(config, progress)
    shut: set[str] = set()
    try:
        for gate in in_order(GATES, config):
            if shut.isdisjoint(gate.needs):
                watching(gate.name)
                yield from _looked(gate, visit, shut)
            else:
                shut.add(gate.name)
    finally:
        visit.close()


def _looked(gate: Gate, visit: CheckVisit, shut: set[str]) -> Iterator[Finding]:
    try:
        says = gate.look(visit)
        if says:
            yield Finding(gate.name, "ok", says)
    except LoopdError as error:
        shut.add(gate.name)
        yield Finding(gate.name, "error", error.message, error.hint, error.exit_code)
        return
    yield from REMARKS.get(gate.name, _nothing)(visit)


def _data(visit: CheckVisit) -> Iterator[Finding]:
    data = visit.datasets
    for name, report in data.reports.items():
        level = "ok" if report.is_whole else "warning"
        for line in report.lines():
            yield Finding(name, level, line)
    if data.news.sentence():
        yield Finding("pool", "warning", data.news.sentence(), HINT)
    yield from _labels(visit)
    if cryptic := undescribed(visit.config):
        hint = "write in `task.descriptions` what they mean, in a short text or two each"
        yield Finding("labels", "warning", sentence(cryptic), hint)
    yield from _setup(visit)
    if all(record.answers for record in data.pool):
        text = "every text of the pool has an answer: nothing is left to ask, no model is trained"
        yield Finding("pool", "warning", text, "leave `pool.answers` empty, or add texts")
    if data.leaks:
        text = f"{len(data.leaks)} pool texts are also in the test set, such as {data.leaks[0]}"
        yield Finding("leaks", "warning", text, "remove them: they flatter the accuracy")


def _labels(visit: CheckVisit) -> Iterator[Finding]:
    config, data = visit.config, visit.datasets
    if config.test_ask:
        text = f"people label {config.test_ask} texts first, drawn at random (test.ask)"
        yield Finding("test", "ok", f"{text}: they are the test set")
        return
    if data.test is None:
        yield _without_test_set(visit)
        return
    counts = Counter(label for record in data.test for label in _labels_of(record.gold))
    absent = [label for label in config.task.labels if not counts[label]]
    if absent:
        text = f"the test set has no text with the labels {absent}"
        yield Finding("labels", "warning", text, "their F1 is not measured")
    else:
        yield Finding("labels", "ok", f"all {len(config.task.labels)} labels are in the test set")


def _setup(visit: CheckVisit) -> Iterator[Finding]:
    """What has lost against random draws elsewhere, also where a run may come to it."""
    if text := losing_setup(_in_usual_names(visit.config)):
        may = f"{AUTO} may settle on {CHEAP}, and " if visit.config.classifier.name == AUTO else ""
        hint = "set strategy.name to auto, or a smaller queue.batch_size"
        yield Finding("strategy", "warning", f"{may}{text}", hint)


def _in_usual_names(config: Config) -> Config:
    """The configuration in the usual names, and with the cheap one of ``auto``'s classifiers."""
    classifier, strategy = canonical(config.classifier.name), config.strategy.name
    same = (name for name in PLAIN if STRATEGIES[name] == STRATEGIES.get(strategy))
    names = {
        "classifier": CHEAP if classifier == AUTO else classifier,
        "strategy": next(same, strategy),
    }
    sections = {
        key: getattr(config, key).model_copy(update={"name": name}) for key, name in names.items()
    }
    return config.model_copy(update=sections)


def _without_test_set(visit: CheckVisit) -> Finding:
    config = visit.config
    share, folds = config.audit.share, folds_in_force(config, visit.state)
    ways = [f"{share:.0%} of the records, drawn at random (audit.random_share)"] if share else []
    ways += ["cross-validation (audit.folds)"] if folds else []
    if not ways:
        hint = "name one, or set audit.random_share"
        return Finding("test", "warning", "no test set, and nothing else measures the model", hint)
    text = f"no test set: the model is measured by {', until there are enough by '.join(ways)}"
    return Finding("test", "ok", text)


def _labels_of(target: Target | None) -> tuple[str, ...]:
    if target is None or isinstance(target, str):
        return () if target is None else (target,)
    return tuple(part.label if isinstance(part, Span) else part for part in target)


def _reading(visit: CheckVisit) -> Iterator[Finding]:
    """How much of the texts the model never sees."""
    unread = visit.learner.unread()
    if unread is None:
        return
    level = "warning" if unread.tokens >= MUCH_UNREAD else "ok"
    yield Finding("reading", level, f"{unread}", _more_of_a_text(visit) if unread.tokens else "")


def _more_of_a_text(visit: CheckVisit) -> str:
    config = visit.config
    reads_windows = canonical(config.classifier.name) in (*WITH_WINDOWS, AUTO)
    if config.task.type == "spans" or not reads_windows:
        return "raise classifier.max_tokens, or split the texts"
    return "classifier.windows: mean reads all of a text, head_tail its beginning and its end"


def _key(visit: CheckVisit) -> Iterator[Finding]:
    section = visit.config.argilla
    if exposed(section):
        text = f"other users of this machine may read {section.api_key_file}"
        yield Finding("key", "warning", text, "chmod 600 it")


def _role(visit: CheckVisit) -> Iterator[Finding]:
    """What a run would say of its webhooks; it goes on without."""
    if visit.config.argilla.webhooks and visit.account()[1] != "owner":
        text = "webhooks need the key of an owner; the run polls without them"
        yield Finding("webhooks", "warning", text, "use such a key, or leave argilla.webhooks off")


def _search(visit: CheckVisit) -> Iterator[Finding]:
    """What the server searches with: people's pages show what it finds."""
    try:
        engine = visit.store.search_engine()
    except LoopdError as error:
        text = f"the server's search does not answer: {error.message}"
        yield Finding("search", "warning", text, "without it people's pages stay empty")
        return
    if engine:
        yield Finding("search", "ok", engine)


def _people(visit: CheckVisit) -> Iterator[Finding]:
    """Whether there are as many people as a record needs answers: a run would wait for ever."""
    needed = visit.config.queue.min_submitted
    try:
        accounts = visit.store.accounts().names
    except LoopdError:
        return
    if accounts and needed > len(accounts):
        text = f"a record needs {needed} answers, and Argilla has {len(accounts)} accounts"
        hint = "make more with `loopd users add`, or lower queue.min_submitted"
        yield Finding("people", "warning", text, hint)


def _disk(visit: CheckVisit) -> Iterator[Finding]:
    room = free_bytes(visit.config.run.dir)
    if room < LITTLE_ROOM:
        text = f"only {room / 2**20:.0f} MB are free on the disk of {visit.config.run.dir}"
        yield Finding("disk", "warning", text, "models and token files may not fit")


def _page(visit: CheckVisit) -> Iterator[Finding]:
    """What a run would say of its page; it goes on without."""
    section = visit.config.dashboard
    if not section.enabled:
        return
    try:
        taken = not can_listen(section.host, section.port)
    except OSError as error:
        text = f"no page: cannot listen on {section.host}: {error}"
        yield Finding("dashboard", "warning", text, "see dashboard.host")
        return
    if taken:
        text = f"port {section.port} is taken: the page will be at another one"
        yield Finding("dashboard", "warning", text, "see dashboard.port")


def _nothing(_visit: CheckVisit) -> Iterator[Finding]:
    yield from ()


REMARKS: Mapping[str, Callable[[CheckVisit], Iterator[Finding]]] = {
    "argilla": _role,
    "data": _data,
    "dataset": _people,
    "disk": _disk,
    "key": _key,
    "model": _reading,
    "server": _search,
    "webhooks": _page,
}
"""What there is to say behind a gate that is open: nothing of it keeps a run from beginning."""
