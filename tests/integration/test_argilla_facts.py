"""Facts about Argilla 2 that loopd builds on; when an upgrade changes one, its test says so."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from loopd.embedded_argilla.environment import MOST_LABELS
from tests.integration.conftest import LABEL, OPTIONS, Api, Json, Made, item, values
from tests.live import LiveArgilla
from tests.people import key_headers
from tests.servers import ENGINE, FIXED_LABELS, MANY_LABELS, TWO_LABELS

pytestmark = pytest.mark.integration


# -- the bulk upsert: publishing twice is publishing once --------------------------------------


def test_an_upsert_replaces_fields_and_metadata_and_keeps_responses(api: Api) -> None:
    made = api.dataset(batch="terms", round="integer")
    api.upsert(made, item("r1", "old", metadata={"batch": "b1", "round": 1, "extra": "x"}))
    given = api.answer(made, "r1")
    first = made.records["r1"]
    api.upsert(made, item("r1", "new", metadata={"batch": "b2"}))
    record = api.record(made, "r1")
    assert record["id"] == first
    assert record["fields"] == {"text": "new"}
    assert record["metadata"] == {"batch": "b2"}
    assert record["status"] == "completed"
    (kept,) = record["responses"]
    assert kept["id"] == given["id"]
    assert (kept["values"], kept["updated_at"]) == (values("fruit"), given["updated_at"])


def test_an_upsert_without_metadata_or_suggestions_leaves_them(api: Api) -> None:
    made = api.dataset(batch="terms")
    proposal = {"question_id": made.questions["label"], "value": "tool", "score": 0.5, "agent": "m"}
    api.upsert(made, item("r1", metadata={"batch": "b1"}, suggestions=[proposal]))
    api.upsert(made, item("r1", "new"))
    record = api.record(made, "r1")
    assert record["metadata"] == {"batch": "b1"}
    assert [each["value"] for each in record["suggestions"]] == ["tool"]
    api.upsert(made, item("r1", suggestions=[{**proposal, "value": "fruit"}]))
    assert [each["value"] for each in api.record(made, "r1")["suggestions"]] == ["fruit"]


def test_an_external_id_is_one_record(api: Api) -> None:
    made = api.dataset()
    api.upsert(made, item("r1"), item("r2"))
    first = dict(made.records)
    api.upsert(made, item("r2"), item("r1"), item("r3"))
    assert len(api.listed(made)) == 3
    assert first.items() <= made.records.items()
    api.upsert(made, item("same"), item("same"), code=422)


def test_external_ids_are_of_one_dataset(api: Api) -> None:
    ours, theirs = api.dataset(), api.dataset()
    api.upsert(ours, item("r1"))
    api.upsert(theirs, item("r1"))
    assert ours.records["r1"] != theirs.records["r1"]


def test_one_bad_record_rejects_all(api: Api) -> None:
    made = api.dataset(score="float")
    api.upsert(made, item("r1"), item("r2", metadata={"score": "high"}), item("r3"), code=422)
    assert api.listed(made) == []


def test_a_bulk_holds_no_more_than_500(api: Api) -> None:
    """500 are taken: see the store's test of more records than a page."""
    api.upsert(api.dataset(), *(item(f"r{number}", "x") for number in range(501)), code=422)


# -- metadata and suggestions ------------------------------------------------------------------


@pytest.mark.parametrize(
    "metadata",
    [
        {"score": 1},
        {"score": "0.5"},
        {"score": True},
        {"round": 1.0},
        {"round": "1"},
    ],
    ids=str,
)
def test_metadata_is_strict(api: Api, strict: Made, metadata: dict[str, Any]) -> None:
    api.upsert(strict, item("r1", metadata=metadata), code=422)


@pytest.fixture(scope="module")
def strict(api: Api) -> Made:
    return api.dataset(batch="terms", round="integer", score="float")


def test_metadata_of_the_right_kind(api: Api, strict: Made) -> None:
    given = {"batch": "b0001", "round": 1, "score": 1.0}
    api.upsert(strict, item("right", metadata=given))
    assert api.record(strict, "right")["metadata"] == given


def test_metadata_is_no_nan(api: Api, strict: Made, argilla: LiveArgilla) -> None:
    """JSON has no NaN, but Python's reader takes it: the server refuses it by itself."""
    import httpx

    body = '{"items": [{"external_id": "r1", "fields": {"text": "x"}, "metadata": {"score": NaN}}]}'
    response = httpx.put(
        f"{argilla.url}/api/v1/datasets/{strict.id}/records/bulk",
        content=body,
        headers={**key_headers(argilla.owner_key), "Content-Type": "application/json"},
        trust_env=False,
        timeout=30,
    )
    assert response.status_code == 422


