"""The normal images that the statistics of a model are learnt from, divided into folds of whole groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from excision.data.splits import make_folds
from excision.ops.memory_format import image_tensor
from excision.ops.spread import evenly_spread
from excision.progress import Progress
from excision.training.training_set import TrainingSet

# Enough for any quantile over cells, and few enough to be fast on a large data set.
MOST_IMAGES = 256

FOLDS = 5
"""Number of folds of the cross-fitting: a copy of the statistics is learnt from four fifths of the images."""


class NormalImages:
    """At most `MOST_IMAGES` training images, evenly spread over the data; can be iterated repeatedly.

    Args:
        count: number of training images.
        read: returns a training image (1, C, H, W) in [0, 1] by its index.
        groups: group of each training image; None if each is a group of its own.

    Attributes:
        folds: fold of each image, counted from 0. A group is never divided, unless all images are of one.
        fold_of: fold of each group of the training images.
        fold_count: number of folds.
    """

    def __init__(
        self, count: int, read: Callable[[int], Tensor], groups: Sequence[str] | None = None
    ) -> None:
        self._read = read
        self._chosen = evenly_spread(count, MOST_IMAGES)
        groups = tuple(groups or map(str, range(count)))
        self.fold_of = make_folds(groups, FOLDS)
        self.folds = tuple(self.fold_of[groups[index]] for index in self._chosen)
        if len(set(self.folds)) < 2:
            # A single group cannot be divided: its own images are the only ones to compare with.
            self.folds = tuple(place % FOLDS for place in range(len(self._chosen)))
        self.fold_count = max(self.folds) + 1

    @classmethod
    def of(cls, data: TrainingSet, device: torch.device) -> NormalImages:
        """Take the images of a training set, moved to a device."""
        return cls(
            len(data.training), lambda index: image_tensor(data.read(index), device), data.training_groups
        )

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._chosen)

    def __call__(self, progress: Progress) -> Iterator[Tensor]:
        """Iterate over the images; each is read only when it is needed.

        Args:
            progress: called with (done, total).
        """
        for done, index in enumerate(self._chosen, start=1):
            yield self._read(index)
            progress(done, len(self._chosen))
