"""The guard sees whatever others lose, and no live test goes around it without a reason."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loopd.annotation.argilla_store import ArgillaStore, DatasetPlan
from loopd.annotation.record_bodies import RecordBodies
from loopd.config import ArgillaSection
from loopd.data.pool import Pool
from loopd.embedded_argilla.embedded import EmbeddedServer
from loopd.records import Batch, BatchItem, PoolId, Record
from loopd.tasks.single_label import SingleLabelTask
from tests.exempt import AROUND, ELSEWHERE, WITHOUT_GUESTS
from tests.faults.neighbours import Neighbours
from tests.faults.whole import Whole, whole
from tests.guard import NOTE
from tests.live import LiveArgilla
from tests.people import is_guest

TESTS = Path(__file__).parent
TASK = SingleLabelTask(("fruit", "tool"), "label", "text", "Which?")
POOL = Pool((Record(PoolId("r1"), "an apple"), Record(PoolId("r2"), "a saw")))
TEXTS = {record.id: record.text for record in POOL}

Json = dict[str, Any]


@dataclass
class Scene:
    """A dataset with guests, a record of the test's own, and the owner's requests."""

    live: LiveArgilla
    people: Neighbours
    id: str
    own: Json

    def losses(self) -> list[str]:
        return self.live.guard.losses()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        return self.people.owner.call(method, path, body)

    def put(self, **parts: Any) -> None:
        """Send a record again, whole or in part."""
        item = {"id": self.own["id"], **parts}
        self.call("PUT", f"datasets/{self.id}/records/bulk", {"items": [item]})

    @property
    def there(self) -> Whole:
        seen = whole(self.people.owner, self.people.dataset)
        assert seen is not None
        return seen

    def question(self, name: str = "remark") -> str:
        return str(self.there.parts["questions"][name]["id"])

    def guest(self, **hanging: bool) -> str:
        """The id of a guest that has something, or lacks it."""
        return next(
            id_
            for id_, one in self.there.records.items()
            if is_guest(one.fields)
            and all(bool(getattr(one, part)) is due for part, due in hanging.items())
        )


@pytest.fixture
def scene(argilla: LiveArgilla) -> Iterator[Scene]:
    people = Neighbours(argilla, f"guard-{uuid.uuid4().hex[:8]}")
    id_ = people.make(TASK.question())
    scene = Scene(argilla, people, id_, {})
    proposal = {"question_id": scene.question(), "value": "so it is", "agent": "gpt", "score": 0.5}
    item = {
        "fields": {"text": "their own", "note": "a note"},
        "metadata": {"source": "import", "year": 1999},
        "suggestions": [proposal],
        "vectors": {"sense": [1.0, 2.0]},
    }
    (scene.own,) = scene.call("POST", f"datasets/{id_}/records/bulk", {"items": [item]})["items"]
    yield scene
    people.close()


def propose(scene: Scene, record_id: str, agent: str) -> None:
    body = {"question_id": scene.question(), "value": "no", "agent": agent}
    scene.call("PUT", f"records/{record_id}/suggestions", body)


def mark_guest(scene: Scene) -> None:
    body = {"metadata": {"kept for": "later", "round": 0}}
    scene.call("PATCH", f"records/{scene.guest()}", body)


def answer(scene: Scene, status: str) -> None:
    body = {"status": status, "values": {"label": {"value": "tool"}}}
    scene.call("POST", f"records/{scene.guest(responses=False)}/responses", body)


def withdraw(scene: Scene) -> None:
    record_id = scene.guest(responses=True)
    records = scene.people.owner.records(scene.id)
    record = next(one for one in records if one["id"] == record_id)
    scene.call("DELETE", f"responses/{record['responses'][0]['id']}")


def drop_suggestion(scene: Scene) -> None:
    record_id = scene.guest(suggestions=True)
    records = scene.people.owner.records(scene.id)
    record = next(one for one in records if one["id"] == record_id)
    ids = record["suggestions"][0]["id"]
    scene.people.owner.call("DELETE", f"records/{record_id}/suggestions", ids=ids)


def delete_part(scene: Scene, kind: str, path: str, name: str) -> None:
    scene.call("DELETE", f"{path}/{scene.there.parts[kind][name]['id']}")


Lose = Callable[[Scene], Any]
LOSSES: dict[str, tuple[Lose, str]] = {
    "a field": (
        lambda s: s.put(fields={"text": "their own"}),
        "field `note` was 'a note', is NULL",
    ),
    "a value": (
        lambda s: s.put(metadata={"source": "loopd", "year": 1999}),
        "metadata `source` was 'import', is 'loopd'",
    ),
    "all metadata": (lambda s: s.put(metadata={"round": 0}), "metadata `year` was 1999, is NULL"),
    "a suggestion": (lambda s: propose(s, s.own["id"], "loopd:model"), "suggestion of 'gpt' was"),
    "a suggestion gone": (drop_suggestion, "suggestion of 'another/agent' is gone"),
    "a vector": (lambda s: s.put(vectors={"sense": [3.0, 4.0]}), "vector was [1.0, 2.0], is"),
    "a suggestion on a guest": (
        lambda s: propose(s, s.guest(suggestions=False), "loopd:model"),
        "a guest has a suggestion of loopd:model",
    ),
    "a name of loopd's on a guest": (mark_guest, "a guest has round = 0"),
    "an answer on a guest": (lambda s: answer(s, "submitted"), "a guest has an answer"),
    "a guest's answer": (withdraw, "a guest's answer is gone"),
    "a guest": (lambda s: s.call("DELETE", f"records/{s.guest()}"), "record of others is gone"),
    "guidelines": (
        lambda s: s.call("PATCH", f"datasets/{s.id}", {"guidelines": "New."}),
        "guidelines was 'Written by hand.', is 'New.'",
    ),
    "a question's title": (
        lambda s: s.call("PATCH", f"questions/{s.question()}", {"title": "New"}),
        "questions: `remark` is `remark`: 'New'",
    ),
    "a property": (
        lambda s: delete_part(s, "metadata properties", "metadata-properties", "weight"),
        "metadata_properties: `weight` is gone",
    ),
    "vectors' settings": (
        lambda s: delete_part(s, "vectors' settings", "vectors-settings", "sense"),
        "vectors_settings: `sense` is gone",
    ),
    "the dataset": (lambda s: s.call("DELETE", f"datasets/{s.id}"), "is gone"),
}
"""What may be done to what is others', and how the guard says it."""


