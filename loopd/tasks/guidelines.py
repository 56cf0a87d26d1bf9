"""Owns what annotators are told unless somebody writes something better; must not know a dataset.

Argilla's page shows it beside the texts. What the keys do there is tested in a browser.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loopd.config import TaskSection

_ALL = """\
{choose}

- You see the texts from which a model learns most. It learns from what you say, and proposes a
  label once it has something to go by: **Enter** accepts the proposal.
- {number}
- **Backspace** discards a text that makes no sense, or that nobody could label.
- If nothing is open, the next texts are on their way, and come by themselves. If the page says that
  the task is completed, reload it after a minute.
"""

_KINDS = {
    "single_label": (
        "Read the text and choose the label that fits best.",
        "A **number** chooses another label and submits it at once.",
    ),
    "multi_label": (
        "Read the text and choose all labels that apply.",
        "A **number** switches a label on or off; **Enter** submits.",
    ),
    "spans": (
        "Mark what the labels name, wherever it is in the text.",
        "A **number** chooses the label that you mark with next; **Enter** submits, also where\n"
        "  there is nothing to mark.",
    ),
}
"""What to do, and what a number does, by kind of task."""


MEANINGS = "The labels, as the model has been told of them:"
"""What stands above the descriptions of labels."""


def usual_guidelines(kind: str) -> str:
    """The guidelines of a task whose configuration has none, as Markdown."""
    choose, number = _KINDS[kind]
    return _ALL.format(choose=choose, number=number)


def guidelines_of(section: TaskSection) -> str:
    """What people read of a task: what the configuration says, else the usual, as Markdown.

    Behind the usual ones stands what the labels mean, where the configuration describes them.
    """
    if section.guidelines:
        return section.guidelines
    usual = usual_guidelines(section.type)
    lines = meanings(section.labels, section.descriptions)
    return f"{usual}\n{MEANINGS}\n\n{lines}\n" if lines else usual


def meanings(labels: Sequence[str], descriptions: Mapping[str, Sequence[str]]) -> str:
    """A line for each label with its descriptions, as Markdown; empty where there are none."""
    if not any(map(descriptions.get, labels)):
        return ""
    told = ((_line([label]), _line(descriptions.get(label, ()))) for label in labels)
    return "\n".join(f"- **{label}**: {texts}" for label, texts in told)


def _line(texts: Sequence[str]) -> str:
    """The texts on one line, without anything invisible."""
    told = " / ".join(" ".join(_printable(text).split()) for text in texts)
    return told or "..."


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def is_usual(text: str) -> bool:
    """Whether these are the guidelines of a configuration that has none."""
    usual = map(usual_guidelines, _KINDS)
    return any(text == one or text.startswith(f"{one}\n{MEANINGS}\n") for one in usual)
