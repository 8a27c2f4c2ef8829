"""Inspecting a large image tile by tile: one anomaly map of full size, and small pictures of the stages.

Nothing else of the image's size is held: 4 bytes a pixel for the map, beside the decoded image itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from excision.errors import ModelError
from excision.ops.reduction import BlockMean, blocks, combine_blocks, reduced_shape, shrink_image
from excision.predictions import Prediction
from excision.tiling.geometry import Tiling
from excision.tiling.spans import spans

FloatImage = NDArray[np.float32]

MOST_SHOWN = 2048
"""Pixels of the longer side of the pictures of stages; of a smaller image they are of full size."""


class Stages(Protocol):
    """What is said of one tile, or of the whole image: each stage as in `Prediction`."""

    @property
    def anomaly_map(self) -> FloatImage:
        """(H, W)."""

    @property
    def attention(self) -> FloatImage:
        """(H, W)."""

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(H, W)."""

    @property
    def masked_image(self) -> FloatImage:
        """(H, W, C)."""

    @property
    def recovery(self) -> FloatImage:
        """(H, W, C)."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """A large image after its inspection.

    Attributes:
        anomaly_map: (H, W) float32, of full size.
        image: (h, w, C) float32 in [0, 1], like the other stages reduced; each pixel is a mean.
        attention: (h, w) float32.
        mask: (h, w) bool, True where any pixel was excised.
        masked_image: (h, w, C) float32 in [0, 1].
        recovery: (h, w, C) float32 in [0, 1].
        reduction: pixels of the image along the side of one of these; 1 where the image is small.
        tiles: number of tiles that were inspected.
    """

    anomaly_map: FloatImage
    image: FloatImage
    attention: FloatImage
    mask: NDArray[np.bool_]
    masked_image: FloatImage
    recovery: FloatImage
    reduction: int
    tiles: int

    def prediction(
        self, threshold: float, seconds: float, review_threshold: float | None = None
    ) -> Prediction:
        """Judge it by the largest value of the anomaly map, as a single tile is judged.

        Raises:
            ModelError: that is no finite number.
        """
        score = float(self.anomaly_map.max())
        if not math.isfinite(score):
            raise ModelError("the anomaly score is no finite number: the weights are damaged or went astray")
        return Prediction(
            score=score,
            threshold=threshold,
            anomaly_map=self.anomaly_map,
            image=self.image,
            seconds=seconds,
            attention=self.attention,
            mask=self.mask,
            masked_image=self.masked_image,
            recovery=self.recovery,
            reduction=self.reduction,
            review_threshold=review_threshold,
        )


def inspect_tiles(
    working: NDArray[np.uint16], tiling: Tiling, inspect: Callable[[NDArray[np.uint16]], Stages]
) -> Assembled:
    """Inspect an image of any size tile by tile.

    Each tile is inspected alone. Where two overlap, one takes over from the other by weights that sum to one,
    and neither is asked within the halo of its border, so that every value of the map lies between those that
    tiles with a full surrounding give.

    Args:
        working: (H, W, C), 65535 for 1; at least as large as a tile.
        tiling: of the model.
        inspect: says what one tile (*tiling.size, C) shows.

    Raises:
        ImageError: the image is smaller than a tile.
    """
    height, width, channels = working.shape
    anomaly_map = np.zeros((height, width), dtype=np.float32)
    factor = shown_reduction((height, width))
    pictures = {
        name: BlockMean((height, width, depth), factor)
        for name, depth in (("attention", 1), ("masked_image", channels), ("recovery", channels))
    }
    mask = np.zeros(reduced_shape((height, width), factor), dtype=np.bool_)
    tiles = 0
    for visit in visit_tiles(working, tiling):
        tiles += 1
        stages = inspect(visit.tile)
        anomaly_map[visit.place] += visit.weights * stages.anomaly_map[visit.inside]
        for name, picture in pictures.items():
            values = getattr(stages, name)[visit.inside].reshape(*visit.weights.shape, -1)
            picture.add(visit.place, visit.weights[..., None] * values)
        spot = blocks(visit.place, factor)
        mask[spot] |= combine_blocks(stages.mask[visit.inside], visit.place, factor, np.logical_or)
    return Assembled(
        anomaly_map,
        shrink_image(working, factor),
        pictures["attention"].finished()[..., 0],
        mask,
        pictures["masked_image"].finished(),
        pictures["recovery"].finished(),
        factor,
        tiles,
    )


class Visit(NamedTuple):
    """A tile on its way over an image.

    Attributes:
        tile: (h, w, C), a tile of the image.
        place: of the image where this tile has a say.
        inside: the same place in the tile.
        weights: how much it says there; at every pixel of the image those of all tiles sum to 1.
    """

    tile: NDArray[np.uint16]
    place: tuple[slice, slice]
    inside: tuple[slice, slice]
    weights: FloatImage


def visit_tiles(working: NDArray[np.uint16], tiling: Tiling) -> Iterator[Visit]:
    """Go over an image (H, W, C) tile by tile, in reading order.

    Raises:
        ImageError: the image is smaller than a tile.
    """
    height, width, _ = working.shape
    tiling.check(height, width, "the image")
    places = product(spans(height, tiling.size[0], tiling), spans(width, tiling.size[1], tiling))
    for down, across in places:
        yield Visit(
            cut(working, (down.origin, across.origin), tiling.size),
            (slice(down.start, down.stop), slice(across.start, across.stop)),
            (down.inside, across.inside),
            down.weights[:, None] * across.weights,
        )


def shown_reduction(size: tuple[int, int]) -> int:
    """Give how many pixels of an image (H, W) make one of the pictures of its stages."""
    return -(-max(size) // MOST_SHOWN)


def cut(working: NDArray[np.uint16], origin: tuple[int, int], size: tuple[int, int]) -> NDArray[np.uint16]:
    """Cut a tile (*size, C) out of an image; beyond its right and lower border lies its reflection."""
    tile = working[origin[0] : origin[0] + size[0], origin[1] : origin[1] + size[1]]
    missing = [(0, full - side) for full, side in zip(size, tile.shape, strict=False)]
    if any(pair != (0, 0) for pair in missing):
        tile = np.pad(tile, [*missing, (0, 0)], mode="reflect")
    return np.ascontiguousarray(tile)
