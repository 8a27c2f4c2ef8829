"""Overlays on disk, one per image: the anomaly map over the image."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from excision.ops.boxes import Box
from excision.ops.reduction import shrink_mask
from excision.system.files import atomic_path
from excision.system.names import LONGEST, cut_text, printable
from excision.visualization.pictures import UNFIT_COLOUR, Picture, overlay
from excision.visualization.viewable import Viewable

Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

OVERLAYS = "overlays"
_QUALITY = 84
_STEM = 64  # characters of the name of an image that the name of its overlay begins with
_NARROWEST, _MARGIN = 240, 6  # pixels of a picture with text below it
# More than a screen shows, and less than the limit of WebP.
_LONGEST = 4096


def readable(name: str) -> str:
    """Make a name printable: a file name may not be valid text."""
    return name.encode("utf-8", errors="backslashreplace").decode("utf-8")


def overlay_name(name: str, ending: str = ".webp", state: str = "") -> str:
    """Name the overlay of an image after its whole name: images of different folders may share a stem.

    Args:
        name: path of the image file, or its name in the data set.
        ending: file name ending, which decides the format.
        state: text that distinguishes files that have the same name at different times.
    """
    digest = hashlib.sha256(os.fsencode(name) + state.encode()).hexdigest()[:10]
    stem = cut_text(printable(Path(name).stem)[:_STEM], LONGEST - len(f"-{digest}{ending}"))
    return f"{OVERLAYS}/{stem}-{digest}{ending}"


def draw_overlay(
    detection: Viewable, boxes: Iterable[Box] = (), ground_truth: NDArray[np.bool_] | None = None
) -> Picture:
    """Draw the anomaly map over the image, (h, w, 3) uint8, reduced if the image is large.

    Args:
        detection: with the anomaly map at its full size (H, W).
        boxes: in pixels of the reduced picture.
        ground_truth: (H, W), the true defect, which is outlined; None if unknown.
    """
    if ground_truth is not None:
        ground_truth = shrink_mask(ground_truth, detection.reduction)
    shown = detection.overview()
    return overlay(shown.image, shown.anomaly_map, shown.threshold, boxes, ground_truth)


def with_reasons(picture: Picture, reasons: Sequence[str]) -> Picture:
    """Write below a picture (h, w, 3) why its image is unfit; without a reason it stays as it is."""
    if not reasons:
        return picture
    height, width = picture.shape[:2]
    wide = max(width, _NARROWEST)
    font = ImageFont.load_default(min(max(wide / 24, 12), 32))
    lines = [line for reason in ("unfit:", *reasons) for line in _wrapped(reason, font, wide - 2 * _MARGIN)]
    step = sum(font.getbbox("Ag")[1::2]) if isinstance(font, ImageFont.FreeTypeFont) else 14
    canvas = Image.new("RGB", (wide, height + round(step * len(lines)) + 2 * _MARGIN), UNFIT_COLOUR)
    canvas.paste(Image.fromarray(picture), (0, 0))
    draw = ImageDraw.Draw(canvas)
    for number, line in enumerate(lines):
        draw.text((_MARGIN, height + _MARGIN + number * step), line, fill="white", font=font)
    return np.asarray(canvas)


def _wrapped(text: str, font: Font, width: int) -> list[str]:
    """Break a text into lines of at most that many pixels; a longer word has a line of its own."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def write_overlay(path: Path, picture: Picture) -> None:
    """Write an overlay: PNG without loss, WebP and JPEG so small that thousands can be kept."""
    image = Image.fromarray(picture)
    if path.suffix.lower() == ".webp":
        image.thumbnail((_LONGEST, _LONGEST))
    with atomic_path(path) as temporary:
        # Each format takes its own setting. This level makes PNG a tenth larger in a third of the time.
        image.save(temporary, quality=_QUALITY, compress_level=1)