@pytest.mark.integration
def test_each_loss_is_seen(scene: Scene) -> None:
    assert scene.losses() == []
    unseen = {}
    for name, (lose, words) in LOSSES.items():
        lose(scene)
        lines = scene.losses()
        if not any(words in line for line in lines):
            unseen[name] = lines
    assert not unseen


@pytest.mark.integration
def test_what_the_test_does_by_its_own_hand_is_no_loss(scene: Scene) -> None:
    with scene.live.guard.own_hand():
        scene.put(fields={"text": "their own"})
    assert scene.losses() == []


@pytest.mark.integration
def test_what_somebody_has_looked_after_is_forgiven_and_nothing_else(scene: Scene) -> None:
    guard, name = scene.live.guard, uuid.UUID(scene.own["id"]).hex
    before = guard.last()
    scene.put(metadata={"round": 0})
    assert guard.forgive("another", ["source", "year"], before) == 0
    assert guard.forgive(name, ["source"], guard.last()) == 0, "lost before"
    assert guard.forgive(name, ["source"], before) == 1
    assert guard.forgive(name, ["source"], before) == 0, "once is enough"
    assert scene.losses() == [f"record {name}: metadata `year` was 1999, is NULL"]
    scene.put(metadata={"source": "import"})
    scene.put(metadata={"source": "loopd"})
    (line,) = scene.losses()
    assert "was 'import', is 'loopd'" in line, "what is lost later is not forgiven"


# -- a store that replaces -------------------------------------------------------------------------


def batch(model: str) -> Batch:
    return Batch("b0000", 0, "breaking_ties", model, tuple(BatchItem(r.id, 0.5) for r in POOL))


@pytest.mark.integration
def test_a_store_that_replaces_whole_is_found_by_whoever_forgets_to_look(
    argilla: LiveArgilla, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = ArgillaSection(url=argilla.url, dataset=f"guard-{uuid.uuid4().hex[:8]}")
    with closing(ArgillaStore(section, argilla.owner_key, DatasetPlan(TASK, "", 1))) as store:
        store.open(POOL, fresh=True)
        store.publish(batch("one"), TEXTS)
        store.refresh([batch("two")], TEXTS)
        assert argilla.guard.losses() == []
        real = RecordBodies.new

        def merged(
            self: RecordBodies, record: Any, renewed: Batch, position: int, text: str
        ) -> Any:
            """As loopd did before: everything is sent, whatever is there."""
            body = real(
                self, renewed, position, Record(renewed.items[position].record_id, text), {}
            )
            return {**body, "id": record["id"], "external_id": record["external_id"]}

        monkeypatch.setattr(RecordBodies, "merged", merged)
        store.refresh([batch("three")], TEXTS)
    name, value = NOTE
    lines = argilla.guard.losses()
    assert any(f"metadata `{name}` was '{value}', is NULL" in line for line in lines), lines


# -- nobody goes around it -------------------------------------------------------------------------

STARTS = re.compile(
    r"""loopd serve|loopd demo|"(serve|demo)"|run_demo\(|tests\.servers\.\w|server_of\("""
)
"""How a test starts a server, but by `EmbeddedServer` in this process, which has a guard."""


def test_no_server_of_this_process_is_without_a_guard() -> None:
    assert EmbeddedServer.start.__name__ == "guarded"


def test_other_servers_are_listed() -> None:
    starting = {
        str(path.relative_to(TESTS.parent))
        for path in TESTS.rglob("*.py")
        if path != Path(__file__) and STARTS.search(path.read_text(encoding="utf-8"))
    }
    assert starting - ELSEWHERE.keys() == set(), "say in tests/exempt.py who looks, or why nobody"


@pytest.mark.parametrize(
    "names", [WITHOUT_GUESTS, AROUND, ELSEWHERE], ids=["guests", "around", "elsewhere"]
)
def test_each_exception_is_there_and_has_a_reason(names: Mapping[str, str]) -> None:
    for name, why in names.items():
        assert (TESTS.parent / name.partition("::")[0]).exists(), name
        assert len(why.split()) > 2, name


# -- what the checker sees -------------------------------------------------------------------------


@pytest.mark.integration
def test_the_tables_show_what_the_api_shows(scene: Scene) -> None:
    over_http = Neighbours(scene.live, scene.people.dataset)
    over_http.owner.database = None
    seen, shown = scene.there, whole(over_http.owner, scene.people.dataset)
    over_http.close()
    assert shown is not None
    assert seen.records == shown.records
    for kind, parts in shown.parts.items():
        for name, part in parts.items():
            both = part.keys() & seen.parts[kind][name].keys()
            assert {"id", "name", "title"} <= both
            assert all(seen.parts[kind][name][key] == part[key] for key in both - {"required"})
    assert all(
        seen.settings[key] == shown.settings[key]
        for key in shown.settings.keys() & seen.settings.keys() - {"allow_extra_metadata"}
    )
