"""Owns active learning in a program of one's own: no server, no journal, no files to keep.

Must not choose or train anything itself: that is the same learner as the daemon's.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from loopd.config_file import parse_config
from loopd.data.cells import Labels, Unusable, cells_of
from loopd.errors import ConfigError, DataError
from loopd.interactive.pool import Keys, TextPool
from loopd.learning.auto_classifiers import AUTO
from loopd.learning.strategies.registry import refuse_unfit
from loopd.learning.trainer import Model
from loopd.loop.tools import build_learner
from loopd.records import PoolId, Target
from loopd.tasks.registry import build_task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Self

Settings: TypeAlias = "str | Mapping[str, object]"
"""A name, or the keys of a section of the configuration."""

Kind: TypeAlias = Literal["single_label", "multi_label", "spans"]

QUICK, TAGGER = "frozen-head", "transformer"
"""The classifier unless the program names one: of texts, and of spans."""


class InteractiveLearner:
    """Asks for the labels that help most, learns from them, and predicts; as in scikit-learn.

    Nothing is loaded or trained before it is needed. The same seed and the same labels give the
    same choice and the same model.

    Args:
        pool: the texts to choose from; or a list of them, whose ids are then the positions.
        labels: names of the labels; columns of probabilities are in their order.
        task: the kind: one label for each text, any number of them, or labelled spans of it.
        classifier: name, or a mapping of the keys of `classifier` in a configuration; without it
            ``frozen-head``, and ``transformer`` for spans.
        strategy: query strategy: name, or a mapping of the keys of `strategy`.
        seed: of everything that is left to chance.

    Raises:
        ConfigError: a setting is wrong, with all problems in one line.
        DataError: a text cannot be used.
        ModelError: the strategy does not fit the task.
    """

    def __init__(
        self,
        pool: TextPool | Iterable[str],
        labels: Iterable[str],
        *,
        task: Kind = "single_label",
        classifier: Settings | None = None,
        strategy: Settings = "auto",
        seed: int = 0,
    ) -> None:
        if isinstance(labels, str):
            raise ConfigError("one name is no list of labels", "write ['yes', 'no']")
        self.pool = pool if isinstance(pool, TextPool) else TextPool(pool)
        folder = Path(tempfile.mkdtemp(prefix="loopd-learner-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        model = classifier or (TAGGER if task == "spans" else QUICK)
        content = {
            "run": {"dir": str(folder), "seed": seed},
            "task": {"type": task, "labels": list(labels)},
            "pool": {"path": "the program's own texts"},
            "classifier": _section(model),
            "strategy": _section(strategy),
        }
        self._config = parse_config(content, Path.cwd())
        refuse_unfit(self._config.strategy, task)
        if self._config.classifier.name == AUTO:
            raise ConfigError("`auto` decides between two classifiers in a run", "name one here")
        self._task = build_task(self._config.task)
        self._cells = cells_of(task, Labels(self._config.task.labels))
        self._keys = Keys(self.pool)
        self._learner = build_learner(self._config, self._keys.records)
        self._targets: dict[PoolId, Target] = {}
        self._asked: set[PoolId] = set()
        self._round = 0
        self._model: Model | None = None

    def __repr__(self) -> str:
        model, strategy = self._config.classifier.name, self._config.strategy.name
        labelled = f"{len(self._targets):,} of {len(self._keys.records):,} texts labelled"
        return f"<loopd learner: {labelled}, {model}, {strategy}>"

    @property
    def classes_(self) -> tuple[str, ...]:
        """The labels, in the order of the columns of ``predict_proba``."""
        return self._config.task.labels

    @property
    def labelled(self) -> dict[Hashable, Target]:
        """What was taught so far, by id."""
        return {self._keys.id_of(key): target for key, target in self._targets.items()}

    def query(self, n: int = 10) -> list[Any]:  # ids are whatever the program has
        """The ids of the texts whose labels help most, the most informative first.

        As long as there are too few labels for a model, they are those from which it is best to
        start. What was asked for is not asked for again, labelled or not.

        Args:
            n: how many; fewer are returned where fewer are left.

        Raises:
            ConfigError: that is no number of texts.
            ModelError: the strategy cannot be built, or fails.
        """
        if n < 1:
            raise ConfigError(f"query({n}): there is nothing to ask for", "ask for 1 text at least")
        labelled, number = self._targets, self._round
        exclude = self._asked - labelled.keys()
        if self._learner.can_fit(labelled):
            choice = self._learner.choose(
                self._fitted(), n, round=number, targets=labelled, exclude=exclude
            )
        else:
            choice = self._learner.first_batch(n, round=number, exclude=exclude, targets=labelled)
        keys = [item.record_id for item in choice.items]
        self._asked.update(keys)
        self._round += 1
        return [self._keys.id_of(key) for key in keys]

    def teach(self, ids: Iterable[Hashable], labels: Iterable[object]) -> Self:
        """Add labels to what is known; a later label of a text replaces an earlier one.

        A model is trained when one is needed next.

        Args:
            ids: of texts, such as ``query`` gave them; any others of the pool will do.
            labels: one for each id: a name; a list of names; or a list of spans, each an object
                with ``start``, ``end`` and ``label``, or a tuple of the three.

        Raises:
            DataError: an id or a label does not exist, or there are more of one than of the other.
        """
        self._targets |= self._told(ids, labels)
        self._model = None
        return self

    def fit(self, ids: Iterable[Hashable], labels: Iterable[object]) -> Self:
        """Forget what was taught, learn from these labels alone, and train at once.

        Args:
            ids, labels: as for ``teach``.

        Raises:
            DataError: as ``teach`` does.
            ModelError: too few labels to train on, or the training fails.
        """
        self._targets = self._told(ids, labels)
        self._model = None
        self._fitted()
        return self

    def predict(self, texts: TextPool | Iterable[str]) -> NDArray[np.object_]:
        """The most likely label of each text (n,): names; tuples of names or of spans.

        Raises:
            DataError: something is no text.
            ModelError: too few labels to train on, or the training fails.
        """
        import numpy as np

        listed = _texts(texts)
        predicted = self._learner.predict(self._fitted(), listed) if listed else []
        array = np.empty(len(listed), dtype=object)
        for position, target in enumerate(predicted):
            array[position] = target
        return array

    def predict_proba(self, texts: TextPool | Iterable[str]) -> NDArray[np.floating[Any]]:
        """Probabilities (n, labels), columns in the order of ``classes_``; not for spans.

        Raises:
            ConfigError: spans have no probability of a text.
            DataError, ModelError: as ``predict`` does.
        """
        if self._task.kind == "spans":
            raise ConfigError("spans have no probability of a text", "use `predict`")
        return self._learner.predict_proba(self._fitted(), _texts(texts))

    def score(self, texts: TextPool | Iterable[str], labels: Iterable[object]) -> float:
        """How good the model is: accuracy; micro-F1 for several labels, entity F1 for spans.

        Args:
            texts: labelled ones that the learner was not taught.
            labels: the right ones, in the order of the texts, written as for ``teach``.

        Raises:
            DataError: there are none, or a label does not exist.
            ModelError: as ``predict`` does.
        """
        from loopd.evaluation.metrics import measure

        listed, told = _texts(texts), list(labels)
        if len(listed) != len(told):
            raise DataError(f"{len(listed)} texts and {len(told)} labels", "give one for each")
        gold = [self._target(label, text) for text, label in zip(listed, told, strict=True)]
        figures: Mapping[str, Any] = measure(self._task, gold, list(self.predict(listed)))
        return float(figures[self._task.metric])

    def _fitted(self) -> Model:
        if self._model is None:
            self._model = self._learner.fit(self._round, self._targets)
        return self._model

    def _told(self, ids: Iterable[Hashable], labels: Iterable[object]) -> dict[PoolId, Target]:
        """Labels by what the learner calls their texts; all of them are checked first."""
        keys, told = [self._keys.key(id_) for id_ in ids], list(labels)
        if len(keys) != len(told):
            raise DataError(f"{len(keys)} ids and {len(told)} labels", "give one for each")
        texts = self._keys.records
        return {
            key: self._target(label, texts[key].text) for key, label in zip(keys, told, strict=True)
        }

    def _target(self, label: object, text: str) -> Target:
        """A label as the learner has it.

        Raises:
            DataError: the task has no such label.
        """
        listed = list(label) if isinstance(label, (tuple, set, frozenset)) else label
        try:
            target = self._cells.target(listed, text)
        except Unusable as trouble:
            raise DataError(f"label {label!r}: {trouble.reason}", self._hint()) from None
        if target is None:
            raise DataError(f"label {label!r} says nothing", self._hint())
        return target

    def _hint(self) -> str:
        return f"the labels are {', '.join(self.classes_[:12])}"


def _section(settings: Settings) -> dict[str, object]:
    return {"name": settings} if isinstance(settings, str) else dict(settings)


def _texts(texts: TextPool | Iterable[str]) -> Sequence[str]:
    """The texts, as many as they are.

    Raises:
        DataError: it is one text, or something in it is none.
    """
    if isinstance(texts, TextPool):
        return texts.texts
    if isinstance(texts, str):
        raise DataError("one text is no list of texts", "write [text]")
    listed = list(texts)
    for position, text in enumerate(listed):
        if not isinstance(text, str):
            raise DataError(f"text {position} is a {type(text).__name__}", "write a string")
    return listed
