"""Owns how a configuration is written for people: commented YAML; must not read or write files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from loopd.config.json_schema import FILE as SCHEMA
from loopd.tasks.guidelines import meanings, usual_guidelines

BATCH_SIZE = 20
"""Records in a batch."""

OPENING_SIZE = 8
"""Records that go out at once: people label them while the pool is encoded."""

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 _./+-]*[A-Za-z0-9_./+]|[A-Za-z]")
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))
"""What YAML takes for something else than a text."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a new configuration says.

    Attributes:
        command: what writes it, for its second line.
        dataset: name of the dataset in Argilla.
        kind: of the task.
        labels: of the task, in order.
        path: of the pool, from the folder of the configuration.
        text: column of the texts.
        id: column of the ids, ``None`` for none.
        label: column of known labels, ``None`` for none.
        none_label: multi label: the option for texts without any.
        descriptions: what labels mean, by label.
        encoding: of the pool, where somebody has said it.
        url: of Argilla.
        key_file: of Argilla's key, from the folder of the configuration; ``None``: not in a file.
        long_texts: what is to be said of texts that are longer than the model reads; may be empty.
    """

    command: str
    dataset: str
    kind: str
    labels: tuple[str, ...]
    path: str
    text: str
    id: str | None = None
    label: str | None = None
    none_label: str | None = None
    descriptions: Mapping[str, str] = field(default_factory=dict)
    encoding: str | None = None
    url: str = "http://127.0.0.1:6900"
    key_file: str | None = None
    long_texts: str = ""

    def yaml(self) -> str:
        """The file: every line that may be left out says what it is for."""
        parts = (_head(self), _task(self), _pool(self), _model(self), _argilla(self), _run(self))
        return "\n".join("\n".join(lines) + "\n" for part in parts if (lines := list(part)))


def scalar(text: str) -> str:
    """A text as YAML takes it back, whatever is in it."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in quoted)


def _escaped(letter: str) -> str:
    code = ord(letter)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _head(draft: Draft) -> Iterator[str]:
    yield f"# yaml-language-server: $schema={SCHEMA.as_uri()}"
    yield f"# Written by `{draft.command}`. What is not here has a default: docs/configuration.md."


def _task(draft: Draft) -> Iterator[str]:
    yield "task:"
    if draft.kind != "single_label":
        yield f"  type: {draft.kind}"
    yield "  # In the order in which people see them; they cannot be changed once a run has begun."
    yield "  labels:"
    yield from (f"    - {scalar(label)}" for label in draft.labels)
    if draft.none_label is not None:
        yield f"  none_label: {scalar(draft.none_label)} # for texts to which no label applies"
    yield "  # What annotators read beside the texts; Markdown. Say what each label means."
    yield "  guidelines: |"
    yield from (f"    {line}".rstrip() for line in guidelines(draft).splitlines())
    yield from _descriptions(draft)


def _descriptions(draft: Draft) -> Iterator[str]:
    """What the model learns from; nothing does of spans."""
    described = [] if draft.kind == "spans" else list(_described(draft))
    if described:
        yield "  # From these the model learns before anybody has answered; a few texts of a label,"
        yield "  # as people would write them, help more."
        yield "  descriptions:"
    for label, text in described:
        yield f"    {scalar(label)}:"
        yield f"      - {scalar(text)}"


def _described(draft: Draft) -> Iterator[tuple[str, str]]:
    """The labels of which somebody has said what they mean."""
    for label in draft.labels:
        if text := _one_line(draft.descriptions.get(label, "")):
            yield label, text


def guidelines(draft: Draft) -> str:
    """What annotators are told: how to work, and what the labels mean."""
    said = {label: (text,) for label, text in _described(draft)}
    return f"{usual_guidelines(draft.kind)}\n{meanings(draft.labels, said)}".strip() + "\n"


def _pool(draft: Draft) -> Iterator[str]:
    yield "# The texts to choose from."
    yield "pool:"
    yield f"  path: {scalar(draft.path)}"
    yield f"  text: {scalar(draft.text)}"
    if draft.encoding is not None:
        yield f"  encoding: {scalar(draft.encoding)}"
    if draft.id is not None:
        yield f"  id: {scalar(draft.id)}"
    else:
        yield "  # id: COLUMN # without one, ids are made from the texts"
    if draft.label is not None:
        yield "  # Known labels: to rehearse with `loopd simulate`. They are no answers."
        yield f"  label: {scalar(draft.label)}"
        yield "  # If people gave them, let them count from the start instead:"
        yield f"  # answers: {scalar(draft.label)}"
    yield ""
    yield "# Labelled texts that the model is measured on."
    yield "# test: {path: test.csv, text: COLUMN, label: COLUMN}"


def _model(draft: Draft) -> Iterator[str]:
    """What the model may do besides, for more seconds."""
    settings = []
    if draft.long_texts:
        yield f"# {draft.long_texts}."
        yield "# To have all of them read, for more seconds to encode and to score: `windows`."
        settings.append("windows: mean")
    if draft.kind == "single_label":
        yield "# To have the encoder learn from its own guesses too, which helps with 20 to 40"
        yield "# labels if they are clear-cut; rounds take over twice as long up to 100: `options`."
        settings.append("options: {self_training: 300}")
    if settings:
        yield f"# classifier: {{{', '.join(settings)}}}"


def _argilla(draft: Draft) -> Iterator[str]:
    yield "# Where people label."
    yield "argilla:"
    yield f"  url: {scalar(draft.url)}"
    yield f"  dataset: {scalar(draft.dataset)}"
    if draft.key_file is not None:
        yield f"  api_key_file: {scalar(draft.key_file)}"
    else:
        yield "  # The key of an owner or of an admin of the workspace, in ARGILLA_API_KEY or in a"
        yield "  # file, such as the one that `loopd serve` writes:"
        yield "  # api_key_file: argilla-home/accounts.json"


def _run(draft: Draft) -> Iterator[str]:
    yield "# Journal, metrics and models. Another folder and another dataset are another run."
    yield "run:"
    yield f"  dir: {scalar(f'runs/{draft.dataset}')}"
    yield ""
    yield "queue:"
    yield f"  batch_size: {BATCH_SIZE}"
    yield "  # So many of the first batch go out at once, at random, while the pool is encoded."
    yield f"  opening_size: {OPENING_SIZE}"
    yield ""
    yield "# When to end; without any of it the run ends when you end it, or with the pool."
    yield "# stopping: {label_budget: 500, max_rounds: 30}"


def _one_line(text: str) -> str:
    printed = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printed.split())
