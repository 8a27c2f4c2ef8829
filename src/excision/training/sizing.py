"""How the settings and the sizes of the images determine the working image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from excision.data.sizes import Size
from excision.data.working_size import DefectWish, SmallestDefect, WorkingSize, choose_working_size
from excision.errors import SettingsError
from excision.settings import Settings
from excision.tiling.geometry import Tiling
from excision.tiling.spans import spans


def choose_tiling(settings: Settings, sizes: Iterable[Size]) -> Tiling | None:
    """Give the tiling of the settings, of strips, or of large images with small defects; None to resize.

    Args:
        settings: settings of the method.
        sizes: (H, W) of the images; evaluated only if it is needed.
    """
    if settings.image.tile is not None or settings.image.size is not None or settings.score.top > 0:
        return settings.tiling
    known = list(sizes)
    if not known:
        return None
    chosen = _chosen(settings, known, tiles=True)
    return _tiling(settings, chosen.size) if chosen.tiles else None


def choose_size(settings: Settings, tiling: Tiling | None, sizes: Sequence[Size]) -> Size:
    """Give the size (H, W) of the working image for images of these sizes, at least one."""
    if tiling is not None:
        return tiling.size
    return settings.image.size or _chosen(settings, sizes, tiles=False).size


def smallest_defect(settings: Settings, sizes: Sequence[Size], size: Size, tiles: bool) -> SmallestDefect:
    """Give how small a defect can be seen in images of these sizes, at least one.

    Args:
        settings: settings of the method.
        sizes: (H, W) of the images.
        size: (H, W) of the working image.
        tiles: whether it is a tile.
    """
    return SmallestDefect.at(WorkingSize(size, tiles), sizes, defect_wish(settings))


def defect_wish(settings: Settings) -> DefectWish:
    """Give the smallest defect that the settings want to be seen."""
    return DefectWish(settings.image.smallest_defect_pixels, settings.least_visible)


def relative_time(settings: Settings, image: Size, chosen: WorkingSize, default: WorkingSize) -> float:
    """Estimate how many times as long an inspection takes as at the default size.

    The time of the networks grows with the pixels that pass through them, and this is their ratio. Tiles
    overlap, so they have more pixels than their image.

    Args:
        settings: settings of the method.
        image: (H, W) of the image, for the number of tiles.
        chosen: the working size.
        default: the default working size.
    """
    return _pixels(settings, image, chosen) / _pixels(settings, image, default)


def _pixels(settings: Settings, image: Size, chosen: WorkingSize) -> int:
    of_one = math.prod(chosen.size)
    tiling = _tiling(settings, chosen.size) if chosen.tiles else None
    if tiling is None:
        return of_one
    inside = [(max(length, side), side) for length, side in zip(image, tiling.size, strict=True)]
    return of_one * math.prod(len(spans(length, side, tiling)) for length, side in inside)


def _chosen(settings: Settings, sizes: Sequence[Size], *, tiles: bool) -> WorkingSize:
    return choose_working_size(sizes, defect_wish(settings), tiles=tiles)


def _tiling(settings: Settings, tile: Size) -> Tiling | None:
    image = replace(settings.image, size=None, tile=tile, smallest_defect=None)
    try:
        return replace(settings, image=image).tiling
    except SettingsError:
        # Networks deeper than the default need larger tiles than fit into the images.
        return None
