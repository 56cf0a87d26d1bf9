"""Owns what a round says of texts that joined the pool, as flat numbers for the journal.

Whether they are unlike those before, and whether the model is worse on them; from that the share of
what is chosen next that they get. All follows from facts of the journal and the texts, so a round
that was killed says the same again. Must not choose anything; ``loop.fresh_share`` does.
"""

from __future__ import annotations

from bisect import bisect, bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopd.config import Config
from loopd.evaluation.drop import Drop, Judged, drop, figures
from loopd.evaluation.shift import Likeness, Side, fresh_share, newcomers
from loopd.learning.seeding import for_step
from loopd.learning.strategies.catalogue import STRATEGIES
from loopd.learning.strategies.registry import RANDOM
from loopd.loop.audit_figures import Audit
from loopd.loop.tools import Tools
from loopd.machine import State
from loopd.metrics_log.rows import number
from loopd.metrics_log.shift import INTAKES, SHARE, SINCE, WEEK
from loopd.records import JsonValue, PoolId, Target, Targets

PURPOSE = "newcomers"

MOST = 50
"""The last intakes that a round looks at; a round in which more have come skips the others."""

ENCODED = ("frozen-head", "tfidf", "auto")
"""Classifiers that have the vectors of the whole pool in any case."""

Figures = dict[str, JsonValue]


def compared_with_old(state: State, tools: Tools, audit: Audit) -> Figures:
    """Compare what has joined since the last round with the texts before; empty where none have.

    Args:
        state: what the journal says; the current round's model is trained.
        tools: the parts of the loop.
        audit: of the current round.

    Raises:
        Interrupted: a stop was asked for.
        ModelError: texts cannot be encoded.
    """
    if not state.intakes:
        return {}
    before, intakes, draws = figures_before(state), _intakes(state), _Draws.of(state, tools, audit)
    looks = list(_looks(state, tools, intakes))
    alarms = [(begin, look) for begin, look in looks if look.is_shift]
    shown = (alarms or looks)[-1][1] if looks else None
    worse = _worse(state, intakes, draws)
    counted = _Counted.of(state, tools)
    late, told = (0, None) if worse is None else (counted.late(worse[0]), worse[1])
    kept = {key: value for key, value in before.items() if not key.startswith(WEEK)}
    row: Figures = {**kept, **figures(shown, told, late), INTAKES: len(state.intakes)}
    begins = [begin for begin, _ in alarms] if number(before, "shift.unlike") != 1 else []
    if worse is not None and worse[1].is_drop and number(before, "shift.worse") != 1:
        begins.append(worse[0])
    since = _since(before, begins, counted)
    if since is not None:
        row[SINCE] = since
    row[SHARE] = 0.0 if since is None else counted.share(since)
    return row | _by_week(state, intakes, draws)


def figures_before(state: State) -> Mapping[str, JsonValue]:
    """What the last round said of new texts; empty where none had joined."""
    numbers = sorted((each for each in state.evaluated if each < state.round), reverse=True)
    return next((told for each in numbers if (told := state.evaluated[each].shift)), {})


@dataclass(frozen=True, slots=True)
class _Intakes:
    """How many texts came when.

    Attributes:
        sizes: of each intake, with that with which the run began.
        ends: texts of the pool after each of them.
    """

    sizes: tuple[int, ...]
    ends: tuple[int, ...]

    @property
    def total(self) -> int:
        """Texts of the pool."""
        return self.ends[-1]

    def first(self, intake: int) -> int:
        """Position of the first text of an intake, from 1; that of the beginning is 0."""
        return self.ends[intake - 1]


def _intakes(state: State) -> _Intakes:
    sizes = (state.intakes[0].first, *(intake.new for intake in state.intakes))
    return _Intakes(sizes, tuple(accumulate(sizes)))


# -- the texts -------------------------------------------------------------------------------------


