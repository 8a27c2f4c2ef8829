"""Inspects a large image tile by tile: one anomaly map of full size, and small pictures of the stages.

Memory of the image's size: the decoded image itself and 4 bytes per pixel for the map, and nothing else.
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
from excision.tiling.tile_threads import TileThreads

FloatImage = NDArray[np.float32]
D = TypeVar("D", bound=Detection)

MOST_SHOWN = 2048
"""Longest side in pixels of the pictures of the stages; for a smaller image they have full size."""


Judge = Callable[[FloatImage, Sequence[float]], float]
"""Computes the anomaly score of a large image from its anomaly map (H, W) and the scores of its tiles."""


def largest_value(anomaly_map: FloatImage, _: Sequence[float]) -> float:
    """Return the maximum of the anomaly map, as for a single tile."""
    return float(anomaly_map.max())


def worst_tile(_: FloatImage, scores: Sequence[float]) -> float:
    """Return the largest score of a tile, for methods whose score is not a function of the map alone."""
    return max(scores)


def inspect_working(
    working: NDArray[np.uint16],
    tiling: Tiling | None,
    inspect: Callable[[NDArray[np.uint16]], D],
    judge: Judge = largest_value,
    threads: TileThreads | None = None,
) -> D:
    """Inspect a working image, as a whole or tile by tile.

    Each tile is inspected separately. Where two tiles overlap, they are blended with weights that sum to one.
    Close to an edge shared with a neighbour, a tile's output is discarded; this margin is the halo. Every
    value of the map is thus between those of tiles that see its whole neighbourhood.

    Args:
        working: (H, W, C), uint16 with 65535 for 1; at least as large as a tile.
        tiling: tiling of the model; None inspects the image as a whole.
        inspect: returns the detection of one working image; with a tiling, of one tile (*tiling.size, C).
        judge: computes the score of an image that was inspected in tiles.
        threads: that inspect the tiles of a large image; None takes this one. The result is the same, bit for
            bit.

    Returns:
        The detection. With a tiling, the anomaly map has full size; the other pictures of a large image are
        reduced.

    Raises:
        ImageError: the image is smaller than a tile.
        ModelError: the score is not finite.
    """
    if tiling is None or working.shape[:2] == tiling.size:
        return inspect(working)
    start = time.perf_counter()
    assembly = _Assembly(working.shape)

    def contribution(visit: Visit) -> _Contribution:
        return assembly.contribution(visit, inspect(visit.tile))

    height, width = working.shape[:2]
    visits = visit_tiles(working, tiling)
    for each in (threads or TileThreads()).map(contribution, visits, height * width):
        assembly.add(each)
    score = judge(assembly.anomaly_map, assembly.scores)
    if not math.isfinite(score):
        raise ModelError("the anomaly score is not finite: the weights are damaged")
    found: D = assembly.finish(working, score, time.perf_counter() - start)
    return found


class _Assembly:
    """Collects the results of the tiles of an image.

    Args:
        shape: (H, W, C) of the image.

    Attributes:
        anomaly_map: (H, W).
        scores: scores of the tiles, in the order in which they were inspected.
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

    def contribution(self, visit: Visit, found: Detection) -> _Contribution:
        """Weight and reduce the result of a tile; from any thread, since nothing is added yet."""
        part = visit.weights * found.anomaly_map[visit.inside]
        stages, mask = {}, None
        if isinstance(found, Prediction):
            for name, picture in self._stages.items():
                values = getattr(found, name)[visit.inside].reshape(*visit.weights.shape, -1)
                stages[name] = picture.sums(visit.place, visit.weights[..., None] * values)
            mask = combine_blocks(found.mask[visit.inside], visit.place, self._factor, np.logical_or)
        return _Contribution(visit.place, found, part, stages, mask)

    def add(self, one: _Contribution) -> None:
        """Add what a tile contributes. The order of the tiles decides the last bit of the sums."""
        self._last = one.found
        self.scores.append(one.found.score)
        self.anomaly_map[one.place] += one.part
        for name, sums in one.stages.items():
            self._stages[name].add_sums(one.place, sums)
        if one.mask is not None:
            self._mask[blocks(one.place, self._factor)] |= one.mask

    def finish(self, working: NDArray[np.uint16], score: float, seconds: float) -> Any:
        """Return the detection of the whole image, with the type and thresholds of those of its tiles."""
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


class _Contribution(NamedTuple):
    """What a tile adds to the image at a place: its weighted map, and the reduced sums of the stages."""

    place: tuple[slice, slice]
    found: Detection
    part: FloatImage
    stages: dict[str, FloatImage]
    mask: NDArray[np.bool_] | None


class Visit(NamedTuple):
    """A tile and the part of the image that it contributes to.

    Attributes:
        tile: (h, w, C), a tile of the image.
        place: region of the image that this tile contributes to.
        inside: the same region within the tile.
        weights: weight of the tile at each pixel of the region; over all tiles they sum to 1 at every pixel.
    """

    tile: NDArray[np.uint16]
    place: tuple[slice, slice]
    inside: tuple[slice, slice]
    weights: FloatImage


def visit_tiles(working: NDArray[np.uint16], tiling: Tiling) -> Iterator[Visit]:
    """Iterate over the tiles of an image (H, W, C) in reading order.

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
    """Return the factor by which the pictures of the stages of an image (H, W) are reduced."""
    return -(-max(size) // MOST_SHOWN)


def cut(working: NDArray[np.uint16], origin: tuple[int, int], size: tuple[int, int]) -> NDArray[np.uint16]:
    """Cut a tile (*size, C) out of an image, padded by reflection beyond its right and lower border."""
    tile = working[origin[0] : origin[0] + size[0], origin[1] : origin[1] + size[1]]
    missing = [(0, full - side) for full, side in zip(size, tile.shape, strict=False)]
    if any(pair != (0, 0) for pair in missing):
        tile = np.pad(tile, [*missing, (0, 0)], mode="reflect")
    return np.ascontiguousarray(tile)
