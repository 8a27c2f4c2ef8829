"""Inspecting a large image tile by tile: one anomaly map of full size, and small pictures of the stages.

Nothing else of the image's size is held: 4 bytes a pixel for the map, beside the decoded image itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from excision.errors import ModelError
from excision.ops.reduction import BlockMean, blocks, combine_blocks, reduced_shape, shrink_image
from excision.predictions import Detection, Prediction
from excision.tiling.geometry import Tiling
from excision.tiling.spans import spans

FloatImage = NDArray[np.float32]
D = TypeVar("D", bound=Detection)

MOST_SHOWN = 2048
"""Pixels of the longer side of the pictures of stages; of a smaller image they are of full size."""


Judge = Callable[[FloatImage, Sequence[float]], float]
"""From the anomaly map (H, W) of a large image, and the anomaly scores of its tiles, to its anomaly score."""


def largest_value(anomaly_map: FloatImage, _: Sequence[float]) -> float:
    """Return the maximum of the anomaly map: a large image is judged as a single tile is."""
    return float(anomaly_map.max())


def worst_tile(_: FloatImage, scores: Sequence[float]) -> float:
    """Return the largest score of a tile, for methods that do not read their score off the map alone."""
    return max(scores)


def inspect_working(
    working: NDArray[np.uint16],
    tiling: Tiling | None,
    inspect: Callable[[NDArray[np.uint16]], D],
    judge: Judge = largest_value,
) -> D:
    """Inspect a working image, as a whole or tile by tile.

    Each tile is inspected alone. Where two overlap, one takes over from the other by weights that sum to one,
    and the output of neither counts within the halo of its border, so that every value of the map lies
    between those that tiles with a full surrounding give.

    Args:
        working: (H, W, C), 65535 for 1; at least as large as a tile.
        tiling: of the model; None inspects the image as a whole.
        inspect: gives the detection of one working image, which is (*tiling.size, C) where there are tiles.
        judge: reads the score of an image that was inspected in tiles.

    Returns:
        Of an image in tiles, the anomaly map at full size, and all other pictures reduced where it is large.

    Raises:
        ImageError: the image is smaller than a tile.
        ModelError: the score is no finite number.
    """
    if tiling is None or working.shape[:2] == tiling.size:
        return inspect(working)
    start = time.perf_counter()
    assembly = _Assembly(working.shape)
    for visit in visit_tiles(working, tiling):
        assembly.add(visit, inspect(visit.tile))
    score = judge(assembly.anomaly_map, assembly.scores)
    if not math.isfinite(score):
        raise ModelError("the anomaly score is no finite number: the weights are damaged or went astray")
    found: D = assembly.finish(working, score, time.perf_counter() - start)
    return found


class _Assembly:
    """What the tiles of an image have shown so far.

    Args:
        shape: (H, W, C) of the image.

    Attributes:
        anomaly_map: (H, W).
        scores: of the tiles, in the order in which they were inspected.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        height, width, channels = shape
        self.anomaly_map = np.zeros((height, width), dtype=np.float32)
        self.scores: list[float] = []
        self._factor = shown_reduction((height, width))
        self._stages = {
            name: BlockMean((height, width, depth), self._factor)
            for name, depth in (("attention", 1), ("masked_image", channels), ("recovery", channels))
        }
        self._mask = np.zeros(reduced_shape((height, width), self._factor), dtype=np.bool_)
        self._last: Detection | None = None

    def add(self, visit: Visit, found: Detection) -> None:
        """Add what was found in a tile."""
        self._last = found
        self.scores.append(found.score)
        self.anomaly_map[visit.place] += visit.weights * found.anomaly_map[visit.inside]
        if not isinstance(found, Prediction):
            return
        for name, picture in self._stages.items():
            values = getattr(found, name)[visit.inside].reshape(*visit.weights.shape, -1)
            picture.add(visit.place, visit.weights[..., None] * values)
        spot = blocks(visit.place, self._factor)
        self._mask[spot] |= combine_blocks(found.mask[visit.inside], visit.place, self._factor, np.logical_or)

    def finish(self, working: NDArray[np.uint16], score: float, seconds: float) -> Any:
        """Return the detection of the whole image, of the kind and with the thresholds of its tiles."""
        assert self._last is not None  # every image has a tile
        stages: dict[str, Any] = {}
        if isinstance(self._last, Prediction):
            stages = {name: picture.finished() for name, picture in self._stages.items()}
            stages |= {"attention": stages["attention"][..., 0], "mask": self._mask}
        return replace(
            self._last,
            score=score,
            anomaly_map=self.anomaly_map,
            image=shrink_image(working, self._factor),
            seconds=seconds,
            reduction=self._factor,
            **stages,
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
    """Return how many pixels of an image (H, W) make one of the pictures of its stages."""
    return -(-max(size) // MOST_SHOWN)


def cut(working: NDArray[np.uint16], origin: tuple[int, int], size: tuple[int, int]) -> NDArray[np.uint16]:
    """Cut a tile (*size, C) out of an image; beyond its right and lower border lies its reflection."""
    tile = working[origin[0] : origin[0] + size[0], origin[1] : origin[1] + size[1]]
    missing = [(0, full - side) for full, side in zip(size, tile.shape, strict=False)]
    if any(pair != (0, 0) for pair in missing):
        tile = np.pad(tile, [*missing, (0, 0)], mode="reflect")
    return np.ascontiguousarray(tile)
