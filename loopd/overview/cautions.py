"""Owns what somebody who looks at a run should be warned of; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from loopd.annotation.consensus import index_of
from loopd.config import Config
from loopd.loop.audit_in_force import folds_in_force, in_force
from loopd.loop.fresh_share import due
from loopd.loop.obstacles import obstacle
from loopd.loop.queue_words import queue_limit
from loopd.loop.random_fallback import grounds
from loopd.machine import Phase, State
from loopd.metrics_log.rows import number
from loopd.metrics_log.shift import is_alarm, shift_sentence
from loopd.overview.wording import moment
from loopd.printable import one_line

LOW_AGREEMENT = 0.667
"""Krippendorff's alpha below which he draws no conclusions (Content Analysis, 3rd ed., ch. 12)."""

NAMED = 3
"""Examples in a warning."""


@dataclass(frozen=True, slots=True)
class Outage:
    """Argilla does not answer.

    Attributes:
        since: seconds since 1970.
        problem: what the last attempt met.
    """

    since: float
    problem: str


def cautions(state: State, config: Config, outage: Outage | None, failure: str) -> tuple[str, ...]:
    """Warnings, one sentence each, the worst first."""
    return (
        *_broken(outage, failure),
        *_obstacle(state, config),
        *_limited(state, config),
        *_deleted(state),
        *_unknown(state),
        *_disagreeing(state),
        *_unmeasured(state, config),
        *_behind(state, config),
        *_unlike(state, config),
    )


def _broken(outage: Outage | None, failure: str) -> Iterator[str]:
    if failure:
        yield f"The daemon ended with an error: {one_line(failure)}"
    if outage is not None:
        since = moment(outage.since)
        yield f"Argilla does not answer since {since}: {one_line(outage.problem)}"


def _obstacle(state: State, config: Config) -> Iterator[str]:
    """Why nothing happens."""
    problem = obstacle(state, config)
    if problem is not None:
        yield f"{problem.sentence} What would help: {problem.hint}."


def _limited(state: State, config: Config) -> Iterator[str]:
    """What somebody has set and what lets people wait."""
    limit = queue_limit(state, config) if state.phase is not Phase.DONE else None
    if limit is not None:
        sentence, hint = limit
        yield f"{sentence} What would help: {hint}."


def _deleted(state: State) -> Iterator[str]:
    if count := sum(not state.is_withdrawn(id_) for id_ in state.deleted):
        gone = "1 published record is" if count == 1 else f"{count} published records are"
        yield f"{gone} gone from Argilla, and not asked for any more."


def _unknown(state: State) -> Iterator[str]:
    strange = Counter(
        str(state.answers[key].value)
        for key in sorted(index_of(state).invalid)
        if key[0] not in state.deleted
    )
    if strange:
        examples = ", ".join(one_line(value[:60]) for value, _ in strange.most_common(NAMED))
        total = strange.total()
        left_out = "1 answer is" if total == 1 else f"{total} answers are"
        yield f"{left_out} left out, because the task lacks such labels: {examples}"


def _disagreeing(state: State) -> Iterator[str]:
    if not state.trained:
        return
    alpha = number(state.trained[max(state.trained)].consensus, "consensus.alpha")
    if alpha is not None and alpha < LOW_AGREEMENT:
        yield (
            f"Annotators agree little (Krippendorff's alpha {alpha:.2f}): "
            "read the guidelines with them."
        )


def _unmeasured(state: State, config: Config) -> Iterator[str]:
    share, folds = in_force(config, state).audit.share, folds_in_force(config, state)
    is_measured = config.test is not None or share > 0 or folds > 0
    if is_measured or state.phase is Phase.NEW:
        return
    target = config.stopping.target_accuracy
    never = ""
    if target is not None:
        never = f", so that `stopping.target_accuracy: {target:g}` is never met"
    yield (
        "Nothing is measured: there is no test set, and the run has neither random draws nor a "
        f"cross-validation{never}. What would help: set `audit.folds: 5`, and start again."
    )


def _behind(state: State, config: Config) -> Iterator[str]:
    """That choosing does not pay, as long as anything is still chosen."""
    said = grounds(state) if state.phase is not Phase.DONE else ""
    share = config.audit.fallback_share
    if said and share > 0:
        yield f"{said} So {share:.0%} of what is chosen next is drawn at random and trains."
    elif said:
        yield f"{said} What would help: set `audit.fallback_share: 0.5`, and start again."


def _unlike(state: State, config: Config) -> Iterator[str]:
    """That new texts are unlike the others, as long as anything is still chosen."""
    told = state.evaluated[max(state.evaluated)].shift if state.evaluated else {}
    if state.phase is Phase.DONE or not is_alarm(told):
        return
    share, _ = due(state, config)
    rest = "What would help: look at some of them; guidelines and labels may have to say more."
    given = f"So {share:.0%} of what is chosen next comes from the new texts. " if share else ""
    yield f"{shift_sentence(told)} {given}{rest}"
