"""Owns which label a text gets in the end, whose it is, and how sure; must not write files.

What people have said counts; of all other texts the last model says what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from loopd.annotation.consensus import Consensus, discarded
from loopd.data.pool import Pool
from loopd.learning.learner import Learner
from loopd.learning.predictions import Prediction
from loopd.learning.trainer import Model
from loopd.machine import State
from loopd.records import PoolId, Target

PERSON, MODEL, TWIN = "person", "model", "near duplicate"
"""Whose a label is: of people, of a model, or of people who labelled nearly the same text."""

DISCARDED = "people discarded it"
NOBODY = "nobody has labelled it"

Twins = Callable[[Sequence[PoolId], Sequence[PoolId]], Mapping[PoolId, PoolId]]
"""Gives, for those of the first texts that are nearly the same as one of the second, that one."""

AT_ONCE = 5_000
"""Texts that a model is asked about together."""


@dataclass(frozen=True, slots=True)
class TextLabel:
    """What goes out with a text.

    Attributes:
        target: the label; several; spans; ``None`` for none.
        source: ``PERSON``, ``MODEL``, ``TWIN``, or empty without a label.
        confidence: of people how sure their consensus is, of a model its probability, one of each
            where there are several labels; ``None`` where there is none.
        second: a model's next likely label.
        reason: why there is no label, or what else to know of it.
    """

    target: Target | None = None
    source: str = ""
    confidence: float | tuple[float, ...] | None = None
    second: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class Asking:
    """A model that can be asked.

    Attributes:
        learner: that made it.
        model: the last one.
        progress: called with (what, done, total).
    """

    learner: Learner
    model: Model
    progress: Callable[[str, int, int], None] = lambda *_: None

    def answers(self, texts: Mapping[str, PoolId | None]) -> dict[str, Prediction]:
        """What it says of texts, by text; of those of the pool the features are kept."""
        own = {text: id_ for text, id_ in texts.items() if id_ is not None}
        others = [text for text, id_ in texts.items() if id_ is None]
        told = dict(
            zip(own, self.learner.predictions_of(self.model, [*own.values()]), strict=True)
            if own
            else ()
        )
        for done, some in enumerate(_parts(others)):
            self.progress("predict", done * AT_ONCE, len(others))
            told |= dict(zip(some, self.learner.predictions(self.model, some), strict=True))
        return told


def _parts(texts: Iterable[str]) -> Iterable[list[str]]:
    rest = iter(texts)
    while some := list(islice(rest, AT_ONCE)):
        yield some


def _no_twins(*_: Sequence[PoolId]) -> Mapping[PoolId, PoolId]:
    return {}


@dataclass(frozen=True)
class TextLabels:
    """Labels by text.

    Attributes:
        pool: of the run.
        state: of its journal.
        consensus: of people's answers.
        asking: the model; ``None`` where nobody asks one.
        no_model: why there is no model, for people.
        twins: gives for texts those of others that are nearly the same.
    """

    pool: Pool
    state: State
    consensus: Consensus
    asking: Asking | None = None
    no_model: str = NOBODY
    twins: Twins = _no_twins
    _ids: dict[str, PoolId] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._ids.update((record.text, record.id) for record in self.pool)

    def of(self, texts: Iterable[str]) -> dict[str, TextLabel]:
        """The label of each different text."""
        by_text = {text: self._ids.get(text) for text in texts}
        own = {text: id_ for text, id_ in by_text.items() if id_ is not None}
        labelled = {text: id_ for text, id_ in own.items() if id_ in self.consensus.targets}
        open_ = {text: id_ for text, id_ in by_text.items() if text not in labelled}
        told = {} if self.asking is None else self.asking.answers(open_)
        refused = discarded(self.state)
        labels = {text: self._of_people(id_) for text, id_ in labelled.items()}
        nobodys = [id_ for id_ in open_.values() if id_ is not None and id_ not in refused]
        twins = self.twins(nobodys, list(self.consensus.targets))
        for text, id_ in open_.items():
            reason = DISCARDED if id_ in refused else ""
            twin = None if id_ is None else twins.get(id_)
            if twin is not None:
                labels[text] = self._of_twin(twin)
            else:
                labels[text] = self._of_model(told.get(text), reason)
        return labels

    def _of_twin(self, id_: PoolId) -> TextLabel:
        label = self._of_people(id_)
        return replace(label, source=TWIN, reason=f"nearly the same as {id_}")

    def _of_people(self, id_: PoolId) -> TextLabel:
        quality = self.consensus.quality.get(id_)
        return TextLabel(self.consensus.targets[id_], PERSON, quality)

    def _of_model(self, told: Prediction | None, reason: str) -> TextLabel:
        if told is None:
            return TextLabel(reason=reason or self.no_model)
        return TextLabel(told.target, MODEL, told.score, told.second, reason)
