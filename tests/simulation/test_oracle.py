"""The oracle against a real Argilla: right answers, human ways, outages, no answer twice."""

from collections import Counter
from dataclasses import replace

import pytest

from loopd.errors import AuthError, ConfigError, DatasetError
from loopd.oracle.behaviour import behave
from loopd.oracle.oracle import OracleOptions, OracleTask
from tests.acceptance.conftest import slowly
from tests.faults.proxy import FaultProxy
from tests.live import LiveArgilla
from tests.simulation.conftest import GOLD, TASK, Board, start

pytestmark = pytest.mark.integration

IDS = tuple(GOLD)


def fast(**options: object) -> OracleOptions:
    return OracleOptions(poll_seconds=0.05, **options)  # type: ignore[arg-type]


def test_people_answer_everything_once_and_right(argilla: LiveArgilla, board: Board) -> None:
    board.create()
    board.log(*IDS)
    oracle = start(argilla.url, argilla.owner_key, board.task, fast(people=3, idle_exit=1))
    report = oracle.ended()
    assert board.answers() == {each: [GOLD[each]] for each in IDS}
    assert report.people == ("oracle-1", "oracle-2", "oracle-3")
    assert report.submitted == len(IDS)
    people = {each["responses"][0]["user_id"] for each in board.records()}
    assert len(people) == 3
    assert report.line() == "24 answers"


def test_the_accounts_are_used_again_and_their_secrets_are_not_told(
    argilla: LiveArgilla, board: Board
) -> None:
    board.create(min_submitted=2)
    board.log(*IDS[:4])
    for _ in range(2):
        oracle = start(argilla.url, argilla.owner_key, board.task, fast(people=2, idle_exit=0.5))
        oracle.ended()
    names = Counter(user["username"] for user in board.owner.get("users").json()["items"])
    assert names["oracle-1"] == names["oracle-2"] == 1
    assert all(len(given) == 2 for given in board.answers().values())
    keys = [user["api_key"] for user in board.owner.get("users").json()["items"]]
    assert not any(key in line for key in keys for line in oracle.lines)


def test_one_account_without_the_owner(argilla: LiveArgilla, board: Board) -> None:
    board.create()
    board.log(*IDS[:5])
    key = argilla.keys["ann"]
    with pytest.raises(ConfigError, match="2 people need an owner's API key, ann is annotator"):
        start(argilla.url, key, board.task, fast(people=2)).ended()
    report = start(argilla.url, key, board.task, fast(idle_exit=0.5)).ended()
    assert report.people == ("ann",)
    assert report.submitted == 5


def test_errors_discards_and_edits_follow_the_plan(argilla: LiveArgilla, board: Board) -> None:
    board.create()
    board.log(*IDS)
    options = fast(error_rate=0.25, discard_rate=0.25, edit_rate=0.3, seed=5, idle_exit=1)
    report = start(argilla.url, argilla.owner_key, board.task, options).ended()
    given = board.answers()
    for each in IDS:
        plan = behave(options, GOLD, TASK, person="oracle-1", external_id=each)
        assert plan is not None
        assert given[each] == [plan.later or plan.first]
    assert report.discarded == sum(values == [None] for values in given.values()) > 0
    assert report.wrong == sum(given[each][0] not in (GOLD[each], None) for each in IDS) > 0
    assert report.corrected > 0


def who(board: Board) -> dict[str, str]:
    """Who answered, by external id."""
    return {
        record["external_id"]: record["responses"][0]["user_id"]
        for record in board.records()
        if record["responses"]
    }


@pytest.mark.parametrize("restarted", [slowly(False), True])
def test_a_second_opinion_is_left_to_somebody_else(
    argilla: LiveArgilla, board: Board, restarted: bool
) -> None:
    board.create()
    board.log(*IDS[:6])
    oracle = start(argilla.url, argilla.owner_key, board.task, fast(people=2))
    oracle.until(lambda: len(who(board)) == 6)
    if restarted:
        oracle.end()
        oracle = start(argilla.url, argilla.owner_key, board.task, fast(people=2))
    for id_ in IDS[:6]:
        board.log_copy(f"{id_}#2", id_)
    oracle.until(lambda: len(who(board)) == 12)
    oracle.end()
    answered = who(board)
    assert all(answered[id_] != answered[f"{id_}#2"] for id_ in IDS[:6])
    assert all(board.answers()[f"{id_}#2"] == [GOLD[id_]] for id_ in IDS[:6])


def test_a_person_alone_gives_the_second_opinion_too(argilla: LiveArgilla, board: Board) -> None:
    board.create()
    board.log(IDS[0])
    oracle = start(argilla.url, argilla.owner_key, board.task, fast())
    oracle.until(lambda: len(who(board)) == 1)
    board.log_copy(f"{IDS[0]}#2", IDS[0])
    oracle.until(lambda: len(who(board)) == 2)
    oracle.end()


def test_records_that_loopd_has_not_published_are_left_alone(
    argilla: LiveArgilla, board: Board
) -> None:
    board.create()
    board.log("r000")
    items = [{"external_id": id_, "fields": {"text": f"text {id_}"}} for id_ in ("r001", "other")]
    board.owner.put(f"datasets/{board.id}/records/bulk", json={"items": items})
    report = start(argilla.url, argilla.owner_key, board.task, fast(idle_exit=0.5)).ended()
    assert board.answers() == {"r000": ["red"], "r001": [], "other": []}
    assert report.submitted == 1


def test_a_record_of_others_that_loopd_works_on_is_known_by_its_text(
    argilla: LiveArgilla, board: Board
) -> None:
    board.create()
    board.log("their own id")
    task = replace(board.task, ids={"text their own id": "r001"})
    start(argilla.url, argilla.owner_key, task, fast(idle_exit=0.5)).ended()
    assert board.answers() == {"their own id": [GOLD["r001"]]}