def test_a_property_is_added_to_a_published_dataset(api: Api) -> None:
    made = api.dataset()
    api.add_property(made, "batch", "terms")
    api.upsert(made, item("r1", metadata={"batch": "b1"}))
    body: dict[str, Any] = {"name": "batch", "title": "x", "settings": {"type": "terms"}}
    body["visible_for_annotators"] = True
    api.call("POST", f"datasets/{made.id}/metadata-properties", body, code=409)


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({"agent": "loopd:afe45b5b/all-MiniLM_L6.v2 x"}, 2),
        ({"agent": "loopd@home"}, 422),
        ({"agent": "modèle"}, 422),
        ({"agent": ""}, 422),
        ({"agent": ":"}, 422),
        ({"agent": "a" * 200}, 2),
        ({"agent": "a" * 201}, 422),
        ({"score": 0.0}, 2),
        ({"score": 1.0}, 2),
        ({"score": 1.0000001}, 422),
        ({"score": -0.1}, 422),
        ({"value": "animal"}, 422),
        ({"value": None}, 422),
    ],
    ids=str,
)
def test_what_a_suggestion_may_be(api: Api, strict: Made, parts: dict[str, Any], code: int) -> None:
    proposal = {"question_id": strict.questions["label"], "value": "tool", **parts}
    api.upsert(strict, item("proposed", suggestions=[proposal]), code=code)


# -- responses ---------------------------------------------------------------------------------


def test_a_discard_never_completes_a_record(api: Api) -> None:
    made = api.dataset()
    api.upsert(made, item("r1"))
    for person in ("ann", "bob"):
        api.answer(made, "r1", None, by=person, status="discarded")
    assert api.record(made, "r1")["status"] == "pending"
    given = api.answer(made, "r1", by="cyd")
    assert api.record(made, "r1")["status"] == "completed"
    api.edit(given, None, by="cyd", status="discarded")
    assert api.record(made, "r1")["status"] == "pending"


def test_who_may_make_a_discard_of_somebodys_answer(api: Api) -> None:
    """An owner may, and that moves the sign of life; another annotator may not."""
    made = api.dataset()
    api.upsert(made, item("r1"))
    given = api.answer(made, "r1")
    body = {"status": "discarded", "values": given["values"]}
    api.call("PUT", f"responses/{given['id']}", body, by="bob", code=403)
    assert api.record(made, "r1")["status"] == "completed"
    before = api.activity(made)
    api.call("PUT", f"responses/{given['id']}", body)
    assert api.activity(made) != before
    (response,) = api.record(made, "r1")["responses"]
    assert (response["status"], response["user_id"]) == ("discarded", api.ids["ann"])
    assert response["inserted_at"] == given["inserted_at"]


@pytest.mark.parametrize("status", ["discarded", "draft"])
@pytest.mark.parametrize("carried", [values("fruit"), {}])
def test_other_answers_carry_values_or_none(api: Api, status: str, carried: Json) -> None:
    made = api.dataset()
    api.upsert(made, item("r1"))
    path = f"records/{made.records['r1']}/responses"
    api.call("POST", path, {"status": status, "values": carried}, by="ann")
    (response,) = api.record(made, "r1")["responses"]
    assert (response["status"], response["values"]) == (status, carried)


@pytest.mark.parametrize("status", ["discarded", "draft"])
def test_null_instead_of_values_spoils_a_record(
    api: Api, argilla: LiveArgilla, status: str
) -> None:
    """It is taken and cannot be indexed: every bulk with that record fails until it is mended."""
    made = api.dataset()
    api.upsert(made, item("r1"), item("r2"))
    path, body = f"records/{made.records['r1']}/responses", {"status": status, "values": None}
    said = api.call("POST", path, body, by="ann", code=500)
    stock = ENGINE in argilla.lacks
    assert ("'NoneType'" if stock else "values: null") in str(said["detail"]["params"])
    (response,) = api.record(made, "r1")["responses"]
    assert (response["status"], response["values"]) == (status, None)
    again = [{"id": record_id} for record_id in made.records.values()]
    bulk = f"datasets/{made.id}/records/bulk"
    api.call("PUT", bulk, {"items": again}, code=500)
    api.call("PATCH", f"records/{made.records['r1']}", {"metadata": {"a": 1}}, code=500)
    api.call("PUT", bulk, {"items": again[1:]})
    healed = {"status": "discarded", "values": {}}
    api.call("PUT", f"responses/{response['id']}", healed, by="ann")
    api.call("PUT", bulk, {"items": again})


