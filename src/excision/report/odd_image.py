"""The picture of an odd calibration image, beside the calibration that it has to do with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from excision.method.calibration import Odd
from excision.method.folder_kinds import ODD_IMAGE
from excision.system.files import atomic_path
from excision.visualization.overlays import draw_overlay
from excision.visualization.pictures import show_image
from excision.visualization.viewable import Viewable

_LONGEST, _GAP = 1200, 8


def keep_odd_image(
    folder: Path, odd: Odd | None, images: Mapping[str, Path], inspect: Callable[[Path], Viewable]
) -> Path | None:
    """Write the odd image with its anomaly map beside it; remove the picture of an earlier calibration.

    Args:
        folder: with the calibration.
        odd: the odd image; None if there is none.
        images: files by the names that the calibration has.
        inspect: inspects a file.

    Returns:
        The picture; None if there is no odd image, or its file is not known.
    """
    target = folder / ODD_IMAGE
    path = None if odd is None or odd.name is None else images.get(odd.name)
    if path is None:
        target.unlink(missing_ok=True)
        return None
    found = inspect(path)
    plain, overlay = show_image(found.image), draw_overlay(found, found.shown_boxes)
    gap = np.full((len(plain), _GAP, 3), 255, np.uint8)
    picture = Image.fromarray(np.concatenate([plain, gap, overlay], axis=1))
    picture.thumbnail((_LONGEST, _LONGEST))
    with atomic_path(target) as temporary:
        picture.save(temporary, format="PNG")
    return target
