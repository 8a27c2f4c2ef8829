"""Advice on options that a user may want to change."""

from __future__ import annotations

from collections.abc import Sequence


def advise_tiles(factor: float, tile: Sequence[int] | None) -> str:
    """Say what detail resizing loses and how tiles avoid that.

    Args:
        factor: how many times smaller the working image is than the images.
        tile: (H, W) of suitable tiles; None if little detail is lost.

    Returns:
        One line; empty if there is nothing to advise.
    """
    if tile is None:
        return ""
    return (
        f"The working image is {factor:.1f} times smaller than the images, so fine defects may be lost. "
        f"`excision train --tile {tile[0]} {tile[1]}` uses them at full resolution, tile by tile, which "
        "takes longer."
    )
