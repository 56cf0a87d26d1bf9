"""A mapping that grows: like a dict that is copied each time, but for the cost."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest
from hypothesis import strategies as st

from loopd.growing_map import CHUNK, GrowingMap, growing
from tests.fuzz.properties import HOW_OFTEN, holds

Pairs = list[tuple[int, int]]


@HOW_OFTEN
def test_it_is_as_a_dict_that_is_copied_at_each_change(examples: int) -> None:
    """Also where several successors go on from one of them; none ever changes another."""
    pairs = st.lists(st.tuples(st.integers(0, 600), st.integers()), max_size=400)
    plans = st.lists(st.tuples(st.integers(0, 9), pairs), max_size=10)

    def check(plan: list[tuple[int, Pairs]]) -> None:
        maps: list[GrowingMap[int, int]] = [GrowingMap()]
        dicts: list[dict[int, int]] = [{}]
        for number, changes in plan:
            parent = number % len(maps)
            maps.append(maps[parent].updated(changes))
            dicts.append({**dicts[parent], **dict(changes)})
        for one, other in zip(maps, dicts, strict=True):
            assert one == other
            assert list(one.items()) == list(other.items())
            assert list(one) == list(one.keys()) == list(other)
            assert list(one.values()) == list(other.values())
            assert len(one) == len(other)
            assert all(one[key] == other[key] for key in other)
            assert [key in one for key in range(600)] == [key in other for key in range(600)]

    holds(examples, plans, check)


def test_what_is_not_there() -> None:
    first = GrowingMap([("a", 1)])
    second = first.updated([("b", 2)])
    with pytest.raises(KeyError):
        first["b"]
    assert first.get("b") is None
    assert second.get("c") is None
    assert (repr(first), repr(second)) == ("GrowingMap({'a': 1})", "GrowingMap({'a': 1, 'b': 2})")


def test_one_that_can_grow_is_taken_as_it_is() -> None:
    first = GrowingMap([("a", 1)])
    assert growing(first) is first
    assert first.updated([]) is first
    assert growing({"a": 1}) == first


def copied(before: GrowingMap[int, int], after: GrowingMap[int, int]) -> int:
    """Values that the second does not share with the first."""
    shared = {id(chunk) for chunk in before._chunks}
    return sum(len(chunk) for chunk in after._chunks if id(chunk) not in shared)


@pytest.mark.parametrize("size", [1_000, 10_000, 100_000])
def test_a_change_copies_no_more_of_a_big_one(size: int) -> None:
    whole = GrowingMap((number, 0) for number in range(size))
    assert copied(whole, whole.updated([(size // 2, 1)])) <= CHUNK
    assert copied(whole, whole.updated([(size, 1), (size + 1, 1)])) <= 2 * CHUNK


def test_two_threads_that_go_on_from_one_do_not_mix() -> None:
    whole = GrowingMap((number, 0) for number in range(1000))
    ends: dict[int, GrowingMap[int, int]] = {}

    def grow(sign: int) -> None:
        chain = [whole]
        for number in range(1, 2000):
            chain.append(chain[-1].updated([(sign * (10_000 + number), sign)]))
        assert all(len(later) == len(earlier) + 1 for earlier, later in pairwise(chain))
        ends[sign] = chain[-1]

    threads = [threading.Thread(target=grow, args=(sign,)) for sign in (1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for sign in (1, -1):
        assert set(ends[sign].values()) == {0, sign}
        assert len(ends[sign]) == 2999