def test_null_in_the_bulk_view_is_said_for_each_record(api: Api) -> None:
    made = api.dataset()
    api.upsert(made, item("r1"), item("r2"))
    bodies = [
        {"record_id": made.records["r1"], "status": "discarded", "values": None},
        {"record_id": made.records["r2"], "status": "discarded", "values": {}},
    ]
    said = api.call("POST", "me/responses/bulk", {"items": bodies}, by="ann")["items"]
    assert [entry["error"] is None for entry in said] == [False, True]


@pytest.mark.parametrize("value", [None, "animal", ""])
def test_a_submitted_answer_is_one_of_the_options(api: Api, value: str | None) -> None:
    made = api.dataset()
    api.upsert(made, item("r1"))
    api.answer(made, "r1", value, code=422)
    assert api.record(made, "r1")["responses"] == []


def test_an_edit_changes_only_the_responses_own_time(api: Api) -> None:
    made = api.dataset()
    api.upsert(made, item("r1"))
    given = api.answer(made, "r1", "fruit")
    before = api.record(made, "r1")
    api.edit(given, "tool")
    after = api.record(made, "r1")
    assert (after["status"], after["updated_at"]) == (before["status"], before["updated_at"])
    (response,) = after["responses"]
    assert response["id"] == given["id"]
    assert response["values"] == values("tool")
    assert response["inserted_at"] == given["inserted_at"]
    assert response["updated_at"] > given["updated_at"]


def test_times_are_iso_and_sort_as_text(api: Api) -> None:
    """A tie between annotators goes to the oldest answer, by this string."""
    made = api.dataset(min_submitted=2)
    api.upsert(made, item("r1"))
    times = [api.answer(made, "r1", by=person)["updated_at"] for person in ("cyd", "ann", "bob")]
    assert times == sorted(times)
    assert {len(time) for time in times} == {len("2026-01-01T00:00:00.000000")}


def test_one_response_for_one_person(api: Api) -> None:
    made = api.dataset()
    api.upsert(made, item("r1"))
    api.answer(made, "r1")
    api.answer(made, "r1", "tool", code=409)


def test_more_answers_than_asked_for(api: Api) -> None:
    made = api.dataset(min_submitted=1)
    api.upsert(made, item("r1"))
    for person in ("ann", "bob", "cyd"):
        api.answer(made, "r1", by=person)
    record = api.record(made, "r1")
    assert record["status"] == "completed"
    users = {response["user_id"] for response in record["responses"]}
    assert users == {api.ids[person] for person in ("ann", "bob", "cyd")}


def test_a_withdrawn_answer_is_gone(api: Api) -> None:
    made = api.dataset()
    api.upsert(made, item("r1"))
    given = api.answer(made, "r1")
    api.call("DELETE", f"responses/{given['id']}", by="ann")
    record = api.record(made, "r1")
    assert (record["responses"], record["status"]) == ([], "pending")


def test_a_deleted_user_takes_the_answers_along(api: Api, argilla: LiveArgilla) -> None:
    made = api.dataset()
    api.upsert(made, item("r1"))
    name = f"leaver-{uuid.uuid4().hex[:8]}"
    account = argilla.hire(name)
    users = api.call("GET", "users")["items"]
    user_id = next(each["id"] for each in users if each["username"] == account.username)
    given = {"user_id": user_id, "status": "submitted", "values": values("fruit")}
    api.upsert(made, item("r1", responses=[given]))
    assert len(api.record(made, "r1")["responses"]) == 1
    before = api.activity(made)
    api.call("DELETE", f"users/{user_id}")
    assert api.record(made, "r1")["responses"] == []
    assert api.activity(made) == before


