"""One prediction to look at: as a file, as a plot, and in a notebook."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from excision.errors import SettingsError
from excision.system.files import atomic_path
from excision.visualization.overlays import draw_overlay, readable, with_reasons, write_overlay
from excision.visualization.pictures import DEFECT_COLOUR, Picture, show_image
from excision.visualization.viewable import Viewable

if TYPE_CHECKING:
    from matplotlib.axes import Axes


PICTURES = (".png", ".jpg", ".jpeg", ".webp")
MAPS = (".tif", ".tiff")
ARRAYS = ".npz"

# Pixels of the longer side of a picture in a notebook, which shows two side by side.
_STORED, _DISPLAYED = 480, 320
_COLOURS = {"good": "#1a7f37", "review": "#9a6700", "defect": "#cf222e", "unfit": "#6639ba"}


def save(path: Path, detection: Viewable) -> None:
    """Write a detection to a file; the file name ending decides what: see `Detection.save`.

    Raises:
        SettingsError: the ending is unknown, or the file cannot be written.
    """
    ending = path.suffix.lower()
    if ending not in (*PICTURES, *MAPS, ARRAYS):
        raise SettingsError(
            f"{path}: a prediction is saved as a picture (.png, .jpg, .webp), as its anomaly map (.tiff) or "
            "as its arrays (.npz): choose one of these endings"
        )
    with _explaining(path):
        if ending in PICTURES:
            picture = draw_overlay(detection, detection.shown_boxes)
            write_overlay(path, with_reasons(picture, detection.unfit))
        elif ending in MAPS:
            import tifffile

            with atomic_path(path) as temporary:
                tifffile.imwrite(temporary, detection.anomaly_map, photometric="minisblack", metadata=None)
        else:
            with atomic_path(path) as temporary, temporary.open("wb") as stream:
                np.savez_compressed(stream, **_arrays(detection))


def _arrays(detection: Viewable) -> dict[str, Any]:
    """Give what is known of a detection by name, in types that need no pickling."""
    values = {field.name: getattr(detection, field.name) for field in fields(detection)}
    values["unfit"] = np.array(detection.unfit, dtype=np.str_)
    statistics = values.pop("image_statistics") or {}
    values |= {f"image_statistics.{name}": value for name, value in statistics.items()}
    return {name: value for name, value in values.items() if value is not None}


@contextmanager
def _explaining(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written ({error.strerror or error})") from error


def plot(detection: Viewable, axes: Axes | None = None) -> Axes:
    """Draw the overlay and the boxes in pixels of the given image: see `Detection.plot`.

    Raises:
        SettingsError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise SettingsError('a plot needs matplotlib; install it with: pip install "excision[train]"')
    from matplotlib.patches import Rectangle

    if axes is None:
        from matplotlib import pyplot

        axes = pyplot.figure().add_subplot()
    height, width = detection.full_size
    axes.imshow(draw_overlay(detection), extent=(0, width, height, 0))
    colour = tuple(value / 255 for value in DEFECT_COLOUR)
    for x, y, wide, high in detection.boxes:
        axes.add_patch(Rectangle((x, y), wide, high, fill=False, edgecolor=colour))
    axes.set_title(_summary(detection))
    return axes


def to_html(detection: Viewable) -> str:
    """Give the image, the overlay and the verdict as HTML that needs no other file, for a notebook."""
    name = "image in memory" if detection.source is None else readable(detection.source)
    pictures = (
        ("Image", show_image(detection.image)),
        ("Anomaly map and boxes", draw_overlay(detection, detection.shown_boxes)),
    )
    shown = "".join(
        f'<figure style="margin:0"><img src="{_data_uri(picture)}" width="{_width(picture)}" alt="{caption}">'
        f"<figcaption>{caption}</figcaption></figure>"
        for caption, picture in pictures
    )
    colour = _COLOURS[detection.verdict]
    return (
        f'<div><p><strong style="color:{colour}">{detection.verdict}</strong>: '
        f"{html.escape(_figures(detection))} <code>{html.escape(name)}</code></p>"
        f'<div style="display:flex;gap:8px;flex-wrap:wrap">{shown}</div></div>'
    )


def _summary(detection: Viewable) -> str:
    return f"{detection.verdict}: {_figures(detection)}"


def _figures(detection: Viewable) -> str:
    zone = "" if detection.review_threshold is None else f", review from {detection.review_threshold:.4g}"
    known = "" if detection.p_value is None else f", p-value {detection.p_value:.3g}"
    why = "".join(f"; {reason}" for reason in detection.unfit)
    return f"score {detection.score:.4g}, threshold {detection.threshold:.4g}{zone}{known}{why}"


def _width(picture: Picture) -> int:
    height, width, _ = (int(side) for side in picture.shape)
    return max(1, round(width * _DISPLAYED / max(height, width)))


def _data_uri(picture: Picture) -> str:
    image = Image.fromarray(picture)
    image.thumbnail((_STORED, _STORED))
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=84)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
