"""Owns why nothing happens, in one sentence with what would help; pure.

Everything follows from the journal and the configuration, so that log, status, page and report say
the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from loopd.annotation.consensus import given, index_of, majorities, targets, unresolved
from loopd.config import Config
from loopd.learning.described_labels import DescribedLabels
from loopd.learning.problems.problem import problem_of
from loopd.loop.audit_draws import held_out, training
from loopd.loop.audit_in_force import in_force
from loopd.machine import Phase, State
from loopd.printable import one_line
from loopd.records import AnswerStatus, ExternalId, Span, Target, Targets, published_as

ENOUGH = 5
"""Equal labels from which it is said before the first batch is collected."""

EXAMPLES = 3
"""Unknown labels that are named."""

LONGEST = 60
"""Characters of a label that are shown."""

MORE_IN_ARGILLA = "add records to the dataset in Argilla, and start again: they join the pool"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a run does not get on.

    Attributes:
        kind: ``unanswered``, ``people``, ``second_opinions``, ``discarded``, ``unknown_labels``,
            ``unusable``, ``deleted``, ``one_kind``, ``random_draws``, ``no_model`` (the run ended
            without) or ``pool_exhausted``.
        sentence: what is wrong.
        hint: what would help.
        subject: tells obstacles of one kind apart, such as the only label.
    """

    kind: str
    sentence: str
    hint: str
    subject: str = ""


def obstacle(state: State, config: Config) -> Obstacle | None:
    """What keeps the run from getting on, the nearest cause first; ``None`` where nothing does."""
    config = in_force(config, state)
    if state.phase is Phase.DONE:
        return _ended(state, config)
    if not state.published:
        return None
    looks: tuple[Callable[[State, Config], Obstacle | None], ...] = (
        _unanswered,
        _few_people,
        _nothing_to_learn,
    )
    return next((found for look in looks if (found := look(state, config)) is not None), None)


# -- people ----------------------------------------------------------------------------------------


def _unanswered(state: State, config: Config) -> Obstacle | None:
    if _crowd(state):
        return None
    waiting = _waiting(state, config)
    if not waiting:
        return None
    section = config.argilla
    return Obstacle(
        "unanswered",
        f"Nobody has answered yet: {_count(len(waiting), 'record is', 'records are')} open.",
        f"people find them in dataset `{section.dataset}` once they are members of workspace "
        f"`{section.workspace}`; drafts do not count",
    )


def _few_people(state: State, config: Config) -> Obstacle | None:
    """Whether records wait for people who have not turned up."""
    needed = state.answers_needed(config.queue.min_submitted)
    copies = config.relabel.another_person and _asks_again(state)
    enough = max(needed, 2 if copies else 1)
    crowd = _crowd(state)
    if state.phase is not Phase.COLLECT or len(crowd) >= enough:
        return None
    if len(crowd) >= needed:
        return _second_opinions(state, config, crowd)
    # Who is there cannot have completed a record, but who has left may have.
    waiting = {id_: state.originals[id_] for id_ in _waiting(state, config)}
    left = [id_ for id_, of in waiting.items() if _spent(state, (id_, published_as(of)), crowd)]
    if not waiting:
        return None
    some = "1 person has" if len(crowd) == 1 else f"{len(crowd)} people have"
    return Obstacle(
        "people",
        f"Each record needs answers of {needed} different people, and {some} answered so far: "
        f"{len(left)} of {_count(len(waiting), 'open record', 'open records')} "
        f"{'waits' if len(left) == 1 else 'wait'} for somebody else.",
        f"have {needed - len(crowd)} more of the workspace `{config.argilla.workspace}` answer, or "
        "lower `queue.min_submitted` and start again",
        subject=f"{len(crowd)}{' all' if len(left) == len(waiting) else ''}",
    )


def _crowd(state: State) -> frozenset[str]:
    """Who has answered in this run and can answer again."""
    people = index_of(state).people
    return frozenset(person for person, answers in people.items() if answers) - state.departed


def _second_opinions(state: State, config: Config, crowd: frozenset[str]) -> Obstacle | None:
    waiting = _waiting(state, config)
    pairs = ((id_, published_as(state.originals[id_])) for id_ in waiting)
    if not waiting or not all(_spent(state, pair, crowd) for pair in pairs):
        return None
    wait = _count(len(waiting), "record waits", "records wait")
    return Obstacle(
        "second_opinions",
        f"Only one person has answered in this run, and {wait} for the second opinion of another.",
        "have another person answer, or set `relabel.another_person: false` and start again",
    )


def _spent(state: State, ids: tuple[ExternalId, ExternalId], crowd: frozenset[str]) -> bool:
    """Whether everybody has answered a record, or what it is a copy of."""
    return all(any(_is_there(state, each, person) for each in ids) for person in crowd)


def _is_there(state: State, id_: ExternalId, person: str) -> bool:
    answer = state.answers.get((id_, person))
    return answer is not None and answer.status is not AnswerStatus.WITHDRAWN


def _asks_again(state: State) -> bool:
    return state.all_planned.copies > 0


def _waiting(state: State, config: Config) -> frozenset[ExternalId]:
    another = config.relabel.another_person
    needed = state.answers_needed(config.queue.min_submitted)
    return unresolved(state, needed, another_person=another)


# -- labels ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Lack:
    """Why no model can be trained: kind and subject of the obstacle, a clause, and a hint."""

    kind: str
    clause: str
    hint: str
    subject: str = ""


