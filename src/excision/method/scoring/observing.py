"""What normal images show, computed for several images at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from excision.method.scoring.poses import Posing
from excision.method.scoring.position_distance import Observed
from excision.training.side_by_side import side_by_side

T = TypeVar("T")
R = TypeVar("R")

Images = Callable[[], Iterable[Tensor]]
"""Returns an iterator over normal images (1, C, H, W) in [0, 1]."""

Describe = Callable[[Tensor], Sequence[Tensor]]
"""Returns features (1, C, h, w) of an image (1, C, H, W) on each of several grids."""


class Normal(NamedTuple):
    """Normal images to learn from.

    Attributes:
        images: the images.
        folds: fold of each image, counted from 0.
        at_once: number of images that are looked at at once, each by one thread.
    """

    images: Images
    folds: Sequence[int]
    at_once: int = 1

    def each(self, work: Callable[[Tensor], R]) -> Iterator[R]:
        """Call `work` with each image, and give the results in their order."""
        return self.each_of(work, self.images())

    def each_of(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Call `work` with each item that was made of an image, and give the results in their order."""

        def without_gradients(item: T) -> R:
            # Whether gradients are wanted is a matter of each thread.
            with torch.no_grad():
                return work(item)

        return side_by_side(without_gradients, items, self.at_once)


def observer(
    describe: Describe, alignment: Posing | None, cells: Sequence[int]
) -> Callable[[Tensor], list[Observed]]:
    """Return what computes the features of an image (1, C, H, W), aligned if there is an alignment.

    Args:
        describe: computes the features of an aligned image.
        alignment: of the images.
        cells: side in pixels of the cells of each grid.
    """

    def observe(image: Tensor) -> list[Observed]:
        if alignment is None:
            return [*describe(image)]
        pose, appearance = alignment.place(image)
        found = describe(alignment.align(image, pose))
        return [
            (each, alignment.seen(pose, cell), appearance) for each, cell in zip(found, cells, strict=True)
        ]

    return observe
