"""Owns the faults in how answers are read and records are written; must not plant any."""

from __future__ import annotations

from tests.mutants.fault import Fault

LOOK_TESTS = ("tests/annotation/test_looks.py",)
PACE_TESTS = ("tests/annotation/test_pace.py",)
OPINION_TESTS = ("tests/annotation/test_second_opinions.py",)

ANNOTATION: tuple[Fault, ...] = (
    Fault(
        "a run's trigger is read after the rest",
        "annotation/watcher.py",
        "self._token, self._last_was_partial = token, False",
        "self._token, self._last_was_partial = self._store.activity(), False",
        PACE_TESTS,
    ),
    Fault(
        "a run's trigger is read after the rest of the open batches",
        "annotation/watcher.py",
        "self._token, self._last_was_partial = token, True",
        "self._token, self._last_was_partial = self._store.activity(), True",
        LOOK_TESTS,
    ),
    Fault(
        "open batches that cannot be read are tried for ever",
        "annotation/watcher.py",
        "if not self._is_blind and isinstance(error, TransientError):",
        "if isinstance(error, TransientError):",
        LOOK_TESTS,
    ),
    Fault(
        "everything is read as seldom as ever while the open batches cannot be",
        "annotation/watcher.py",
        "        if self._in_doubt or (self._is_blind and has_moved):\n",
        "        if False:\n",
        LOOK_TESTS,
    ),
    Fault(
        "a listener's trigger is read after the rest",
        "annotation/watcher.py",
        "self._token, self._read_at = token, now",
        "self._token, self._read_at = trigger(), now",
        PACE_TESTS,
    ),
    Fault(
        "a run's token is kept when reading failed",
        "annotation/watcher.py",
        "has_moved = token != self._token",
        "has_moved, self._token = token != self._token, token",
        PACE_TESTS,
    ),
    Fault(
        "a listener's token is kept when reading failed",
        "annotation/watcher.py",
        "        found = read()\n",
        "        self._token, self._read_at = token, now\n        found = read()\n",
        PACE_TESTS,
    ),
    Fault(
        "a rested trigger is believed for ever",
        "annotation/watcher.py",
        "if token == self._token and now - self._read_at < self._interval * slower:",
        "if token == self._token:",
        PACE_TESTS,
    ),
    Fault(
        "what was not taken over is not read again",
        "annotation/watcher.py",
        "        self._token = None\n        if self._last_was_partial:\n",
        "        if self._last_was_partial:\n",
        (
            "tests/annotation/test_looks.py"
            "::test_what_failed_is_read_again_and_what_was_not_taken_over_too",
        ),
    ),
    Fault(
        "everything is read at each look however large the dataset",
        "annotation/watcher.py",
        "            due = max(due, affordable)\n",
        "            pass\n",
        ("tests/annotation/test_looks.py::test_a_large_dataset_is_read_in_part_while_people_work",),
    ),
    Fault(
        "full looks take half of the server's time",
        "annotation/watcher.py",
        "FULL_SHARE, PARTIAL_SHARE = 0.01, 0.05",
        "FULL_SHARE, PARTIAL_SHARE = 0.5, 0.05",
        ("tests/annotation/test_looks.py::test_a_large_dataset_is_read_in_part_while_people_work",),
    ),
    Fault(
        "large datasets are swept as often as small ones",
        "annotation/watcher.py",
        "slower = max(1.0, records / AT_FULL_PACE, last.listed / AT_FULL_PACE)",
        "slower = 1.0",
        PACE_TESTS,
    ),
    Fault(
        "a second opinion is asked while a copy is open",
        "annotation/second_opinions.py",
        "        if record_id not in waiting\n        and max(",
        "        if max(",
        OPINION_TESTS,
    ),
    Fault(
        "a second opinion more than allowed",
        "annotation/second_opinions.py",
        "+ min_submitted <= relabel.max_annotations",
        "<= relabel.max_annotations",
        OPINION_TESTS,
    ),
    Fault(
        "a copy takes an id of the pool",
        "annotation/second_opinions.py",
        " not in used and id_ not in taken)",
        " not in used)",
        OPINION_TESTS,
    ),
    Fault(
        "second opinions are asked of people who have left",
        "annotation/second_opinions.py",
        "active = frozenset().union(*seen.values()) - state.departed",
        "active = frozenset().union(*seen.values())",
        OPINION_TESTS,
    ),
    Fault(
        "a bulk that was too large is lost",
        "annotation/bulk.py",
        '                self._halve(len(items), "was too large for what stands before Argilla")\n',
        "                rest = rest[len(items) :]\n",
        ("tests/annotation/test_bulk.py",),
    ),
)