def test_a_deleted_account_leaves_its_records_completed(api: Api, argilla: LiveArgilla) -> None:
    """So nobody is shown them; an upsert of nothing but ids opens them again, and no more."""
    made = api.dataset(batch="terms")
    proposal = {"question_id": made.questions["label"], "value": "tool", "agent": "them"}
    more: dict[str, Any] = {"metadata": {"batch": "b1"}, "suggestions": [proposal]}
    api.upsert(made, item("r1", **more), item("r2", **more))
    name = f"leaver-{uuid.uuid4().hex[:8]}"
    argilla.hire(name)
    users = api.call("GET", "users")["items"]
    user_id = next(each["id"] for each in users if each["username"] == name)
    given = {"user_id": user_id, "status": "submitted", "values": values("fruit")}
    api.upsert(made, {"id": made.records["r1"], "external_id": "r1", "responses": [given]})
    api.answer(made, "r2")
    api.call("DELETE", f"users/{user_id}")
    left = {each["external_id"]: each for each in api.listed(made)}
    assert {id_: each["status"] for id_, each in left.items()} == dict.fromkeys(left, "completed")
    bodies = [{"id": record_id} for record_id in made.records.values()]
    answer = api.call("PUT", f"datasets/{made.id}/records/bulk", {"items": bodies})
    statuses = {each["external_id"]: each["status"] for each in answer["items"]}
    assert statuses == {"r1": "pending", "r2": "completed"}
    after = {each["external_id"]: each for each in api.listed(made)}
    changed = {"status": "pending", "updated_at": after["r1"]["updated_at"]}
    assert after == {"r1": {**left["r1"], **changed}, "r2": left["r2"]}
    unknown = [{"id": str(uuid.uuid4())}, *bodies]
    api.call("PUT", f"datasets/{made.id}/records/bulk", {"items": unknown}, code=422)
    assert len(api.listed(made)) == 2


# -- the cheap trigger -------------------------------------------------------------------------


def test_the_trigger_moves_with_single_answers(api: Api) -> None:
    made = api.dataset()
    api.upsert(made, item("r1"), item("r2"))
    seen = [api.activity(made)]

    def moved() -> bool:
        seen.append(api.activity(made))
        return seen[-1] > seen[-2]

    given = api.answer(made, "r1")
    assert moved()
    api.edit(given, "tool")
    assert moved()
    api.edit(given, None, status="discarded")
    assert moved()
    api.call("DELETE", f"responses/{given['id']}", by="ann")
    assert moved()
    body = {"record_id": made.records["r2"], "status": "submitted", "values": values("tool")}
    api.call("POST", "me/responses/bulk", {"items": [body]}, by="ann")
    assert moved(), "the bulk view of the UI answers by this route"


def test_the_trigger_does_not_move_with_anything_else(api: Api) -> None:
    made = api.dataset()
    api.upsert(made, item("r1"), item("r2"))
    before = api.activity(made)
    given = {"user_id": api.ids["ann"], "status": "submitted", "values": values("fruit")}
    api.upsert(made, item("r1", responses=[given]), item("r3"))
    assert len(api.record(made, "r1")["responses"]) == 1
    api.call("DELETE", f"records/{made.records['r2']}")
    assert api.activity(made) == before


# -- listing -----------------------------------------------------------------------------------


def test_the_listing_is_in_order_of_insertion_and_pages(api: Api) -> None:
    """Within one bulk the order may differ: insertion times of a bulk are the same or close."""
    made = api.dataset()
    for number in range(7):
        api.upsert(made, item(f"r{number}"))
    api.upsert(made, item("r0", "touched again"))
    api.answer(made, "r3")
    names = [each["external_id"] for each in api.listed(made)]
    assert names == [f"r{number}" for number in range(7)]
    pages = [api.listed(made, offset=offset, limit=3) for offset in (0, 3, 6, 9)]
    assert [each["external_id"] for page in pages for each in page] == names
    assert pages[-1] == []


def test_a_page_holds_1000(api: Api) -> None:
    made = api.dataset()
    path = f"datasets/{made.id}/records"
    assert api.call("GET", path, limit=1000)["total"] == 0
    api.call("GET", path, limit=1001, code=422)


def test_responses_are_listed_only_when_asked_for(api: Api) -> None:
    made = api.dataset()
    api.upsert(made, item("r1"))
    api.answer(made, "r1")
    path = f"datasets/{made.id}/records"
    (plain,) = api.call("GET", path)["items"]
    assert not plain.get("responses")
    (full,) = api.call("GET", path, include="responses")["items"]
    assert len(full["responses"]) == 1


def test_a_deleted_record_is_gone_and_comes_back_empty(api: Api) -> None:
    made = api.dataset()
    api.upsert(made, item("r1"), item("r2"))
    api.answer(made, "r1")
    first = made.records["r1"]
    api.call("DELETE", f"records/{first}")
    api.call("GET", f"records/{first}", code=404)
    assert [each["external_id"] for each in api.listed(made)] == ["r2"]
    api.upsert(made, item("r1"))
    assert made.records["r1"] != first
    assert api.record(made, "r1")["responses"] == []


