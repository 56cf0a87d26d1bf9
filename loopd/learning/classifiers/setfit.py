"""Owns SetFit, through the setfit package, as a small-text classifier; a reference, not a default.

Imports small-text at once, so the registry imports this module at the first use; setfit and
sentence-transformers only where they are needed.
"""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from small_text import Classifier
from small_text.classifiers.classification import EmbeddingMixin

from loopd.errors import ModelError
from loopd.installation import add_extra
from loopd.learning.arrays import Options, Proba, Tensors, Vectors, Weights
from loopd.learning.classifiers.contract import ClassifierContext
from loopd.learning.classifiers.linear import LinearHead, fit_head, from_tensors
from loopd.learning.classifiers.source import locate, refuse_code
from loopd.learning.dataset import IndexedDataset
from loopd.learning.features.frozen import FrozenFeatures, FrozenRepresentation
from loopd.learning.features.intakes import PoolRows

if TYPE_CHECKING:
    import setfit
    from sentence_transformers import SentenceTransformer

    from loopd.learning.classifiers.backbone import Backbone

BODY = "body."
"""Prefix of the encoder's weights in the saved form."""

TEXTS_AT_ONCE = 256
"""Texts that are embedded between two looks at whether a stop was asked for."""

NEEDED = ("setfit", "sentence_transformers", "accelerate")


