"""Reads MNIST (Y. LeCun, C. Cortes, C. Burges) from its four IDX files, gzipped or not."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from excision.errors import DatasetError

_NAMES = {"train": "train", "test": "t10k"}


def load_mnist(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read the "train" or "test" part.

    Returns:
        digits (N, 28, 28) in 0..255, bright on black, and labels (N,) in 0..9.

    Raises:
        DatasetError: a file is missing, truncated, or not in the IDX format.
    """
    prefix = _NAMES[part]
    digits = _read_idx(folder, f"{prefix}-images-idx3-ubyte", dimensions=3)
    labels = _read_idx(folder, f"{prefix}-labels-idx1-ubyte", dimensions=1)
    if len(digits) != len(labels) or not len(labels) or digits.shape[1:] != (28, 28):
        raise DatasetError(f"{folder}: {prefix} holds {digits.shape} images for {len(labels)} labels")
    if labels.max() > 9:
        raise DatasetError(f"{folder}: {prefix} holds the label {labels.max()}; digits are 0 to 9")
    return digits, labels


def _read_idx(folder: Path, name: str, dimensions: int) -> NDArray[np.uint8]:
    path = next((p for p in (folder / f"{name}.gz", folder / name) if p.is_file()), None)
    if path is None:
        raise DatasetError(f"{folder}: neither {name}.gz nor {name} is there; MNIST comes as four such files")
    try:
        raw = path.read_bytes()
        content = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error
    # Header: two zero bytes, type code 8 (unsigned byte), number of dimensions, then each size (big-endian).
    start = 4 + 4 * dimensions
    header_fits = len(content) >= start and content[:4] == bytes((0, 0, 8, dimensions))
    shape = struct.unpack(f">{dimensions}I", content[4:start]) if header_fits else ()
    if not header_fits or len(content) - start != math.prod(shape):
        raise DatasetError(f"{path}: not a whole IDX file of unsigned bytes")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
