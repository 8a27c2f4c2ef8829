"""Images at their full size with the part in each."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from excision.capability.part import Mask, Part, find_part
from excision.data.images import any_full_image, resize_mask

_MOST_BYTES = 256 * 2**20  # of the images that are kept in memory


class Pictures:
    """Images at their full size with the part in each, the last few kept in memory.

    Args:
        channels: of the model.
        region: (H, W), where a defect counts, at any size; None for everywhere.
        background: whether the part is to be told from a background.
    """

    def __init__(self, channels: int, region: Mask | None, background: bool) -> None:
        self._channels = channels
        self._region = region
        self._background = background
        self._kept: OrderedDict[Path, tuple[NDArray[np.uint16], Part]] = OrderedDict()
        self._bytes = 0

    def get(self, path: Path) -> tuple[NDArray[np.uint16], Part]:
        """Give an image (H, W, C) uint16 and the part in it.

        Raises:
            ImageError: the file cannot be read any more.
        """
        if path in self._kept:
            self._kept.move_to_end(path)
            return self._kept[path]
        image = any_full_image(path, self._channels)
        found = (image, Part.of(self._part(image)))
        self._kept[path] = found
        self._bytes += image.nbytes + found[1].mask.nbytes
        while self._bytes > _MOST_BYTES and len(self._kept) > 1:
            _, (old, part) = self._kept.popitem(last=False)
            self._bytes -= old.nbytes + part.mask.nbytes
        return found

    def _part(self, image: NDArray[np.uint16]) -> Mask:
        size = (image.shape[0], image.shape[1])
        found = find_part(image) if self._background else None
        mask = np.ones(size, dtype=np.bool_) if found is None else found
        if self._region is not None:
            inside = mask & resize_mask(self._region, size)
            mask = inside if inside.any() else resize_mask(self._region, size)
        return mask if mask.any() else np.ones(size, dtype=np.bool_)


def as_given(image: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Give an image (H, W, C) in the form that models take: (H, W) if it is grey."""
    return image if image.shape[2] > 1 else image[..., 0]
