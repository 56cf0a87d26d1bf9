"""How long a page was empty is counted from samples and looks; needs no browser."""

from __future__ import annotations

import pytest

from tests.browser.waiting import RECORD, SAMPLE, longest_wait

WORDS = "nothing is open"


def every(seconds: float, until: float = 10.0) -> list[float]:
    return [seconds * tick for tick in range(int(until / seconds) + 1)]


def test_a_page_that_is_empty_while_records_are_open_is_found() -> None:
    samples = [(at, WORDS if 2 <= at < 5 else RECORD) for at in every(SAMPLE)]
    longest, words = longest_wait(samples, [(at, 3) for at in every(SAMPLE)])
    assert longest == pytest.approx(3, abs=2 * SAMPLE)
    assert words == WORDS


def test_what_came_in_the_meantime_ends_a_wait() -> None:
    samples = [(at, RECORD if at == pytest.approx(4) else WORDS) for at in every(SAMPLE)]
    longest, _ = longest_wait(samples, [(at, 3) for at in every(SAMPLE)])
    assert longest == pytest.approx(6, abs=2 * SAMPLE)


def test_a_page_is_rightly_empty_while_nothing_is_open() -> None:
    samples = [(at, WORDS) for at in every(SAMPLE)]
    assert longest_wait(samples, [(at, 0) for at in every(SAMPLE)]) == (0, "")
    assert longest_wait(samples, []) == (0, "")


@pytest.mark.parametrize("held_up", ["page", "server"])
def test_a_machine_that_holds_up_one_of_them_makes_no_wait_of_it(held_up: str) -> None:
    slow, quick = every(5 * SAMPLE), every(SAMPLE)
    samples = [(at, WORDS) for at in (slow if held_up == "page" else quick)]
    looks = [(at, 1) for at in (slow if held_up == "server" else quick)]
    longest, _ = longest_wait(samples, looks)
    assert longest == pytest.approx(10 / 5, abs=2 * SAMPLE)
