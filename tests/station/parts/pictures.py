"""Pictures of parts with a code on them."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def with_code(text: str | None, seed: int) -> bytes:
    """Give a PNG of a part, with a data matrix or without."""
    import zxingcpp

    pixels = np.random.default_rng(seed).normal(130, 5, (256, 256)).clip(0, 255).astype(np.uint8)
    if text is not None:
        made = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.DataMatrix)
        code = np.pad(np.array(made.to_image(scale=5)), 20, constant_values=255)
        pixels[20 : 20 + code.shape[0], 30 : 30 + code.shape[1]] = code
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()
