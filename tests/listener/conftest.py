"""Datasets on the real embedded Argilla, made and read with Argilla's own SDK."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.live import LiveArgilla
from tests.people import ArgillaPeople


@dataclass
class Set:
    """A dataset, its people, and how to fill it."""

    dataset: Any
    people: ArgillaPeople
    rg: Any

    @property
    def name(self) -> str:
        return str(self.dataset.name)

    def log(self, batch: int, *ids: str) -> None:
        self.dataset.records.log(
            [
                self.rg.Record(
                    id=each,
                    fields={"text": f"text {each}"},
                    metadata={"batch_id": batch, "part": f"p{batch}"},
                )
                for each in ids
            ]
        )

    def submit(self, *ids: str, value: str = "fruit") -> None:
        for each in ids:
            self.people.submit(each, "ann", value)


@pytest.fixture(scope="session")
def sdk(argilla: LiveArgilla) -> Iterator[tuple[Any, Any]]:
    """The package and a client of the owner."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK warns of itself
        import argilla as rg

        client = argilla.sdk_client()
    yield rg, client
    client.http_client.close()


MakeSet = Callable[[], Set]


@pytest.fixture
def make_set(argilla: LiveArgilla, sdk: tuple[Any, Any]) -> Iterator[MakeSet]:
    rg, client = sdk
    made: list[Set] = []

    def make() -> Set:
        settings = rg.Settings(
            fields=[rg.TextField(name="text")],
            questions=[rg.LabelQuestion(name="label", labels=["fruit", "tool"])],
            metadata=[
                rg.IntegerMetadataProperty(name="batch_id"),
                rg.TermsMetadataProperty(name="part"),
            ],
        )
        name = f"heard-{uuid.uuid4().hex[:8]}"
        dataset = rg.Dataset(
            name=name, workspace=argilla.workspace, settings=settings, client=client
        ).create()
        made.append(Set(dataset, argilla.people(name), rg))
        return made[-1]

    yield make
    for each in made:
        each.people.close()
