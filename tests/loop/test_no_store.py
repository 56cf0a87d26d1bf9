"""Parts of a loop that watch a store are at rest where there is none, as in a simulation."""

from __future__ import annotations

from structlog.testing import capture_logs

from loopd.loop.account_watch import AccountWatch
from loopd.loop.visibility import VisibilityCheck
from tests.annotation.states import answer, state
from tests.loop.test_stuck import ANNS, RUN, Known, sweep_without


def test_nobody_is_taken_for_departed_where_no_accounts_can_be_seen() -> None:
    """Somebody took all answers back: it may be, and nothing else can be told."""
    gone = sweep_without(*ANNS)
    seen = AccountWatch(Known("bob"))  # type: ignore[arg-type]
    assert seen.departed(RUN, gone) == frozenset({"id of ann"})
    with capture_logs() as lines:
        assert AccountWatch().departed(RUN, gone) == frozenset()
    assert lines == []


def test_nothing_is_hidden_where_nothing_is_searched() -> None:
    check, run = VisibilityCheck(), state("r1 r2", answer("r1", "ann"))
    assert check.unseen(run.batch) == frozenset()
    assert not check.is_due()
    assert check.look(run, run.batch.external_ids, 0.0) is None
    assert not check.may_be_gone
