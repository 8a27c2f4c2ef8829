"""Work on several images at once, each computed by one thread.

Threads that share one image wait for each other after every layer, and so cost more processor time than they
save. What one thread computes also does not depend on how many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from excision.system.in_order import in_order

T = TypeVar("T")
R = TypeVar("R")

_MOST = 8  # images at once: each needs memory of its own


@contextmanager
def one_thread_each() -> Iterator[int]:
    """Let torch compute each operation with one thread during a block; gives how many it used before."""
    before = torch.get_num_threads()
    if before == 1:
        # An iterator that an error has left may end after the block around it: setting one thread again
        # would then undo what that block has set back.
        yield before
        return
    torch.set_num_threads(1)  # threads that are started from now on take it over
    try:
        yield before
    finally:
        torch.set_num_threads(before)


def at_once(device: torch.device) -> int:
    """Return how many images are to be computed at once: on a GPU one, else as many as torch has threads."""
    return min(torch.get_num_threads(), _MOST) if device.type == "cpu" else 1


@contextmanager
def several_at_once(device: torch.device) -> Iterator[int]:
    """Let torch compute each operation with one thread during a block, if it has several on this device.

    Gives how many images are to be computed at once in the block, as `at_once` does before it.
    """
    count = at_once(device)
    if count == 1:
        yield count
        return
    with one_thread_each():
        yield count


def side_by_side(work: Callable[[T], R], items: Iterable[T], count: int) -> Iterator[R]:
    """Call `work` with each item, `count` at once, and give the results in the order of the items.

    Args:
        work: is called from several threads, unless `count` is 1.
        items: are taken in the thread that asks for the results.
        count: 1 calls `work` in this thread, and lets torch use all of its threads.
    """
    if count == 1:
        yield from map(work, items)
        return
    with one_thread_each():
        yield from in_order(work, items, count)
