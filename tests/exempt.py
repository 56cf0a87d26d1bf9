"""Which live tests go without guests, or around the guard of others' records, and why.

:mod:`tests.test_guard` fails where a test does so and is not here, or is here and is no more.
"""

from __future__ import annotations

from collections.abc import Mapping

CONTRACT = "tests/integration/test_store_contract.py"
RECOVER = "tests/loop/test_recover.py"

WITHOUT_GUESTS: Mapping[str, str] = {
    "tests/embedded_argilla/": "answers are compared to the letter; the tests write everything",
    "tests/integration/test_argilla_facts.py": "counts what Argilla answers; nothing of loopd runs",
    "tests/integration/test_guest_contract.py": "has guests of its own, and compares all of them",
    "tests/integration/test_guest_records.py": "has guests of its own, and compares all of them",
    "tests/integration/test_removed_records.py": "has guests of its own, and compares all of them",
    "tests/acceptance/test_removing_live.py": "records with notes of others would stay",
    f"{CONTRACT}::test_what_is_published_is_listed": "compares the list of all records",
    f"{CONTRACT}::test_more_records_than_a_page": "compares the list of all records",
    f"{CONTRACT}::test_what_a_record_carries": "compares all metadata of a record",
    f"{RECOVER}::test_batches_and_labels_come_back": "its report counts the records of others",
    "tests/browser/test_label_in_the_ui.py": "the page counts everybody's records",
    "tests/browser/test_spans_and_topics_in_the_ui.py": "the page counts everybody's records",
    "tests/browser/test_settings_in_the_ui.py": "the page counts everybody's records",
    "tests/browser/test_waiting_page.py": "waits until nobody's record is open",
    "tests/browser/test_pool_in_argilla.py": "all records are the pool, and are compared whole",
    "tests/faults/test_attach.py": "has others of its own, and compares all of them",
    "tests/faults/test_in_place.py": "all records are the pool, and are compared whole",
    "tests/faults/test_nobody_stuck.py": "counts all records: none lost, none doubled",
    "tests/fronts/test_limits.py": "counts all records: none lost, none doubled",
    "tests/integration/test_pool_in_argilla.py": "all records are the pool, and are compared whole",
}
"""Tests, by how their names begin, whose datasets get no records of others. The guard looks at what
they do all the same."""

AROUND: Mapping[str, str] = {
    "tests/integration/test_guidelines.py": "the guidelines that change are the run's own",
    "tests/embedded_argilla/": "the tests are the only writers; no client of loopd's runs",
    "tests/browser/test_settings_in_the_ui.py": "the page changes the dataset's settings",
}
"""Tests of which the guard's findings do not count."""

ELSEWHERE: Mapping[str, str] = {
    "tests/acceptance/mistakes.py": "`serve` and `start` are refused before anything is there",
    "tests/acceptance/test_mistakes.py": "the same; a port that is taken",
    "tests/packaging/test_wheel.py": "the demo of a wheel in an environment without the tests",
    "tests/test_architecture.py": "names the folder `demo`; starts nothing",
    "tests/servers/remote.py": "others have no guard; the contracts compare",
    "tests/conftest.py": "starts what the switch names; SQLite has a guard",
    "tests/postgresql/conftest.py": "its triggers are SQLite's",
    "tests/postgresql/test_contracts.py": "its triggers are SQLite's; contracts compare",
    "tests/postgresql/test_json_dialects.py": "asks the database alone; no client of loopd's runs",
    "tests/postgresql/test_refusals.py": "servers that are refused; no client of loopd's runs",
    "tests/postgresql/test_replicas.py": "its triggers are SQLite's; compares by the API",
    "tests/embedded_argilla/test_users_command.py": "makes and removes accounts, and no record",
    "tests/servers/__init__.py": "names servers; starts none by itself",
    "tests/servers/boot.py": "others have no guard; the contracts compare",
    "tests/servers/installing.py": "installs packages; starts no server",
    "tests/servers/matrix.py": "starts pytest, whose tests look for themselves",
    "tests/servers/postgresql.py": "its triggers are SQLite's; contracts compare",
    "tests/servers/stock.py": "others have no guard; the contracts compare",
    "tests/servers/test_switch.py": "looks up names; no client of loopd's runs",
    "tests/servers/test_table.py": "reads results; starts no server",
    "tests/acceptance/test_commands.py": "asks the command for its help alone",
    "tests/docs/commands.py": "names the lines; `tests/docs/test_commands.py` runs them",
    "tests/docs/test_commands.py": "looks at the demo's server when it has ended",
    "tests/simulation/test_demo.py": "looks at the server of the demo's process when it has ended",
    "tests/embedded_argilla/test_process.py": "the server alone: no client of loopd's runs",
}
"""Files that start servers in other ways than by `EmbeddedServer`, and who looks at these."""


def reason(nodeid: str, exceptions: Mapping[str, str]) -> str | None:
    """Why a test is an exception, ``None`` where it is none."""
    return next((why for start, why in exceptions.items() if nodeid.startswith(start)), None)
