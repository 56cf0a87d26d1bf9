"""Guidelines: what stands there by default, and how a change comes to Argilla or does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from loopd.annotation.dataset_api import DatasetApi
from loopd.annotation.guidelines import refusal, settle
from loopd.config import TaskSection
from loopd.storage.run_id import SavedIdentity
from loopd.tasks.guidelines import guidelines_of, is_usual, usual_guidelines
from loopd.tasks.registry import TITLES


class Dataset:
    """An Argilla that takes new guidelines."""

    def __init__(self, text: str) -> None:
        self.text = text

    def request(self, method: str, path: str, *, json: dict[str, Any]) -> None:
        assert (method, path) == ("PATCH", "")
        self.text = json["guidelines"] or ""

    def start(self, configured: str, run: SavedIdentity) -> str:
        """What a run says that starts, and what people read then."""
        sentence = refusal(self.text, configured, run)
        settle(cast("DatasetApi", self), self.text, configured, run)
        return sentence


@pytest.mark.parametrize("new", ["second", "ä line\nand another\r\n", ""])
def test_a_change_reaches_what_the_run_wrote_itself(tmp_path: Path, new: str) -> None:
    dataset = Dataset("first")
    assert dataset.start("first", SavedIdentity(tmp_path)) == ""
    assert dataset.start(new, SavedIdentity(tmp_path)) == ""
    assert dataset.text == new
    assert dataset.start("third", SavedIdentity(tmp_path)) == ""
    assert dataset.text == "third"


def test_what_people_edited_stays_and_a_change_is_refused_in_a_sentence(tmp_path: Path) -> None:
    dataset = Dataset("first")
    dataset.start("first", SavedIdentity(tmp_path))
    dataset.text = "edited by people"
    assert dataset.start("first", SavedIdentity(tmp_path)) == "", "nobody changed anything here"
    assert "were edited, and they stay" in dataset.start("second", SavedIdentity(tmp_path))
    assert dataset.text == "edited by people"


def test_a_run_that_began_earlier_overwrites_nothing(tmp_path: Path) -> None:
    dataset = Dataset("somebody's")
    assert "they stay" in dataset.start("mine", SavedIdentity(tmp_path))
    assert dataset.start(usual_guidelines("single_label"), SavedIdentity(tmp_path)) == ""
    assert dataset.text == "somebody's"


def test_descriptions_of_labels_stand_behind_the_usual_guidelines(tmp_path: Path) -> None:
    task = {
        "labels": ["billing", "other"],
        "descriptions": {"billing": ["I was  charged\ntwice.", "About an invoice."]},
    }
    text = guidelines_of(TaskSection.model_validate(task))
    assert text.startswith(usual_guidelines("single_label"))
    assert "- **billing**: I was charged twice. / About an invoice.\n- **other**: ...\n" in text
    assert is_usual(text)
    plain = TaskSection.model_validate({"labels": task["labels"]})
    assert guidelines_of(plain) == usual_guidelines("single_label")
    own = TaskSection.model_validate({**task, "guidelines": "As you like."})
    assert guidelines_of(own) == "As you like."
    dataset = Dataset("somebody's")
    assert dataset.start(text, SavedIdentity(tmp_path)) == "", "nobody has written them"


@pytest.mark.parametrize("kind", TITLES)
def test_the_usual_ones_name_the_keys(kind: str) -> None:
    text = usual_guidelines(kind)
    assert is_usual(text)
    assert not is_usual(text + ".")
    for word in ("Enter", "Backspace", "number", "reload"):
        assert word in text
