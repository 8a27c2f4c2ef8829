"""Training batches: crops of normal images with holes in them, reproducible by seed and step."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from excision.method.masking import cells_to_mask
from excision.ops.unit_range import to_unit
from excision.settings import MaskSettings, TrainingSettings

BoolGrid = NDArray[np.bool_]

# Sources of the holes in a training crop. The mask of the same image trains the network on the regions that
# are excised at inference; masks of other images and random blobs train it to fill any region, so that it
# does not infer the content from the shape of the hole.
_OWN, _OTHER, _BLOBS = 0.35, 0.35, 0.30
_BLOB_SHARE = (0.03, 0.28)


class Batch(NamedTuple):
    """The input of one training step.

    Attributes:
        images: (B, C, S, S) in [0, 1], before excision.
        mask: (B, 1, S, S) bool, True inside the hole.
    """

    images: Tensor
    mask: Tensor


class BatchSource:
    """Draws training batches.

    Args:
        count: number of training images.
        read: returns the working image (H, W, C) uint16 of an image by its index.
        attend: returns the selected cells (h, w) bool of a working image; called once per image, and stored
            in one bit per cell.
        mask: patch size, and whether there are holes at all.
        training: batch size, crop size and seed.
    """

    def __init__(
        self,
        count: int,
        read: Callable[[int], NDArray[np.uint16]],
        attend: Callable[[NDArray[np.uint16]], BoolGrid],
        mask: MaskSettings,
        training: TrainingSettings,
    ) -> None:
        self._count = count
        self._read = read
        self._attend = attend
        self._mask = mask
        self._training = training
        self._packed: dict[int, tuple[NDArray[np.uint8], tuple[int, int]]] = {}

    def batch(self, step: int) -> Batch:
        """Return the batch of a step; it depends only on the seed and the step, never on earlier calls."""
        rng = np.random.default_rng((self._training.seed, step))
        pairs = [self._crop(rng) for _ in range(self._training.batch)]
        images = torch.from_numpy(to_unit(np.stack([image for image, _ in pairs])))
        grids = torch.from_numpy(np.stack([grid for _, grid in pairs]))[:, None]
        size = (images.shape[1], images.shape[2])
        mask = cells_to_mask(grids, self._mask.patch, size)
        return Batch(images.permute(0, 3, 1, 2), mask)

    def _crop(self, rng: np.random.Generator) -> tuple[NDArray[np.uint16], BoolGrid]:
        index = int(rng.integers(self._count))
        image, patch = self._read(index), self._mask.patch
        # Crops start on the patch grid, so that their holes are whole cells.
        cells = -(-self._training.crop // patch)
        top, left = (rng.integers(max(0, side // patch - cells) + 1) for side in image.shape[:2])
        window = (slice(top, top + cells), slice(left, left + cells))
        pixels = tuple(slice(s.start * patch, s.stop * patch) for s in window)
        crop = image[pixels]
        shape = (-(-crop.shape[0] // patch), -(-crop.shape[1] // patch))
        grid = self._holes(rng, index, window, shape)
        if rng.random() < 0.5:
            # After mirroring, the grid still fits the image only if the last cell is whole.
            whole = crop.shape[1] % patch == 0
            crop, grid = (crop[:, ::-1], grid[:, ::-1]) if whole else (crop, grid)
        return crop, grid

    def _holes(
        self, rng: np.random.Generator, index: int, window: tuple[slice, slice], shape: tuple[int, int]
    ) -> BoolGrid:
        if not self._mask.enabled:
            return np.zeros(shape, dtype=np.bool_)
        kind = rng.choice(3, p=(_OWN, _OTHER, _BLOBS))
        if kind == 2:
            return random_blobs(rng, shape)
        if kind == 0:
            return self._cells(index)[window]
        other = self._cells(int(rng.integers(self._count)))
        top, left = (rng.integers(full - part + 1) for full, part in zip(other.shape, shape, strict=True))
        return other[top : top + shape[0], left : left + shape[1]]

    def _cells(self, index: int) -> BoolGrid:
        if index not in self._packed:
            cells = self._attend(self._read(index))
            self._packed[index] = (np.packbits(cells), (cells.shape[0], cells.shape[1]))
        packed, shape = self._packed[index]
        return np.unpackbits(packed, count=shape[0] * shape[1]).reshape(shape).astype(np.bool_)


def random_blobs(rng: np.random.Generator, shape: tuple[int, int]) -> BoolGrid:
    """Draw smooth random blobs that cover 3 to 28 % of a grid; (h, w) bool."""
    height, width = shape
    coarse = torch.from_numpy(rng.standard_normal((1, 1, height // 2 + 1, width // 2 + 1), dtype=np.float32))
    field = functional.interpolate(coarse, size=shape, mode="bicubic", align_corners=False)[0, 0].numpy()
    return np.asarray(field > np.quantile(field, 1 - rng.uniform(*_BLOB_SHARE)), dtype=np.bool_)