def _looks(state: State, tools: Tools, intakes: _Intakes) -> Iterator[tuple[int, Likeness]]:
    """A look at each intake since the last round, and where the texts begin that it takes for new.

    None where the classifier has no vectors, or where they would be made for nothing else.
    """
    pool, seed = tools.data.pool, tools.config.run.seed
    if len(pool) != intakes.total or not _is_encoded(tools.config):
        return
    rows = _PoolVectors.of(tools, state.withdrawn)
    if rows is None:
        return
    seen = int(number(figures_before(state), INTAKES) or 0)
    for intake in range(max(seen, len(state.intakes) - MOST) + 1, len(state.intakes) + 1):
        tools.interrupt()
        sizes = intakes.sizes[: intake + 1]
        ends = [bisect_left(rows.positions, end) for end in intakes.ends[: intake + 1]]
        present = [end - start for start, end in pairwise((0, *ends))]
        look = newcomers(rows[: ends[-1]], present, for_step(seed, intake, PURPOSE))
        if look is not None:
            yield sum(sizes[: -look.intakes]), look


def _is_encoded(config: Config) -> bool:
    """Whether the run needs the vectors of its texts for more than this look."""
    strategy, name = config.strategy, config.classifier.name
    entry = STRATEGIES.get(strategy.name)
    is_compared = config.task.type == "single_label" and config.audit.share > 0
    is_chosen_by = entry is not None and "representation" in entry.needs
    return strategy.cold_start != RANDOM or is_compared or is_chosen_by or name in ENCODED


@dataclass(frozen=True)
class _PoolVectors:
    """The vectors of a part of the pool, of which only those are read that are asked for."""

    tools: Tools
    positions: range | NDArray[np.int64]
    width: int

    @classmethod
    def of(cls, tools: Tools, withdrawn: Collection[PoolId]) -> _PoolVectors | None:
        """Of all texts but those; ``None`` where the classifier has none."""
        pool = tools.data.pool
        one = tools.learner.vectors(pool.ids_at([0]))
        if one is None:
            return None
        every = range(len(pool))
        present = np.setdiff1d(every, pool.find(withdrawn)) if withdrawn else every
        return cls(tools, present, one.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)."""
        return len(self.positions), self.width

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, rows: Any, /) -> Any:  # as of an array
        if isinstance(rows, slice):
            return _PoolVectors(self.tools, self.positions[rows], self.width)
        positions = [self.positions[row] for row in np.asarray(rows).tolist()]
        ids = self.tools.data.pool.ids_at(positions)
        return self.tools.learner.vectors(ids)


# -- the model -------------------------------------------------------------------------------------


def _worse(state: State, intakes: _Intakes, draws: _Draws) -> tuple[int, Drop] | None:
    """Whether the model is worse on late draws, and from which position on they are late.

    Of the last intakes that with the best evidence where there is an alarm; else the first of them,
    from which on there are most draws.
    """
    found: list[tuple[int, Drop]] = []
    for intake in range(max(0, len(state.intakes) - MOST) + 1, len(state.intakes) + 1):
        first = intakes.first(intake)
        compared = drop(*draws.around(first, _seen_in(state, intake)), intake=intake)
        if compared is not None:
            found.append((first, compared))
    alarms = [each for each in found if each[1].is_drop]
    if alarms:
        return max(alarms, key=lambda each: each[1].evidence * each[1].level)
    return found[0] if found else None


def _seen_in(state: State, intake: int) -> int:
    """The first round whose model was measured after an intake; the current one if none was."""
    rounds = sorted(number_ for number_ in state.evaluated if number_ < state.round)
    counts = [number(state.evaluated[each].shift, INTAKES) or 0 for each in rounds]
    at = bisect_left(counts, intake)
    return rounds[at] if at < len(rounds) else state.round


@dataclass(frozen=True)
class _Draws:
    """The labelled random draws.

    Attributes:
        draws: (position, number of the batch, id, label) of each.
        guesses: what the model of each round said of draws, by round and id.
    """

    draws: Sequence[tuple[int, int, PoolId, Target]]
    guesses: Mapping[int, Targets]

    @classmethod
    def of(cls, state: State, tools: Tools, audit: Audit) -> _Draws:
        """Those of a run after the current round."""
        labels = tools.resolver.consensus(state, tools).targets
        positions = tools.data.pool.positions
        draws = [
            (positions[id_], batch, id_, labels[id_])
            for id_, batch in state.draws.items()
            if id_ in labels
        ]
        since = audit.since
        now = {**({} if since is None else state.predicted[since]), **audit.predicted}
        earlier = {each: said for each, said in state.predicted.items() if each < state.round}
        return cls(draws, {**earlier, state.round: now})

    def around(self, first: int, seen_in: int) -> tuple[Judged, Judged]:
        """How often the model was right about draws before a position, and from it on.

        Those before are judged by the model of the round that saw the intake first. Those after by
        the model of the round in which they were drawn, or the first one after it, but none before:
        so each has one verdict, whatever label it gets and whenever that comes.
        """
        rounds = [each for each in sorted(self.guesses) if each >= seen_in]
        before: list[bool] = []
        after: list[bool] = []
        for position, batch, id_, label in self.draws:
            side, since = (before, seen_in) if position < first else (after, batch)
            by = next((n for n in rounds if n >= since and id_ in self.guesses[n]), None)
            if by is not None and (by == seen_in or position >= first):
                side.append(self.guesses[by][id_] == label)
        return Judged(sum(before), len(before)), Judged(sum(after), len(after))


def _by_week(state: State, intakes: _Intakes, draws: _Draws) -> Figures:
    """The accuracy of the round's model on draws by the week in which their texts joined."""
    begun = 0.0 if state.started is None else state.started.at
    names = [_week(at) for at in (begun, *(intake.at for intake in state.intakes))]
    right: dict[str, list[bool]] = {}
    for position, _, id_, label in draws.draws:
        guess = draws.guesses[state.round].get(id_)
        if guess is not None:
            name = names[bisect(intakes.ends, position)]
            right.setdefault(name, []).append(guess == label)
    row: Figures = {}
    for name in sorted(right):
        row[f"{WEEK}{name}.accuracy"] = sum(right[name]) / len(right[name])
        row[f"{WEEK}{name}.draws"] = len(right[name])
    return row