def test_another_required_question_ends_the_oracle(argilla: LiveArgilla, board: Board) -> None:
    board.create(another_question=True)
    with pytest.raises(DatasetError, match="also requires an answer to `why`"):
        start(argilla.url, argilla.owner_key, board.task, fast(idle_exit=0.5)).ended()


def test_records_without_a_right_answer_are_discarded(argilla: LiveArgilla, board: Board) -> None:
    board.create()
    board.log("r000", "stranger")
    report = start(argilla.url, argilla.owner_key, board.task, fast(idle_exit=0.5)).ended()
    assert board.answers() == {"r000": ["red"], "stranger": [None]}
    assert (report.submitted, report.unknown) == (1, 1)


@pytest.mark.slow
def test_the_dataset_may_come_later_and_come_again(argilla: LiveArgilla, board: Board) -> None:
    oracle = start(argilla.url, argilla.owner_key, board.task, fast(people=2))
    oracle.until(lambda: any("no dataset" in line for line in oracle.lines))
    for _ in range(2):
        board.create()
        board.log(*IDS[:6])
        oracle.until(lambda: all(board.answers().values()))
        with argilla.guard.own_hand():
            assert board.owner.delete(f"datasets/{board.id}").is_success
    # A receipt may be lost when the dataset goes away at once.
    assert oracle.end().submitted >= 8


@pytest.mark.slow
def test_a_discard_is_left_alone_by_the_others(argilla: LiveArgilla, board: Board) -> None:
    board.create()
    board.log(*IDS)
    options = fast(people=2, discard_rate=0.5, idle_exit=1)
    report = start(argilla.url, argilla.owner_key, board.task, options).ended()
    answers = board.answers()
    assert all(given in ([None], [GOLD[each]]) for each, given in answers.items())
    assert report.discarded == sum(given == [None] for given in answers.values()) > 0
    assert report.submitted + report.discarded == len(IDS)


@pytest.mark.parametrize(
    "mode", [slowly("error"), "cut", slowly("hole"), slowly("garbage"), slowly("truncate")]
)
def test_outages_are_waited_out_and_nothing_is_answered_twice(
    argilla: LiveArgilla, board: Board, mode: str
) -> None:
    board.create()
    board.log(*IDS[:12])
    with FaultProxy(int(argilla.url.rsplit(":", 1)[1])) as proxy:
        options = fast(people=2, seconds_per_answer=0.05)
        oracle = start(proxy.url, argilla.owner_key, board.task, options)
        oracle.until(lambda: any(board.answers().values()))
        proxy.mode = mode
        if mode != "hole":  # a hole is silent until the request times out
            oracle.until(lambda: any("the people wait" in line for line in oracle.lines))
        proxy.mode = "pass"
        board.log(*IDS[12:14])
        oracle.until(lambda: all(board.answers().values()) or None)
        oracle.end()
    assert board.answers() == {each: [GOLD[each]] for each in IDS[:14]}


@pytest.mark.slow
def test_edits_are_finished_by_the_next_run(argilla: LiveArgilla, board: Board) -> None:
    board.create()
    board.log(*IDS[:3])
    options = fast(edit_rate=1, idle_exit=0.5)
    plans = {
        each: behave(options, GOLD, TASK, person="oracle-1", external_id=each) for each in IDS[:3]
    }
    start(argilla.url, argilla.owner_key, board.task, options).ended()
    for record in board.records():
        plan = plans[record["external_id"]]
        assert plan is not None
        user = next(
            each
            for each in board.owner.get("users").json()["items"]
            if each["username"] == "oracle-1"
        )
        answer = {"status": "submitted", "values": {"label": {"value": plan.first}}}
        path = f"responses/{record['responses'][0]['id']}"
        headers = {"X-Argilla-Api-Key": user["api_key"]}
        assert board.owner.put(path, json=answer, headers=headers).is_success
    report = start(argilla.url, argilla.owner_key, board.task, options).ended()
    assert report.corrected == 3
    assert board.answers() == {each: [GOLD[each]] for each in IDS[:3]}


def test_what_cannot_be_mended_ends_with_an_error(argilla: LiveArgilla, board: Board) -> None:
    with pytest.raises(AuthError):
        start(argilla.url, "wrong", board.task, fast()).ended()
    nowhere = OracleTask("nowhere", "x", TASK, GOLD)
    with pytest.raises(DatasetError, match="sees no workspace 'nowhere'"):
        start(argilla.url, argilla.owner_key, nowhere, fast()).ended()


def test_a_stop_during_an_outage_ends_at_once(board: Board) -> None:
    oracle = start("http://127.0.0.1:9", "key", board.task, fast())
    oracle.until(lambda: any("the people wait" in line for line in oracle.lines))
    assert oracle.end().submitted == 0


@pytest.mark.parametrize("greeted", [False, True])
def test_a_stop_does_not_wait_for_a_silent_server(
    argilla: LiveArgilla, board: Board, *, greeted: bool
) -> None:
    with FaultProxy(int(argilla.url.rsplit(":", 1)[1])) as proxy:
        proxy.mode = "pass" if greeted else "hole"
        oracle = start(proxy.url, argilla.owner_key, board.task, fast())
        if greeted:
            oracle.until(lambda: any("at work" in line for line in oracle.lines))
            proxy.mode = "hole"
        before = proxy.connections
        oracle.until(lambda: proxy.connections > before or not greeted)
        oracle.stop.set()
        oracle.thread.join(15)
        assert oracle.found, "it waits until its request times out"
        assert oracle.ended().submitted == 0
