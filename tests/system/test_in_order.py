"""Work in several threads: the order of the results, bounded memory, and the ways it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from excision.system import in_order as module
from excision.system.budget import Budget
from excision.system.in_order import in_order


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=25), st.integers(1, 5))
def test_results_have_the_order_of_the_items(delays: list[int], workers: int) -> None:
    def work(item: tuple[int, int]) -> int:
        time.sleep(item[1] / 2000)
        return item[0]

    assert list(in_order(work, enumerate(delays), workers)) == list(range(len(delays)))


def test_all_threads_work_at_once_and_end() -> None:
    before = threading.active_count()
    meeting = threading.Barrier(3, timeout=10)
    assert list(in_order(lambda item: meeting.wait() * 0 + item, range(6), 3)) == list(range(6))
    for _ in range(100):
        if threading.active_count() <= before:
            break
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_few_items_are_taken_ahead() -> None:
    taken = []

    def items() -> Iterator[int]:
        for item in range(1000):
            taken.append(item)
            yield item

    results = in_order(lambda item: item, items(), 2)
    for expected in range(10):
        assert next(results) == expected
    assert len(taken) <= 10 + 6
    del results


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_comes_in_the_place_of_its_result(workers: int, error: type[BaseException]) -> None:
    def work(item: int) -> int:
        if item == 3:
            raise error
        return item

    results = in_order(work, range(10), workers)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(error):
        next(results)


def test_what_has_begun_ends_before_an_error_goes_on() -> None:
    """Else the end of the process could stop a thread in the middle, and leave half of a file."""
    begun, go_on, ended = threading.Barrier(3, timeout=60), threading.Event(), []

    def work(item: int) -> None:
        if item > 0:
            begun.wait()
            go_on.wait(60)
            ended.append(item)

    def use() -> None:
        for _ in in_order(work, range(3), 3):
            begun.wait()
            threading.Timer(0.05, go_on.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        use()
    assert sorted(ended) == [1, 2]


def test_what_is_in_progress_is_given_after_a_request_to_stop() -> None:
    """The slow one that began is waited for; what waits behind it is not begun."""
    begun, stopped, go_on = [], threading.Event(), threading.Event()

    def work(item: int) -> int:
        begun.append(item)
        if item == 0:
            go_on.wait(10)
        return item

    results = in_order(work, range(100), 2, stopped.is_set)
    threading.Timer(0.1, stopped.set).start()
    threading.Timer(0.4, go_on.set).start()
    found = list(results)
    assert found == sorted(begun)
    assert found[0] == 0
    assert len(found) <= 6


def test_what_takes_too_long_is_given_up_after_a_request_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE", 0.1)
    stopped, go_on = threading.Event(), threading.Event()

    def work(item: int) -> int:
        if item == 0:
            go_on.wait(10)
        if item == 2:
            stopped.set()
        return item

    start = time.monotonic()
    assert 0 not in list(in_order(work, range(100), 2, stopped.is_set))
    assert time.monotonic() - start < 5
    go_on.set()


def test_a_budget_is_never_exceeded_and_the_largest_request_is_alone() -> None:
    budget, lock, held, most = Budget(10), threading.Lock(), [], []

    def work(amount: int) -> int:
        with budget.take(amount):
            with lock:
                held.append(amount)
                most.append(list(held))
            time.sleep(0.001)
            with lock:
                held.remove(amount)
        return amount

    amounts = [3, 4, 99, 1, 5, 5, 10, 2, 2, 2, 2] * 3
    assert list(in_order(work, amounts, 4)) == amounts
    assert all(sum(each) <= 10 or each == [99] for each in most)
    assert any(len(each) > 1 for each in most)
