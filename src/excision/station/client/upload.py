"""The bytes of an image as they are sent to a station."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from excision.errors import ImageError

if TYPE_CHECKING:
    from excision.data.inputs import OneImage


def image_bytes(image: OneImage | bytes) -> tuple[str, bytes]:
    """Give a name for an image, and the bytes of a file that holds it; bytes are taken as such a file.

    Raises:
        ImageError: the file cannot be opened, or this is no image.
    """
    if isinstance(image, bytes):
        return "upload", image
    if not isinstance(image, str | os.PathLike):
        import tifffile

        from excision.data.inputs import input_image

        # Refuses what is no image, such as a list; PIL images and tensors become arrays.
        plain = np.asarray(input_image(image).image)
        plain = plain[..., 0] if plain.ndim == 3 and plain.shape[2] == 1 else plain
        colour = plain.ndim == 3 and plain.shape[2] in (3, 4)
        alpha = ["unassalpha"] if colour and plain.shape[2] == 4 else None
        # tifffile packs bits only with a compression.
        plain = plain.astype(np.uint8) * np.uint8(255) if plain.dtype == np.bool_ else plain
        stream = io.BytesIO()
        tifffile.imwrite(
            stream,
            plain,
            photometric="rgb" if colour else "minisblack",
            extrasamples=alpha,
            metadata=None,
        )
        return "array", stream.getvalue()
    try:
        return Path(image).name, Path(image).read_bytes()
    except OSError as error:
        raise ImageError(f"{image}: cannot be opened ({error.strerror})") from error
    except ValueError as error:
        raise ImageError(f"{image!r}: cannot be the name of a file ({error})") from error
