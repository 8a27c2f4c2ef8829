"""Several images at once: in their order, each by one thread, on any number of cores."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from excision.training.side_by_side import at_once, several_at_once, side_by_side


@pytest.fixture(autouse=True)
def _three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_results_keep_their_order_and_each_is_computed_by_one_thread() -> None:
    both, seen = threading.Barrier(3, timeout=20), []

    def work(item: int) -> int:
        if item < 3:
            both.wait()  # passes only if three are worked on at once
        time.sleep(0.01 * (item % 2 == 0))
        seen.append(torch.get_num_threads())
        return item * item

    assert list(side_by_side(work, range(9), 3)) == [item * item for item in range(9)]
    assert seen == [1] * 9
    assert torch.get_num_threads() == 3


def test_one_at_a_time_has_all_threads() -> None:
    assert list(side_by_side(lambda _: torch.get_num_threads(), range(2), 1)) == [3, 3]


def test_an_error_is_raised_in_its_place_and_the_threads_are_given_back() -> None:
    found = side_by_side(lambda item: 1 // (2 - item), range(4), 2)
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(found)
    assert torch.get_num_threads() == 3


def test_whoever_stops_early_gets_the_threads_back() -> None:
    found = side_by_side(lambda item: item, range(100), 2)
    assert next(found) == 0
    found.close()  # type: ignore[attr-defined]
    assert torch.get_num_threads() == 3


def test_a_gpu_computes_one_image_after_another() -> None:
    assert at_once(torch.device("cuda")) == 1
    assert at_once(torch.device("cpu")) == 3


def test_a_block_has_one_thread_for_each_of_several_images_and_tells_how_many() -> None:
    with several_at_once(torch.device("cpu")) as count:
        assert (count, torch.get_num_threads()) == (3, 1)
    with several_at_once(torch.device("cuda")) as count:
        assert (count, torch.get_num_threads()) == (1, 3)
    assert torch.get_num_threads() == 3


def test_whoever_stops_early_within_a_block_leaves_all_threads_to_what_comes_next() -> None:
    """The traceback of an error may keep the iterator after the end of the block."""
    with several_at_once(torch.device("cpu")) as count:
        found = side_by_side(lambda item: item, range(100), count)
        assert next(found) == 0
    assert torch.get_num_threads() == 3
    del found
    assert torch.get_num_threads() == 3
