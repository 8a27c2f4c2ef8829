"""Pictures of results on disk, one an image: the anomaly map over the image."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from excision.ops.reduction import shrink_mask
from excision.predictions import Detection
from excision.system.files import atomic_path
from excision.visualization.pictures import overlay

OVERLAYS = "overlays"
_QUALITY = 84
# More than a screen shows, and less than the most that WebP takes.
_LONGEST = 4096


def readable(name: str) -> str:
    """Give a name that can be shown: a file name need not be text."""
    return name.encode("utf-8", errors="backslashreplace").decode("utf-8")


def overlay_name(name: str) -> str:
    """Name the overlay of a test image by its whole name: images of different folders may share a stem."""
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:10]
    return f"{OVERLAYS}/{readable(Path(name).stem)[:64]}-{digest}.webp"


def write_overlay(
    path: Path,
    detection: Detection,
    ground_truth: NDArray[np.bool_] | None,
) -> None:
    """Write an overlay as WebP, small enough to keep thousands; the true defect is outlined where known."""
    if ground_truth is not None:
        ground_truth = shrink_mask(ground_truth, detection.reduction)
    shown = detection.overview()
    picture = overlay(shown.image, shown.anomaly_map, shown.threshold, ground_truth=ground_truth)
    image = Image.fromarray(picture)
    image.thumbnail((_LONGEST, _LONGEST))
    with atomic_path(path) as temporary:
        image.save(temporary, quality=_QUALITY)