def _week(at: float) -> str:
    """The week of a moment by ISO 8601, in UTC."""
    year, week, _ = datetime.fromtimestamp(at, timezone.utc).isocalendar()
    return f"{year:04d}-W{week:02d}"


# -- what follows ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Counted:
    """Positions of the texts that have a label or wait for one, in order, and of how many."""

    known: Sequence[int]
    total: int
    withdrawn: Sequence[int] = ()

    @classmethod
    def of(cls, state: State, tools: Tools) -> _Counted:
        """Those of a run."""
        ids = state.planned_ids.union(tools.resolver.consensus(state, tools).targets)
        pool, gone = tools.data.pool, state.withdrawn
        known = sorted(position for position in pool.find(ids - gone) if position >= 0)
        return cls(known, len(pool), sorted(pool.find(gone)))

    def late(self, since: int) -> int:
        """Texts from a position on that are not withdrawn."""
        gone = len(self.withdrawn) - bisect_left(self.withdrawn, since)
        return self.total - since - gone

    def share(self, since: int) -> float:
        """The share of what is chosen next that texts from a position on get."""
        late = len(self.known) - bisect_left(self.known, since)
        before = since - bisect_left(self.withdrawn, since)
        new, old = Side(self.late(since), late), Side(before, len(self.known) - late)
        return fresh_share(new, old, alarm=True)


def _since(before: Mapping[str, JsonValue], begins: Sequence[int], counted: _Counted) -> int | None:
    """From which position on texts count as new.

    An alarm that goes on is none that begins; and while texts of an earlier one have not caught up,
    they stay among the new ones.

    Args:
        before: figures of the round before.
        begins: where the texts begin that raised an alarm that was not there before.
        counted: what is known of the pool.
    """
    value = number(before, SINCE)
    since = None if value is None else int(value)
    if not begins or (since is not None and counted.share(since) > 0):
        return since
    return min(begins)
