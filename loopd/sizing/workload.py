"""Owns what a plan is asked for: texts, encoder, classifier and machines; must not calculate."""

from __future__ import annotations

from dataclasses import dataclass, field

CLASSIFIERS = ("frozen-head", "transformer")
"""Whose costs have been measured."""

FORMATS = ("csv", "jsonl", "parquet")
"""Of tables whose reading has been measured."""

TOKENS_OF_A_WORD = 1.4
SPECIAL_TOKENS = 2
BYTES_OF_A_TOKEN = 4
"""English with the packaged tokenizer: 1.1 to 1.6 and 3.8 to 4.4 on five sets."""

USUAL_TOKENS = 20.0

DIMENSIONS = 512
"""To which the frozen head reduces the encoder's layers, unless its options say otherwise."""


@dataclass(frozen=True)
class Encoder:
    """The shape of an encoder.

    Attributes:
        name: for people.
        layers: behind the word embeddings.
        width: numbers of one state.
        inner: numbers between the two linear maps of a layer.
        vocabulary: different tokens.
    """

    name: str
    layers: int
    width: int
    inner: int
    vocabulary: int

    @property
    def parameters(self) -> int:
        """Numbers of the weights, but for some thousands."""
        layer = 4 * self.width**2 + 2 * self.width * self.inner
        return self.layers * layer + (self.vocabulary + 512) * self.width

    @property
    def states(self) -> int:
        """Numbers of all layers' states, the word embeddings among them."""
        return (self.layers + 1) * self.width

    def flop(self, tokens: float) -> float:
        """Operations that a text of so many tokens takes."""
        linear = 2 * tokens * (4 * self.width**2 + 2 * self.width * self.inner)
        return self.layers * (linear + 4 * tokens**2 * self.width)


PACKAGED = Encoder("packaged", layers=6, width=384, inner=1536, vocabulary=30522)


@dataclass(frozen=True)
class Machines:
    """What there is to work with.

    Attributes:
        nodes: machines that encode and score; the first of them does everything else as well.
        gpus: of all nodes together; 0: they encode and score on their processors.
        threads: of each node.
        memory: bytes of each node; ``None``: whatever is needed.
    """

    nodes: int = 1
    gpus: int = 0
    threads: int = 1
    memory: float | None = None

    @property
    def workers(self) -> int:
        """Among how many encoding and scoring are divided: nodes, or those GPUs that there are."""
        return self.gpus or self.nodes


@dataclass(frozen=True)
class Workload:
    """A run, as far as it says what the run costs.

    Attributes:
        texts: of the pool.
        tokens: of a text, special ones among them, as far as the model reads it.
        text_bytes: of a text in UTF-8.
        id_bytes: of its id.
        encoder: of the classifier.
        classifier: one of :data:`CLASSIFIERS`.
        candidates: texts that a fine-tuned model looks at each round, if the pool has more.
        candidate_tokens: that these have at most together; ``None``: as many as they have.
        dimensions: of the features for a head.
        classes: labels to choose from.
        labels: at the end of the run.
        batch: labels of one round.
        format: of the table, one of :data:`FORMATS`.
    """

    texts: int
    tokens: float = USUAL_TOKENS
    text_bytes: float = USUAL_TOKENS * BYTES_OF_A_TOKEN
    id_bytes: float = 10
    encoder: Encoder = field(default=PACKAGED)
    classifier: str = "transformer"
    candidates: int = 20_000
    candidate_tokens: int | None = 1_280_000
    dimensions: int = DIMENSIONS
    classes: int = 10
    labels: int = 500
    batch: int = 20
    format: str = "csv"

    @property
    def rounds(self) -> int:
        """Until there are so many labels."""
        return max(1, -(-self.labels // self.batch))

    @property
    def feature_width(self) -> int:
        """Numbers of a text's features."""
        return min(self.dimensions, self.encoder.states)

    @property
    def scored(self) -> int:
        """Texts that a fine-tuned model looks at each round."""
        texts = min(self.texts, self.candidates)
        if self.candidate_tokens is not None:
            texts = min(texts, int(self.candidate_tokens / self.tokens))
        return max(1, texts)


def tokens_of_words(words: float) -> float:
    """Tokens of a text of so many words."""
    return words * TOKENS_OF_A_WORD + SPECIAL_TOKENS


def bytes_of_tokens(tokens: float) -> float:
    """Bytes of a text of so many tokens."""
    return max(1.0, (tokens - SPECIAL_TOKENS) * BYTES_OF_A_TOKEN)
