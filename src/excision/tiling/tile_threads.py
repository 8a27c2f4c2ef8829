"""The threads that the tiles of a large image are inspected in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from excision.system.in_order import in_order

T = TypeVar("T")
R = TypeVar("R")

LARGE = 2**24
"""Pixels of an image from which on its tiles are inspected at once; of smaller ones, several images are."""


class TileThreads:
    """Threads for the tiles of a large image; if there are several images, their tiles take turns.

    Args:
        count: tiles at once.
    """

    def __init__(self, count: int = 1) -> None:
        self.count = count
        self._turns = threading.Semaphore(count)

    def __reduce__(self) -> tuple[Any, ...]:
        return TileThreads, (self.count,)

    def __deepcopy__(self, _: Any) -> TileThreads:
        return self

    def map(self, work: Callable[[T], R], tiles: Iterable[T], pixels: int) -> Iterator[R]:
        """Call `work` with each tile of an image, and give the results in the order of the tiles.

        Args:
            work: is called from several threads at once if the image is large.
            tiles: of the image.
            pixels: of the image.
        """
        if self.count == 1 or pixels < LARGE:
            return map(work, tiles)

        def in_turn(tile: T) -> R:
            with self._turns:
                return work(tile)

        return in_order(in_turn, tiles, self.count)
