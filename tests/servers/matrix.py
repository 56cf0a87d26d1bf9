"""Owns ``make check-servers``: the tests on one server after the other, and the table of them.

``python -m tests.servers.matrix NAME ...`` runs them on these servers, without a name on all, and
writes the results into ``results.json`` and the table into ``docs/servers.md``; with ``--url URL``
on a server that is there, and prints what came of it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from tests.servers import EMBEDDED, SERVERS, Server, server_of
from tests.servers.installing import install
from tests.servers.stock import PROJECT

RESULTS = Path(__file__).parent / "results.json"
PAGE = PROJECT / "docs" / "servers.md"
OTHERS = [name for name in SERVERS if name != EMBEDDED]
"""Servers that are run unless some are named: `make test` has the embedded one."""

BEGIN, END = "<!-- table -->", "<!-- end of table -->"

CRASH = "tests/crash/test_crash.py::test_kills_change_nothing[kill_forked_at_each_third-8]"
SOAK = (
    "tests/faults/test_live_soak.py::"
    "test_one_history_on_a_real_argilla_and_what_the_checker_says_of_forgeries"
)
PARTS: Mapping[str, tuple[str, ...]] = {
    "run": ("tests/servers/test_whole_run.py",),
    "store": ("tests/integration",),
    "search": (
        "tests/embedded_argilla/test_search_contract.py",
        "tests/embedded_argilla/test_datasets.py",
    ),
    "people": ("tests/loop/test_people.py", "tests/loop/test_stuck.py"),
    "guests": ("tests/faults/test_guests.py",),
    "crash": (CRASH,),
    "soak": (SOAK, "tests/faults/test_nobody_stuck.py"),
}
"""What is run, by the name of its column; the first on every server, the others on most."""

OUTCOMES = ("passed", "failed", "skipped")


@dataclass(frozen=True)
class Part:
    """What came of one part of the tests.

    Attributes:
        date: of the run.
        minutes: that its tests took.
        passed, failed, skipped: numbers of tests.
        reasons: why tests were skipped.
        failures: names of those that failed.
    """

    date: str
    minutes: float
    passed: int
    failed: int
    skipped: int
    reasons: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """What came of the tests on a server.

    Attributes:
        name, title, database, search: of the server.
        parts: what came of each part that has run to its end.
    """

    name: str
    title: str
    database: str
    search: str
    parts: Mapping[str, Part]

    @property
    def failed(self) -> int:
        return sum(part.failed for part in self.parts.values())


def main() -> int:
    """Number of servers on which a test failed."""
    options = _options()
    if options.table:
        write(read())
        return 0
    names = [options.url] if options.url else options.names or OTHERS
    servers = {name: server_of(name, os.environ.get("ARGILLA_API_KEY", "")) for name in names}
    results = []
    for name, server in servers.items():
        install(name)
        results.append(run(name, server, options.parts.split(",") if options.parts else ()))
        print(table(results), flush=True)
        if not options.url:
            keep(results[-1])
    return sum(bool(result.failed) for result in results)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SERVERS))
    parser.add_argument("--url", help="of a server that is there; takes ARGILLA_API_KEY")
    parser.add_argument(
        "--parts", help=f"some of {','.join(PARTS)}; of the others what is kept stays"
    )
    parser.add_argument("--table", action="store_true", help="only write the table again")
    return parser.parse_args()


def run(name: str, server: Server, only: Iterable[str] = ()) -> Result:
    """Run the tests on one server.

    Args:
        name: of the server, or its address.
        server: what it is.
        only: names of the parts to run; empty for all that this server is for.

    Raises:
        RuntimeError: pytest did not come to its end.
    """
    parts = list(only) or (list(PARTS) if server.whole else ["run"])
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        paths = [path for part in parts for path in PARTS[part] if _is_there(path)]
        command = [sys.executable, "-m", "pytest", "--argilla", name, *paths]
        options = ["-q", "-m", "not slow", "-k", "not memory", "-o", "timeout=1800"]
        options.append(f"--junitxml={report}")
        done = subprocess.run([*command, *options], cwd=PROJECT, check=False, env=_patient())
        if done.returncode not in (0, 1):  # some passed, or some failed
            raise RuntimeError(f"pytest has not come to its end on {name}: {done.returncode}")
        cases = list(ET.parse(report).iter("testcase"))  # noqa: S314 - pytest's own
    named = (name, server.title, server.database, server.search)
    return Result(*named, {part: _part(_of(part, cases)) for part in parts if _of(part, cases)})


def _patient() -> dict[str, str]:
    """Some of these servers are slow, and so may be the machine."""
    return {"LOOPD_PATIENCE": "5", **os.environ}


def _is_there(path: str) -> bool:
    return (PROJECT / path.partition("::")[0]).exists()


def _outcome(case: ET.Element) -> str:
    kinds = {child.tag for child in case}
    return (
        "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
    )


def _of(part: str, cases: Iterable[ET.Element]) -> list[ET.Element]:
    """Those that belong to a part."""
    starts = tuple(path.partition("::")[0].removesuffix(".py") for path in PARTS[part])
    return [
        case for case in cases if case.get("classname", "").replace(".", "/").startswith(starts)
    ]


def _part(cases: Iterable[ET.Element]) -> Part:
    cases = list(cases)
    counts = Counter(map(_outcome, cases))
    skipped = [child for case in cases for child in case if child.tag == "skipped"]
    return Part(
        datetime.now(timezone.utc).date().isoformat(),
        round(sum(float(case.get("time", 0)) for case in cases) / 60, 1),
        counts["passed"],
        counts["failed"],
        counts["skipped"],
        reasons=tuple(sorted({child.get("message", "") for child in skipped})),
        failures=tuple(case.get("name", "") for case in cases if _outcome(case) == "failed"),
    )


# -- results -------------------------------------------------------------------------------------


def read() -> dict[str, Result]:
    """What is kept of earlier runs, by the server's name."""
    if not RESULTS.exists():
        return {}
    entries: list[dict[str, Any]] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return {
        entry["name"]: Result(
            **{**entry, "parts": {name: _read_part(part) for name, part in entry["parts"].items()}}
        )
        for entry in entries
    }