def _nothing_to_learn(state: State, config: Config) -> Obstacle | None:
    if state.trained and max(state.trained) >= state.round - 1:
        return None  # a model was trained just now
    if state.batches and all(item.test for item in state.batch.items):
        return None  # people label the test set first
    lack = _lack(state, config)
    if lack is None or _is_early(state, config):
        return None
    sentence = f"{lack.clause[0].upper()}{lack.clause[1:]}."
    return Obstacle(lack.kind, sentence, lack.hint, lack.subject)


def _is_early(state: State, config: Config) -> bool:
    """Whether the first answers of the first batch happen to be alike."""
    if state.collected or state.round > 0 or not _waiting(state, config):
        return False
    return sum(index_of(state).people.values()) < ENOUGH


def _ended(state: State, config: Config) -> Obstacle | None:
    if not state.rounds_measured and (lack := _lack(state, config)) is not None:
        hint = "start again with another configuration, such as a higher `stopping.label_budget`"
        if _is_used_up(state):
            more = "begin a new run with more texts"
            if config.pool.argilla is not None:
                more = MORE_IN_ARGILLA
            hint = f"every text of the pool was asked: {more}"
        sentence = f"The run ended without a model: {lack.clause}."
        return Obstacle("no_model", sentence, hint, lack.kind)
    if _is_used_up(state):
        return Obstacle(
            "pool_exhausted",
            "Every text of the pool was asked: nothing is left to label.",
            "new texts need a new run, with another run.dir and argilla.dataset"
            if config.pool.argilla is None
            else MORE_IN_ARGILLA,
        )
    return None


def _is_used_up(state: State) -> bool:
    return state.stopped is not None and state.stopped.reason == "pool_exhausted"


def _lack(state: State, config: Config) -> _Lack | None:
    """Why no model can be trained on the answers so far, ``None`` if one can."""
    if _can_fit(state, config):
        return None
    labels = targets(state)
    trains = training(labels, state, config.audit.share)
    if not labels:
        return _unlabelled(state)
    if not trains:
        clause = f"all {len(labels)} labels so far are random draws, from which no model may learn"
        return _Lack("random_draws", clause, "go on labelling: most records are no random draws")
    return _alike(trains, config.task.type)


def _can_fit(state: State, config: Config) -> bool:
    """Whether a model can be trained; looks at no more labels than it takes to see it."""
    empty = config.task.type != "multi_label" or config.task.none_label is not None
    problem = problem_of(config.task.type, config.task.labels, allow_empty=empty)
    held = held_out(state, config.audit.share)
    different = set(DescribedLabels.of(config.task.descriptions, problem).targets)
    if problem.can_fit(list(different)):
        return True
    for record_id, target in majorities(state):
        if record_id not in held and target not in different:
            different.add(target)
            if problem.can_fit(list(different)):
                return True
    return False


def _unlabelled(state: State) -> _Lack:
    """Why answers are no labels."""
    answers = [answer for answer in given(state) if answer.external_id not in state.deleted]
    kinds = Counter(answer.status for answer in answers)
    total, unknown = len(answers), kinds[AnswerStatus.INVALID]
    if not total:
        gone = "all answered records are gone from Argilla" if state.answers else "nobody answered"
        return _Lack("deleted" if state.answers else "unanswered", gone, "go on labelling")
    if not unknown:
        return _Lack("discarded", f"all {total} answers so far are discards", _ASK_THEM)
    strange = (each.value for each in answers if each.status is AnswerStatus.INVALID)
    values = Counter(one_line(str(value)[:LONGEST]) for value in strange)
    named = ", ".join(f"`{value}`" for value, _ in values.most_common(EXAMPLES))
    mend = "make the question in Argilla and `task.labels` the same; other labels need a new run"
    if unknown == total:
        clause = f"all {total} answers so far have labels that the task lacks, such as {named}"
        return _Lack("unknown_labels", clause, mend)
    clause = (
        f"none of the {total} answers so far is a label: {kinds[AnswerStatus.DISCARDED]} are "
        f"discards, and {unknown} have labels that the task lacks, such as {named}"
    )
    return _Lack("unusable", clause, mend)


def _alike(trains: Targets, kind: str) -> _Lack:
    """That all labels are one."""
    count, first = len(trains), next(iter(trains.values()))
    texts = _count(count, "answered text", "answered texts")
    if kind == "spans":
        clause = f"nothing is marked in the {texts} so far, and a model needs one span at least"
    elif kind == "multi_label":
        clause = f"the {texts} so far have the same labels ({_shown(first)}), and a model needs two"
        clause += " texts that differ"
    else:
        only = "the only label so far is" if count == 1 else f"all {count} labels so far are"
        clause = f"{only} {_shown(first)}, and a model needs two different ones"
    return _Lack("one_kind", clause, _GO_ON, subject=_shown(first))


_ASK_THEM = "ask people why: the labels or the guidelines may not fit these texts"
_GO_ON = (
    "go on labelling: the next batch brings other texts; where a label is rare, begin a new run "
    "with answered examples of it (`pool.answers`)"
)


def _shown(target: Target) -> str:
    """A target in words."""
    if isinstance(target, str):
        return f"`{one_line(target[:LONGEST])}`"
    names = [each.label if isinstance(each, Span) else each for each in target]
    return ", ".join(f"`{one_line(name[:LONGEST])}`" for name in names) or "none"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
