"""Owns the words about an exported data set and model, its README; must not count or write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from loopd.export.formats import DATA, FORMATS
from loopd.export.header import data_header

DATA_FILES: Mapping[str, str] = {
    "dataset": DATA,
    "parquet": FORMATS["parquet"].place,
    "jsonl": FORMATS["jsonl"].place,
}
"""What ``datasets.load_dataset`` opens, by format, the first that was written."""

COLUMNS: Mapping[str, str] = {
    "id": "the id of the text in the pool",
    "text": "the text",
    "label": "the consensus of all answers that count",
    "quality": "how sure the consensus is, from 0 to 1, as the consensus strategy has it",
    "answers": "every single answer, oldest first: who (by name where the run knows it), what, its "
    "status, when, the id of the record in Argilla (another one for second opinions), whether the "
    "account was deleted there since, and the answer with it (`departed`), and batch, round and "
    "score by which that was asked; empty where the answer came with the pool or outside of "
    "batches",
    "batch_id": "the batch that asked for it first; empty where the answers came with the pool or "
    "outside of batches",
    "round": "the number of that batch, from 0",
    "score": "informativeness when it was chosen; empty where the strategy had none",
    "strategy": "the query strategy that chose it; `random_sampling` for random draws",
    "draw": "whether it was drawn at random to measure the model, whatever the strategy of the "
    "batch",
    "split": "`test` where it is of the test set that people labelled before all others, else "
    "`train`",
}
"""What each column of the data set is."""

LABEL_WORDS = {
    "single_label": "The label is one name.",
    "multi_label": "The label is a list of names in the order of the task; an empty one says that "
    "no label applies.",
    "spans": "The label is a list of spans with `start`, `end` (characters, Python's "
    "`text[start:end]`) and `label`; an empty one says that there is none.",
}


def data_card(facts: Mapping[str, Any]) -> str:
    """The README of an export, with a header by which ``load_dataset`` opens the folder.

    Args:
        facts: what ``export.json`` holds.
    """
    opened = (DATA_FILES[name] for name in DATA_FILES if name in facts["formats"])
    parts = [_head(facts), _files(facts), _columns(facts), _counts(facts), _model(facts)]
    head = data_header(facts, next(opened, None))
    return head + "\n" + "\n\n".join([*parts, _origin(facts)]) + "\n"


def _head(facts: Mapping[str, Any]) -> str:
    return (
        "# Labels of an active learning run\n\n"
        f"{facts['texts']:,} labelled texts, {facts['answers']:,} answers of "
        f"{facts['annotators']:,} annotators, exported by loopd {facts['versions']['loopd']}.\n\n"
        f"{_choice(facts['texts'], facts['draws'] + facts['test_texts'])}"
    )


def _choice(texts: int, draws: int) -> str:
    """How the texts came to be in here."""
    if draws == texts:
        return "The texts were drawn at random for an audit: shares of labels are about the pool's."
    caveat = (
        "The texts were chosen to teach a model, not drawn at random: shares of labels here are "
        "not shares in the pool."
    )
    if not draws:
        return caveat
    return (
        f"Of the texts {draws:,} were drawn at random for an audit (`draw` is true): shares of "
        f"labels among these are about the pool's. The other {texts - draws:,} were chosen to "
        "teach a model: shares of labels among them are not shares in the pool."
    )


def _files(facts: Mapping[str, Any]) -> str:
    rows = [f"- `{FORMATS[name].place}`: {FORMATS[name].meaning}" for name in facts["formats"]]
    if "dataset" in facts["formats"]:
        rows.append(f"- `{DATA}`: the same for `datasets.load_dataset`, which opens this folder")
    rows.append("- `export.json`: the facts of this page, for programs")
    return "## Files\n\n" + "\n".join(rows)


def _columns(facts: Mapping[str, Any]) -> str:
    rows = [f"- `{name}`: {meaning}" for name, meaning in COLUMNS.items()]
    return f"## Columns\n\n{LABEL_WORDS[facts['task']]}\n\n" + "\n".join(rows)


def _counts(facts: Mapping[str, Any]) -> str:
    heading = ["| Label | Texts |", "| --- | ---: |"]
    if facts["task"] == "spans":
        heading[0] = "| Label | Spans |"
    counts = facts["label_counts"]
    rows = [f"| {_cell(name)} | {counts.get(name, 0):,} |" for name in facts["labels"]]
    return "## Labels\n\n" + "\n".join([*heading, *rows])


def _model(facts: Mapping[str, Any]) -> str:
    model = facts["model"]
    if model is None:
        return f"## Model\n\nNot exported: {facts['no_model']}."
    return "## Model\n\n" + "\n\n".join(_model_words(model))


def _model_words(model: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"The folder `model` holds the model of round {model['round']}, trained on "
        f"{model['labels']:,} labels. It is a stock model: `transformers` opens it without loopd "
        "and without remote code."
    )
    yield "\n".join(["```python", *example_lines(model, "model"), "```"])
    same = f"{model['agreement']:.1%} of {model['compared']:,} texts of the pool"
    if model["difference"] is None:
        yield (
            f"On {same} it marks the same spans as the run's own model, which also sees to it that "
            "tags follow each other legally."
        )
    else:
        yield (
            f"On {same} it predicts the same as the run's own model; probabilities differ by "
            f"{model['difference']:.2g} on average. (Its last layer says mean pooling and length 1 "
            "in terms of a stock layer: keep it as it is when you go on training.)"
        )
    if model["thresholds"]:
        thresholds = ", ".join(
            f"{_cell(name)} {value:.2f}" for name, value in model["thresholds"].items()
        )
        yield f"A label is given from these probabilities on, also in `config.json`: {thresholds}."
    if model["figures"]:
        yield f"How good it is: {'; '.join(figure['words'] for figure in model['figures'])}."


def example_lines(model: Mapping[str, Any], folder: str) -> Iterator[str]:
    """Python that asks an exported model.

    Args:
        model: what ``export.json`` says of it.
        folder: where it is.
    """
    options = "top_k=None" if model["thresholds"] else ""
    if model["pipeline"] == "token-classification":
        options = 'aggregation_strategy="first"'
    yield "from transformers import pipeline"
    yield ""
    yield f'ask = pipeline("{model["pipeline"]}", "{folder}"{options and ", " + options})'
    cut = "" if model["pipeline"] == "token-classification" else ", truncation=True"
    yield f'print(ask("a text"{cut}))'


def _test_set(facts: Mapping[str, Any]) -> str:
    if facts["test_texts"]:
        return f"{facts['test_texts']:,} of the texts in here (`split`), drawn at random"
    return f"fingerprint {facts['test_fingerprint'] or 'none'}; nothing of it is in here"


def _origin(facts: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {value}" for name, value in sorted(facts["versions"].items()))
    rows = {
        "Journal": f"{facts['events']:,} events; phase {facts['phase']}, round {facts['round']}",
        "Configuration": f"digest {facts['config_digest']}, seed {facts['seed']}",
        "Consensus": facts["consensus"],
        "Pool": f"{facts['pool_size']:,} texts, fingerprint {facts['pool_fingerprint']}",
        "Test set": _test_set(facts),
        "Discarded": f"{facts['discarded']:,} texts that people discarded and nobody labelled",
        "Started with": versions,
    }
    return "## Where it comes from\n\n" + "\n".join(f"- {key}: {rows[key]}" for key in rows)


def _cell(name: str) -> str:
    return " ".join(name.split()).replace("|", "\\|")