def _read_part(entry: Mapping[str, Any]) -> Part:
    lists = {name: tuple(entry[name]) for name in ("reasons", "failures")}
    return Part(**{**entry, **lists})


def keep(result: Result) -> None:
    """Put what has run in place of what was kept of the same parts."""
    results = read()
    earlier = results[result.name].parts if result.name in results else {}
    parts = {**earlier, **result.parts}
    ordered = {name: parts[name] for name in PARTS if name in parts}
    write({**results, result.name: replace(result, parts=ordered)})


def write(results: Mapping[str, Result]) -> None:
    """Keep the results, and bring the page's table up to date."""
    ordered = [results[name] for name in SERVERS if name in results]
    text = json.dumps([asdict(result) for result in ordered], indent=2)
    RESULTS.write_text(text + "\n", encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{table(ordered)}\n{END}{after}", encoding="utf-8")


def table(results: Iterable[Result]) -> str:
    """The results as Markdown."""
    results = list(results)
    if not results:
        return "No server has been run to the end yet."
    heads = ("Server", "Database", "Search", *map(str.capitalize, OUTCOMES))
    heads += ("Whole run", "Parts", "Minutes", "On")
    rows = [heads, ("---",) * len(heads)]
    for result in results:
        parts = result.parts.values()
        numbers = [str(sum(getattr(part, outcome) for part in parts)) for outcome in OUTCOMES]
        row = (result.title, result.database, result.search, *numbers, _whole(result))
        minutes = round(sum(part.minutes for part in parts))
        date = max((part.date for part in parts), default="")
        rows.append((*row, " ".join(result.parts), str(minutes), date))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _whole(result: Result) -> str:
    part = result.parts.get("run")
    if part is None or part.failed:
        return "no"
    return "yes" if part.passed > 1 else "refused"


if __name__ == "__main__":
    sys.exit(main())