class SetFitFactory:
    """Makes SetFit classifiers: pairs of texts tune the encoder, then a logistic head.

    Source: Tunstall et al. 2022 (2209.11055); the package setfit, which does the tuning.

    Raises:
        ModelError: setfit is not installed, an option has a value that cannot be meant, or a text
            may have several labels.
    """

    OPTIONS: ClassVar[Options] = {
        "iterations": 20,
        "epochs": 1,
        "max_steps": None,
        "batch_size": 16,
        "learning_rate": 2e-5,
        "head_c": 1.0,
    }
    """Pairs of each kind drawn for each text (``num_iterations``), passes over them, most optimiser
    steps (empty: no limit), pairs of a step, learning rate, and the head's inverse penalty."""

    def __init__(self, context: ClassifierContext) -> None:
        self._context = context
        self.options = {**self.OPTIONS, **context.section.options}
        self.num_classes = context.num_classes
        if context.multi_label:
            raise _one_label_only()
        _refuse_missing_packages()
        _refuse_bad_values(self.options)

    @cached_property
    def pristine(self) -> SentenceTransformer:
        """The pretrained ``SentenceTransformer``; a folder without pooling gets mean pooling."""
        import torch
        from sentence_transformers import SentenceTransformer

        from loopd.learning.classifiers.backbone import explained

        section = self._context.section
        if section.threads:
            torch.set_num_threads(section.threads)
        refuse_code(section.model)
        device = None if section.device == "auto" else section.device
        with quietly(), explained(section.model):
            body = SentenceTransformer(
                locate(section.model),
                device=device,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        body.max_seq_length = min(section.max_tokens, body.max_seq_length or section.max_tokens)
        return body

    @cached_property
    def pool_features(self) -> NDArray[np.object_]:
        """The texts of the pool."""
        return self.encode(self._context.pool.texts)

    @cached_property
    def representation(self) -> FrozenRepresentation:
        """The frozen encoder's last layer, the same file as for the other encoders."""
        return FrozenRepresentation(self._frozen)

    @property
    def screening(self) -> PoolRows:
        """Features of the frozen encoder, by which a big pool is narrowed."""
        return self._frozen.pool

    @cached_property
    def _frozen(self) -> FrozenFeatures:
        return FrozenFeatures(self._context, lambda: self._backbone)

    @cached_property
    def _backbone(self) -> Backbone:
        from loopd.learning.classifiers.backbone import Backbone

        return Backbone(self._context.section)

    def encode(self, texts: Sequence[str], fingerprint: str | None = None) -> NDArray[np.object_]:
        """The texts as an array."""
        del fingerprint
        array = np.empty(len(texts), dtype=object)
        array[:] = list(texts)
        return array

    def new(self, seed: int) -> SetFitClassifier:
        """A classifier with the pretrained weights."""
        return SetFitClassifier(self, copy.deepcopy(self.pristine), seed)

    def save(self, classifier: SetFitClassifier) -> Tensors:
        """The encoder's weights and the head."""
        body = {
            BODY + name: weight.detach().cpu().numpy()
            for name, weight in classifier.body.named_parameters()
        }
        return {**body, **classifier.head.tensors()}

    def load(self, tensors: Tensors) -> SetFitClassifier:
        """The classifier with saved weights."""
        import torch

        classifier = self.new(0)
        with torch.no_grad():
            for name, weight in classifier.body.named_parameters():
                saved = torch.from_numpy(tensors[BODY + name])
                if saved.shape != weight.shape:
                    raise ValueError(f"{name} has another shape")
                weight.copy_(saved)
        classifier.head = from_tensors(tensors, self.num_classes)
        return classifier

    def describe(self) -> str:
        """Model and device."""
        device = self.pristine.device
        size = sum(weight.numel() for weight in self.pristine.parameters()) / 1e6
        return f"setfit over {self._context.section.model} ({size:.1f} M parameters, {device})"

    def tick(self, what: str, done: int, total: int) -> None:
        """Between two steps of anything long."""
        self._context.interrupt()
        self._context.progress(what, done, total)


class SetFitClassifier(Classifier, EmbeddingMixin):  # type: ignore[misc] # small-text is not typed
    """An encoder tuned by setfit with a logistic head, as a small-text classifier.

    Args:
        factory: the settings.
        body: a ``SentenceTransformer`` of its own.
        seed: of the pairs and of training.
    """

    head: LinearHead

    def __init__(self, factory: SetFitFactory, body: SentenceTransformer, seed: int) -> None:
        self._factory = factory
        self._seed = seed
        self.body = body
        self.num_classes = factory.num_classes

    def fit(self, train_set: IndexedDataset, weights: Weights | None = None) -> SetFitClassifier:
        """Tune the encoder on pairs, then fit the head; weights are the head's alone.

        Raises:
            ModelError: several labels for each text.
            Interrupted: a stop was asked for.
        """
        if train_set.is_multi_label:
            raise _one_label_only()
        tune(self.body, train_set, self._factory.options, self._seed, self._factory.tick)
        self.head = fit_head(
            self.embed(train_set),
            train_set.y,
            self.num_classes,
            c=self._factory.options["head_c"],
            weights=weights,
        )
        return self

    def predict(self, data_set: IndexedDataset, return_proba: bool = False) -> Any:  # small-text's
        """Class numbers (n,), and probabilities (n, C) if asked."""
        proba = self.predict_proba(data_set)
        labels = self.head.decided(proba)
        return (labels, proba) if return_proba else labels

    def predict_proba(self, data_set: IndexedDataset) -> Proba:
        """Probabilities (n, C)."""
        if len(data_set) == 0:
            return np.empty((0, self.num_classes), dtype=np.float32)
        return self.head.proba(self.embed(data_set))

    def embed(
        self, data_set: IndexedDataset, return_proba: bool = False, pbar: str | None = None
    ) -> Any:  # one result or two, as in small-text
        """The encoder's vectors (n, d), and probabilities if asked."""
        del pbar
        texts = list(data_set.x)
        parts = []
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            self._factory.tick("scoring", start, len(texts))
            some = texts[start : start + TEXTS_AT_ONCE]
            parts.append(self.body.encode(some, show_progress_bar=False, convert_to_numpy=True))
        self._factory.tick("scoring", len(texts), len(texts))
        vectors: Vectors = np.concatenate(parts).astype(np.float32)
        return (vectors, self.head.proba(vectors)) if return_proba else vectors


def tune(
    body: SentenceTransformer,
    train_set: IndexedDataset,
    options: Options,
    seed: int,
    tick: Callable[[str, int, int], None],
) -> None:
    """Let setfit tune an encoder in place.

    Args:
        body: a ``SentenceTransformer``.
        train_set: texts with class numbers.
        options: see ``SetFitFactory.OPTIONS``.
        seed: of the pairs and of training.
        tick: called with (what, done, total) before each step; may raise.
    """
    with quietly(), tempfile.TemporaryDirectory() as folder:
        import setfit
        from datasets import Dataset
        from sklearn.linear_model import LogisticRegression
        from transformers import PrinterCallback, TrainerCallback

        class Ticking(TrainerCallback):
            """Reports each step and may end the training by an error."""

            def on_step_begin(  # transformers' own signature
                self, args: Any, state: Any, control: Any, **_: Any
            ) -> None:
                del args, control
                tick("training", state.global_step, state.max_steps)

        texts, y = list(train_set.x), [int(number) for number in np.asarray(train_set.y)]
        arguments = _arguments(options, seed, folder)
        trainer = setfit.Trainer(
            model=setfit.SetFitModel(model_body=body, model_head=LogisticRegression()),
            args=arguments,
            train_dataset=Dataset.from_dict({"text": texts, "label": y}),
            callbacks=[Ticking()],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train_embeddings(texts, y, args=arguments)
    body.eval()


def _arguments(options: Options, seed: int, folder: str) -> setfit.TrainingArguments:
    import setfit

    return setfit.TrainingArguments(
        output_dir=folder,
        batch_size=options["batch_size"],
        num_epochs=options["epochs"],
        max_steps=options["max_steps"] or -1,
        num_iterations=options["iterations"],
        body_learning_rate=options["learning_rate"],
        seed=seed % 2**31,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        show_progress_bar=False,
    )


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """No bars, banners and advice of the libraries below: the daemon has its own log."""
    import datasets

    from loopd.learning.classifiers.backbone import quiet

    loggers = [logging.getLogger(name) for name in ("setfit", "sentence_transformers")]
    levels = [logger.level for logger in loggers]
    bars = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _import_loudmouths()
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            if bars:
                datasets.enable_progress_bars()


def _import_loudmouths() -> None:
    """Import what sets its own log level when it is imported."""
    importlib.import_module("sentence_transformers")
    importlib.import_module("setfit")


def _one_label_only() -> ModelError:
    return ModelError(
        "setfit takes one label for each text", "use `transformer`, `frozen-head` or `tfidf`"
    )


def _refuse_missing_packages() -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelError(
            f"the classifier setfit needs the package {missing[0]}", add_extra("setfit")
        )


def _refuse_bad_values(options: Options) -> None:
    for name in ("iterations", "epochs", "max_steps", "batch_size"):
        value = options[name]
        empty = name == "max_steps" and value is None
        if not empty and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise ModelError(f"classifier option {name} must be a whole number above 0")
    for name in ("learning_rate", "head_c"):
        if not isinstance(options[name], (int, float)) or options[name] <= 0:
            raise ModelError(f"classifier option {name} must be a number above 0 (write 0.00002)")
