"""Owns the faults in storage; must not plant any."""

from __future__ import annotations

from tests.mutants.fault import Fault

JOURNAL_TESTS = ("tests/unit/test_journal.py",)
FILE_TESTS = ("tests/unit/test_crash_safe_files.py",)

STORAGE: tuple[Fault, ...] = (
    Fault(
        "the journal does not wait for the disk",
        "storage/journal.py",
        "PRAGMA synchronous=FULL",
        "PRAGMA synchronous=OFF",
        JOURNAL_TESTS,
    ),
    Fault(
        "the journal leaves the last events to a loss of power",
        "storage/journal.py",
        'db.execute("PRAGMA synchronous=FULL")',
        'db.execute("PRAGMA synchronous=NORMAL")',
        JOURNAL_TESTS,
    ),
    Fault(
        "a small file takes its name before it is on the disk",
        "storage/files.py",
        "                os.fsync(file.fileno())\n",
        "",
        FILE_TESTS,
    ),
    Fault(
        "the renaming of a small file is not on the disk",
        "storage/files.py",
        "            raise\n        sync_folder(path.parent)\n",
        "            raise\n",
        FILE_TESTS,
    ),
    Fault(
        "the renaming of a journal is not on the disk",
        "storage/replacing.py",
        "        sync_folder(path.parent)\n",
        "",
        FILE_TESTS,
    ),
    Fault(
        "an unfinished small file stays",
        "storage/files.py",
        "Path(name).unlink(missing_ok=True)",
        "pass",
        FILE_TESTS,
    ),
    Fault(
        "small files are for everybody",
        "storage/files.py",
        "os.fchmod(file.fileno(), mode)",
        "os.fchmod(file.fileno(), 0o644)",
        FILE_TESTS,
    ),
    Fault(
        "two daemons may hold one lock",
        "storage/lock.py",
        "    if not _locked(handle):\n",
        "    if False:\n",
        FILE_TESTS,
    ),
    Fault(
        "the lock does not say who holds it",
        "storage/lock.py",
        "os.pwrite(handle, str(os.getpid()).encode(), 0)",
        'os.pwrite(handle, b"0", 0)',
        FILE_TESTS,
    ),
    Fault(
        "a changed event is believed",
        "storage/journal.py",
        "if seq != last_seq + 1 or digest != _digest(before, seq, name, payload):",
        "if seq != last_seq + 1:",
        JOURNAL_TESTS,
    ),
    Fault(
        "digests do not chain",
        "storage/journal.py",
        'text = "\\n".join((before, str(seq), name, payload))',
        'text = "\\n".join((str(seq), name, payload))',
        JOURNAL_TESTS,
    ),
    Fault(
        "a newer format is read",
        "storage/journal.py",
        "    if version > VERSION:\n",
        "    if False:\n",
        JOURNAL_TESTS,
    ),
    Fault(
        "another program's database is read",
        "storage/journal.py",
        "    if version < 1:\n",
        "    if version < 0:\n",
        JOURNAL_TESTS,
    ),
    Fault(
        "a journal is put over one that has appeared",
        "storage/replacing.py",
        '        if path.exists():\n            raise StorageError(f"{path} has appeared',
        '        if False:\n            raise StorageError(f"{path} has appeared',
        ("tests/unit/test_replacing.py",),
    ),
    Fault(
        "a second journal kept aside replaces the first",
        "storage/replacing.py",
        "    while aside.exists():\n",
        "    while False:\n",
        ("tests/unit/test_replacing.py",),
    ),
    Fault(
        "an unfinished attempt at a journal is gone on with",
        "storage/replacing.py",
        "        _clear(fresh)\n",
        "",
        ("tests/unit/test_replacing.py",),
    ),
    Fault(
        "an event with a new field is damaged",
        "storage/codec.py",
        'raise NewerError(f"a newer loopd wrote this: event {name}, {error}") from error',
        'raise JournalError(f"event {name} is damaged: {error}", _DAMAGED) from error',
        (
            "tests/upgrade/test_newer.py::test_no_event_loses_a_field_that_is_new",
            "tests/upgrade/test_newer.py::test_what_is_new_in_a_journal_is_no_damage",
        ),
    ),
)
