"""The distances of a network's features: one for each of its grids."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from excision.features.record import Grid
from excision.method.scoring.attention_distance import ATTENTION, AttentionDistance
from excision.method.scoring.feature_distance import FeatureDistance
from excision.method.scoring.memory_distance import MemoryDistance
from excision.method.scoring.pooled_distance import PooledDistance
from excision.method.scoring.position_distance import PositionDistance
from excision.ops.resampling import Size
from excision.settings.scoring import DistanceKind


def new_distances(
    kind: DistanceKind,
    grid: Grid,
    image: Size,
    aligned: bool,
    *,
    tiles: bool = False,
    appearances: int = 1,
) -> list[PositionDistance]:
    """Create untrained distances for a grid, of which the first that counts is to be used.

    Args:
        kind: `score.distance`.
        grid: a grid of the network.
        image: (H, W) of the images in pixels.
        aligned: the images are aligned, so that some do not show all positions.
        tiles: the images are tiles, in which a position is none on the product.
        appearances: number of appearances of the normal images.
    """
    positions = _positions(grid, image)
    if kind == "memory":
        return [MemoryDistance(grid.features, positions, tiles=tiles, appearances=appearances)]
    if tiles:
        return [PooledDistance(grid.features, positions, tiles=True)]
    return [
        FeatureDistance(grid.features, positions, shrinks=True, aligned=aligned, appearances=appearances),
        PooledDistance(grid.features, positions, appearances=appearances),
    ]


def stored_distance(
    tensors: Mapping[str, Tensor],
    prefix: str,
    grid: Grid,
    image: Size,
    *,
    tiles: bool,
    appearances: int = 1,
) -> PositionDistance | None:
    """Create the distance of a grid that a state dict can be loaded into; None if it contains none.

    Args:
        tensors: state dict by name.
        prefix: prefix of the names of all distances.
        grid: a grid of the network.
        image: (H, W) of the images in pixels.
        tiles: the images are tiles.
        appearances: number of appearances of the normal images.
    """
    if grid.name == ATTENTION:
        return AttentionDistance(grid.features, _positions(grid, image))
    own = f"{prefix}{grid.name}."
    names = {name.removeprefix(own) for name in tensors if name.startswith(own)}
    positions = _positions(grid, image)
    if not names:
        return None
    if "bank" in names:
        return MemoryDistance(grid.features, positions, len(tensors[f"{own}bank"]), tiles, appearances)
    if "mean" in names:
        return PooledDistance(grid.features, positions, tiles, appearances)
    aligned = "certainty" in names
    return FeatureDistance(grid.features, positions, shrinks=True, aligned=aligned, appearances=appearances)


def _positions(grid: Grid, image: Size) -> Size:
    return -(-image[0] // grid.cell), -(-image[1] // grid.cell)
