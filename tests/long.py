"""Tests of more than a second that are not otherwise marked: `make fast` leaves them out.

They train models, fold long journals, build pages, start processes or walk over thousands of
examples. Each line is the beginning of a test's id.
"""

from __future__ import annotations

LONG = (
    "tests/annotation/test_consensus.py::test_219_annotators",
    "tests/annotation/test_crowds.py",
    "tests/annotation/test_looks.py::test_nothing_is_lost_or_doubled_and_everything_is_noticed_in_time",
    "tests/data/test_formats.py::test_in_and_out_are_the_identity",
    "tests/data/test_lost.py::test_all_that_is_there_is_read_or_reported",
    "tests/data/test_stored_pool.py",
    "tests/data/test_workbooks.py::test_a_shared_string_is_read_as_a_lone_one",
    "tests/docs/test_deploy.py",
    "tests/docs/test_glossary.py",
    "tests/docs/test_notebook.py",
    "tests/docs/test_site.py",
    "tests/evaluation/test_audit.py",
    "tests/evaluation/test_edge.py",
    "tests/evaluation/test_shift.py",
    "tests/export/",
    "tests/faults/",
    "tests/fuzz/",
    "tests/hostile/test_places.py::test_labels_are_never_names_of_files",
    "tests/interactive/",
    "tests/learning/",
    "tests/loop/test_asked_once.py",
    "tests/loop/test_audit.py",
    "tests/loop/test_contest.py",
    "tests/loop/test_costs.py",
    "tests/loop/test_described.py",
    "tests/loop/test_growing.py::test_killed_at_some_points_of_an_intake_the_batches_are_the_same",
    "tests/loop/test_kept.py",
    "tests/loop/test_labelled_test.py",
    "tests/loop/test_large_pool.py",
    "tests/loop/test_measured.py",
    "tests/loop/test_measured_spans.py",
    "tests/loop/test_new_texts.py",
    "tests/loop/test_nobody_waits.py",
    "tests/loop/test_opening.py",
    "tests/loop/test_people.py",
    "tests/loop/test_reasons.py",
    "tests/loop/test_recover.py",
    "tests/loop/test_removing.py",
    "tests/loop/test_second_opinions.py",
    "tests/loop/test_warm_start.py",
    "tests/monitoring/test_charts.py::test_charts_tables_and_json_are_one",
    "tests/monitoring/test_console.py",
    "tests/monitoring/test_figures.py",
    "tests/monitoring/test_measured.py",
    "tests/monitoring/test_page_command.py",
    "tests/monitoring/test_report.py",
    "tests/simulation/",
    "tests/test_architecture.py::test_each_package_is_imported_only_where_it_belongs",
    "tests/test_architecture.py::test_importing_loads_nothing_heavy",
    "tests/unit/test_ids.py::test_mixing_them_is_an_error_that_mypy_finds",
    "tests/upgrade/",
)


def is_long(node_id: str) -> bool:
    """Whether `make fast` leaves a test out."""
    return node_id.startswith(LONG)


def is_folder_of_long_ones(folder: str) -> bool:
    """Whether all of a folder is left out, so that its modules need not be imported either.

    Args:
        folder: relative to the project, with a slash at its end.
    """
    return folder in LONG
