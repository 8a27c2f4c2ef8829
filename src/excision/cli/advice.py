"""What a user may want to do otherwise."""

from __future__ import annotations

from collections.abc import Sequence


def advise_tiles(factor: float, tile: Sequence[int] | None) -> str:
    """Say what resizing costs and how tiles avoid it.

    Args:
        factor: how many times smaller than the images the working image is.
        tile: (H, W) of tiles that would do; None where little is lost.

    Returns:
        One line; empty where there is nothing to advise.
    """
    if tile is None:
        return ""
    return (
        f"The working image is {factor:.1f} times smaller than the images: a fine defect may be lost. "
        f"`excision train --tile {tile[0]} {tile[1]}` sees them at full resolution, tile by tile, which "
        "takes longer."
    )
