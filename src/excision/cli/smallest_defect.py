"""What `excision check` and `excision train` say about the smallest defect that can be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from excision.data.working_size import SmallestDefect, WorkingSize

_UNSEEN = 0.25
"""Of drawn defects below this share of what is needed, one in 24 at most was found on real surfaces."""


def explain_smallest(
    defect: SmallestDefect, chosen: WorkingSize, time: float, mm_per_pixel: float | None
) -> str:
    """Say how small a defect can be seen, what was chosen for it, at what price, and what is lost otherwise.

    Args:
        defect: what is wanted, needed, and can be seen.
        chosen: the working size.
        time: estimated time of an inspection relative to the default size.
        mm_per_pixel: millimetres for a pixel of the images as given; None if unknown.

    Returns:
        Lines of text without the last line break.
    """
    needed = f"{defect.needed:.3g} px of the working image"
    if defect.wanted is None:
        smaller = " For smaller ones state --smallest-defect." if defect.visible > defect.needed else ""
        return (
            f"Smallest defect that can be seen: about {_length(defect.visible, mm_per_pixel)} in diameter, "
            f"which is {needed}.{smaller} Whether those of this size are found depends on the surface; "
            "`excision capability` measures it."
        )
    wanted = _length(defect.wanted, mm_per_pixel)
    told = f"Smallest defect wanted: {wanted} in diameter; the networks need {needed}."
    if chosen == defect.default:
        told += f" At the default size, {_named(chosen)}, {_fate(defect, defect.visible)}"
    else:
        told += (
            f" At the default size, {_named(defect.default)}, {_fate(defect, defect.visible_at_default)} "
            f"At {_named(chosen)} {_fate(defect, defect.visible)} An inspection takes about {time:.1f} times "
            "as long as at the default size."
        )
    if not defect.is_reached:
        told += f" {_remedy(defect, mm_per_pixel)}"
    return told


def _fate(defect: SmallestDefect, visible: float) -> str:
    """Say what becomes of the wanted defect at a size at which defects of `visible` pixels can be seen."""
    share = defect.share_at(visible)
    becomes = f"it becomes {defect.needed * share:.2g} px"
    if share >= 1:
        return f"{becomes}: it can be seen."
    if share < _UNSEEN:
        return f"{becomes}: it will not be seen."
    return f"{becomes}: it will be seen only if it contrasts strongly with a quiet surface."


def _remedy(defect: SmallestDefect, mm_per_pixel: float | None) -> str:
    reached = _length(defect.visible, mm_per_pixel)
    if defect.visible > defect.needed:
        return f"Images are too narrow for tiles, and no larger working image is made: {reached} can be seen."
    return (
        f"The images themselves show no more: {reached} can be seen at full resolution, and a smaller defect "
        "takes a camera or a lens that shows it larger."
    )


def _named(size: WorkingSize) -> str:
    height, width = size.size
    return f"full resolution in tiles of {height} x {width}" if size.tiles else f"{height} x {width}"


def _length(pixels: float, mm_per_pixel: float | None) -> str:
    shown = f"{pixels:.3g} px of the images"
    return shown if mm_per_pixel is None else f"{shown} ({pixels * mm_per_pixel:.3g} mm)"
