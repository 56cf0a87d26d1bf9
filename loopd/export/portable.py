"""Owns how a trained classifier becomes a stock ``transformers`` model; must not know runs.

A stock model is opened by ``transformers`` alone: no code of ours, no remote code, no pickle.
Imports torch and transformers at once, so import this module only where they are needed.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from loopd.errors import ModelError
from loopd.export import mean_layer
from loopd.learning import seeding
from loopd.learning.classifiers.backbone import Backbone, explained, quiet
from loopd.learning.classifiers.contract import ClassifierContext
from loopd.learning.classifiers.linear import LinearHead
from loopd.learning.classifiers.registry import canonical, create
from loopd.learning.classifiers.source import locate
from loopd.learning.features.windows import CUT
from loopd.learning.labels import several
from loopd.learning.model_store import ModelStore
from loopd.learning.predictor import predictor
from loopd.storage.run_folder import MODELS_FOLDER

SAMPLE = 200
"""Texts on which the exported model is compared with ours."""

AT_ONCE = 16
"""Texts of one forward pass in the comparison."""

TEXT, TOKENS = "text-classification", "token-classification"
"""Names of pipelines."""

NO_STOCK_FORM: Mapping[str, str] = {
    "frozen-head": "frozen-head reads all layers of its encoder, stock models read the last",
    "setfit": "setfit's models are opened by the package setfit",
    "tfidf": "tfidf is no transformer",
}
"""Why a classifier cannot be exported."""


@dataclass(frozen=True)
class Fidelity:
    """How near the exported model comes to ours, on texts of the pool.

    Attributes:
        texts: how many were compared.
        agreement: share of them with the same prediction.
        difference: mean absolute difference of probabilities; ``None`` for spans.
    """

    texts: int
    agreement: float
    difference: float | None


@dataclass(frozen=True)
class Portable:
    """A stock model with what belongs to it.

    Attributes:
        model: the model.
        tokenizer: cuts at as many tokens as ours where truncation is asked for.
        pipeline: the name of the pipeline that takes it.
        thresholds: multi label: from which probability on a label is given, by name.
    """

    model: Any
    tokenizer: Any
    pipeline: str
    thresholds: Mapping[str, float]

    def save(self, folder: Path) -> None:
        """Write the folder that ``from_pretrained`` takes."""
        with quiet():
            self.model.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)


class Exporter:
    """Reads trained models of a run and turns them into stock ones.

    Args:
        context: what the run's classifiers are built from.

    Raises:
        ModelError: the classifier is not known or its options are wrong.
    """

    def __init__(self, context: ClassifierContext) -> None:
        self._context = context
        self._factory = create(context)

    def stored(self, model_id: str) -> Any | None:
        """A trained classifier from the cache; ``None`` where it is not there."""
        tensors = ModelStore(self._context.cache / MODELS_FOLDER).get(model_id)
        try:
            return None if tensors is None else self._factory.load(tensors)
        except (KeyError, ValueError):  # written by another version
            return None

    def portable(self, classifier: Any) -> Portable:
        """The stock form of a classifier.

        Raises:
            ModelError: it has none, with the reason.
        """
        self.refuse_without_stock_form()
        classifier = predictor(classifier)
        return self._tagger(classifier) if self._tags else self._texts(classifier)

    def refuse_without_stock_form(self) -> None:
        """Check that this kind of classifier has a stock form, before one is trained for it.

        Raises:
            ModelError: it has none, with the reason.
        """
        name = canonical(self._context.section.name)
        if name != "transformer":
            reason = NO_STOCK_FORM.get(name, f"{name} is not loopd's own")
            raise ModelError(
                f"the model has no form that plain transformers opens: {reason}",
                "train with `classifier.name: transformer`, or export without the model",
            )
        windows = self._context.section.windows
        if windows != CUT:
            raise ModelError(
                f"the model has no form that plain transformers opens: it reads long texts by "
                f"`classifier.windows: {windows}`, and stock models cut them",
                "export without the model",
            )

    def compare(self, classifier: Any, folder: Path) -> Fidelity:
        """Compare what a folder holds with our classifier on texts of the pool."""
        texts, classifier = self._sample(), predictor(classifier)
        if self._tags:
            return self._compare_spans(classifier, folder, texts)
        with quiet():
            model = transformers.AutoModelForSequenceClassification.from_pretrained(
                folder, trust_remote_code=False, use_safetensors=True
            ).eval()
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        head: LinearHead = classifier.head
        parts = []
        for start in range(0, len(texts), AT_ONCE):
            self._context.interrupt()
            some = list(texts[start : start + AT_ONCE])
            tokens = tokenizer(some, truncation=True, padding=True, return_tensors="pt")
            with torch.inference_mode():
                logits = model(**tokens).logits.double()
            parts.append(logits.sigmoid() if head.multi_label else logits.softmax(dim=-1))
            self._context.progress("comparing", start + len(some), len(texts))
        theirs = torch.cat(parts).numpy().astype(np.float32)
        ours = classifier.predict_proba(self._dataset(texts))
        same = _decided(head, ours) == _decided(head, theirs)
        return Fidelity(
            len(texts), float(same.all(axis=1).mean()), float(np.abs(ours - theirs).mean())
        )

    @property
    def _tags(self) -> bool:
        return self._context.kind == "spans"

    def _texts(self, classifier: Any) -> Portable:
        kind = classifier.encoder.config.model_type
        if not mean_layer.supports(kind):
            raise ModelError(
                f"the model has no form that plain transformers opens: no way is known to say mean "
                f"pooling in the architecture {kind!r}",
                "use an encoder of the kind of BERT, RoBERTa or DistilBERT",
            )
        head: LinearHead = classifier.head
        config = self._config(classifier)
        config.num_hidden_layers += 1
        problem = "multi_label" if head.multi_label else "single_label"
        config.problem_type = f"{problem}_classification"
        thresholds = self._thresholds(head)
        if thresholds:
            config.thresholds = thresholds
        model = self._stock(transformers.AutoModelForSequenceClassification, config, classifier)
        mean_layer.express(model, head, self._length(classifier))
        return Portable(model, self._tokenizer(), TEXT, thresholds)

    def _tagger(self, tagger: Any) -> Portable:
        labels = self._context.labels
        tags = ["O", *(f"{part}-{label}" for label in labels for part in "BI")]
        config = self._config(tagger, tags)
        model = self._stock(transformers.AutoModelForTokenClassification, config, tagger)
        with torch.no_grad():
            model.classifier.weight.copy_(tagger.head.weight)
            model.classifier.bias.copy_(tagger.head.bias)
        return Portable(model, self._tokenizer(), TOKENS, {})

    def _config(self, classifier: Any, names: Sequence[str] | None = None) -> Any:
        config = copy.deepcopy(classifier.encoder.config)
        config.id2label = dict(enumerate(names or self._context.labels))
        config.label2id = {name: number for number, name in config.id2label.items()}
        config.architectures = None
        config.__dict__.pop("auto_map", None)  # a stock model needs no code of anybody's
        return config

    def _stock(self, family: Any, config: Any, classifier: Any) -> Any:
        """A stock model with the encoder's weights; the others are the same in every process."""
        with quiet(), explained(self._context.section.model), seeding.seeded(0):
            model = family.from_config(config).float().eval()
            loaded = model.base_model.load_state_dict(classifier.encoder.state_dict(), strict=False)
        foreign = [name for name in loaded.unexpected_keys if not name.startswith("pooler.")]
        if foreign:
            raise ModelError(
                f"the model has no form that plain transformers opens: {family.__name__} of "
                f"{config.model_type!r} has no place for {foreign[0]}"
            )
        return model

    def _tokenizer(self) -> Any:
        section = self._context.section
        with quiet(), explained(section.model):
            return transformers.AutoTokenizer.from_pretrained(
                locate(section.model),
                trust_remote_code=False,
                model_max_length=self._backbone.max_tokens,
            )

    @property
    def _backbone(self) -> Backbone:
        backbone: Backbone = getattr(self._factory, "backbone")  # noqa: B009 - not of all factories
        return backbone

    def _thresholds(self, head: LinearHead) -> dict[str, float]:
        if not head.multi_label or head.thresholds is None:
            return {}
        return dict(zip(self._context.labels, map(float, head.thresholds), strict=True))

    def _length(self, classifier: Any) -> float:
        """Mean length of the vectors before they are scaled."""
        tokens: Any = self._factory.encode(self._sample())
        embedder = classifier._factory.embedder(classifier.encoder, tokens, "measuring")
        vectors: NDArray[np.float32] = embedder.embed(np.arange(len(tokens)))
        return float(np.linalg.norm(vectors, axis=1).mean())

    def _sample(self) -> list[str]:
        texts = self._context.pool.texts
        sample = np.random.default_rng(0).permutation(len(texts))[:SAMPLE]
        return [texts[row] for row in sorted(sample)]

    def _dataset(self, texts: Sequence[str]) -> Any:
        from loopd.learning.dataset import unlabeled

        return unlabeled(self._factory.encode(texts), len(self._context.labels))

    def _compare_spans(self, tagger: Any, folder: Path, texts: Sequence[str]) -> Fidelity:
        with quiet():
            make: Any = transformers.pipeline  # its types want the name of the task literally
            pipeline = make(
                TOKENS,
                model=str(folder),
                aggregation_strategy="first",
                device="cpu",
                trust_remote_code=False,
            )
        ours = tagger.predict(self._dataset(texts))
        same = 0
        for done, (text, spans) in enumerate(zip(texts, ours, strict=True)):
            self._context.interrupt()
            theirs = [(one["start"], one["end"], one["entity_group"]) for one in pipeline(text)]
            same += theirs == [tuple(span) for span in spans]
            self._context.progress("comparing", done + 1, len(texts))
        return Fidelity(len(texts), same / len(texts), None)


def _decided(head: LinearHead, proba: NDArray[np.float32]) -> NDArray[Any]:
    """Predictions with one row for each text."""
    decided = head.decided(proba)
    return decided.toarray() if several(decided) else np.asarray(decided)[:, None]