def test_a_deleted_dataset_is_404_and_not_in_the_list(api: Api) -> None:
    made = api.dataset()
    api.call("DELETE", f"datasets/{made.id}")
    for path in ("", "/records", "/fields", "/questions"):
        api.call("GET", f"datasets/{made.id}{path}", code=404)
    assert made.id not in {each["id"] for each in api.call("GET", "me/datasets")["items"]}


# -- datasets and questions --------------------------------------------------------------------


def test_a_name_is_taken_once_in_a_workspace(api: Api) -> None:
    name = f"twice-{uuid.uuid4().hex[:8]}"
    api.draft(name)
    body = {"name": name, "workspace_id": api.workspace_id()}
    api.call("POST", "datasets", body, code=409)


def test_a_draft_takes_no_records_and_needs_a_field_and_a_question(api: Api) -> None:
    made = api.draft()
    api.upsert(made, item("r1"), code=422)
    api.call("PUT", f"datasets/{made.id}/publish", code=422)
    api.add_field(made, "text")
    api.call("PUT", f"datasets/{made.id}/publish", code=422)
    api.add_question(made, "label", LABEL)
    api.publish(made)
    api.call("PUT", f"datasets/{made.id}/publish", code=422)


def test_drafts_are_listed_with_their_status(api: Api) -> None:
    made = api.draft()
    found = {each["id"]: each["status"] for each in api.call("GET", "me/datasets")["items"]}
    assert found[made.id] == "draft"


@pytest.mark.parametrize(
    ("options", "more", "code"),
    [
        pytest.param(1, {}, 422, marks=pytest.mark.needs(TWO_LABELS)),
        (2, {}, 2),
        (2, {"visible_options": 2}, 422),
        (3, {"visible_options": 3}, 2),
        (3, {"visible_options": 4}, 422),
        (500, {"visible_options": 500}, 2),
        (MOST_LABELS, {}, 2),  # our server's; Argilla's own default is 500
        (MOST_LABELS + 1, {}, 422),
    ],
)
@pytest.mark.needs(MANY_LABELS)
def test_how_many_labels(api: Api, options: int, more: dict[str, int], code: int) -> None:
    values = [{"value": f"l{number}", "text": "x"} for number in range(options)]
    settings = {"type": "label_selection", "options": values, **more}
    api.add_question(api.draft(), "label", settings, code=code)


@pytest.mark.parametrize(
    ("label", "code"),
    [("a" * 200, 2), ("a" * 201, 422), ("", 422), (" x / é 木 <b> . ~ ", 2), ("fruit", 422)],
)
def test_what_a_label_may_be(api: Api, label: str, code: int) -> None:
    options = [*OPTIONS, {"value": label, "text": label or "x"}]
    made = api.draft()
    api.add_question(made, "label", {"type": "label_selection", "options": options}, code=code)
    if code == 2:
        questions = api.call("GET", f"datasets/{made.id}/questions")["items"]
        assert questions[0]["settings"]["options"][-1]["value"] == label


@pytest.mark.needs(FIXED_LABELS)
def test_labels_are_fixed_with_the_question(api: Api) -> None:
    """An unknown label can only come from a dataset that somebody made with more labels."""
    made = api.dataset()
    path = f"questions/{made.questions['label']}"
    for options in ([*OPTIONS, {"value": "new", "text": "new"}], OPTIONS[:2]):
        api.call("PATCH", path, {"settings": {**LABEL, "options": options}}, code=422)


def test_min_submitted_can_be_raised_for_the_whole_dataset(api: Api) -> None:
    made = api.dataset()
    api.upsert(made, item("r1"))
    api.answer(made, "r1")
    asked = {"strategy": "overlap", "min_submitted": 2}
    api.call("PATCH", f"datasets/{made.id}", {"distribution": asked})
    assert api.call("GET", f"datasets/{made.id}")["distribution"] == asked


def test_who_may_do_what(api: Api) -> None:
    """An annotator sees the dataset but may neither publish records nor list their answers."""
    made = api.dataset()
    api.upsert(made, item("r1"))
    api.call("GET", f"datasets/{made.id}", by="ann")
    api.call("PUT", f"datasets/{made.id}/records/bulk", {"items": [item("r2")]}, by="ann", code=403)
    api.call("GET", f"datasets/{made.id}/records", by="ann", code=403)
