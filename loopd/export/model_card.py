"""Owns the words about an exported model, the README in its folder; must not measure or write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from loopd.export.card import example_lines
from loopd.export.figures import Figure
from loopd.export.header import model_header


def model_card(facts: Mapping[str, Any], figures: Sequence[Figure], base: str | None) -> str:
    """The README of an exported model.

    Args:
        facts: what ``export.json`` holds; its ``model`` is there.
        figures: how good it is.
        base: the encoder, as the configuration names it.
    """
    name = f"Model of round {facts['model']['round']}"
    hub = base if base is not None and _is_hub_name(base) else None
    head = model_header(name, facts["task"], hub, figures)
    return head + "\n" + "\n\n".join([f"# {name}", *_parts(facts, figures)]) + "\n"


def _parts(facts: Mapping[str, Any], figures: Sequence[Figure]) -> Iterator[str]:
    model = facts["model"]
    labels = ", ".join(f"`{label}`" for label in facts["labels"])
    yield (
        f"A model that an active learning run of loopd {facts['versions'].get('loopd', '')} "
        f"trained on {model['labels']:,} labels of {facts['annotators']:,} annotators. It knows "
        f"these labels: {labels}."
    )
    example = example_lines(model, "path/to/this/folder")
    yield "\n".join(["## Use", "", "```python", *example, "```"])
    yield "## How good it is\n\n" + ("\n".join(_measured(figures)) or "It was not measured.")
    yield (
        "## What to know\n\nIt was trained on texts that were chosen to teach it, and judges texts "
        "like those of its pool. Of others nobody has measured anything."
    )
    if model["thresholds"]:
        shown = ", ".join(f"{label} {value:.2f}" for label, value in model["thresholds"].items())
        yield f"A label is given from these probabilities on, also in `config.json`: {shown}."
    yield f"Configuration {facts['config_digest']}, seed {facts['seed']}, model `{model['id']}`."


def _measured(figures: Sequence[Figure]) -> Iterator[str]:
    for figure in figures:
        yield f"- {figure.words}"


def _is_hub_name(base: str) -> bool:
    """Whether an encoder is one of the hub, and no folder or package of this machine."""
    if ":" in base or Path(base).exists():
        return False
    organisation, slash, name = base.partition("/")
    return bool(slash) and bool(organisation.strip("./~$")) and bool(name) and "/" not in name
