"""Run lengths as COCO stores them: numbers of unmarked and marked pixels in turn, column by column."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from excision.errors import DatasetError

_FIRST, _MORE, _SIGN, _VALUE = 48, 0x20, 0x10, 0x1F
"""A character is 48 plus six bits: "more follow", and five bits of the number, the lowest first."""

_LONGEST = 7
"""Characters of one number: 35 bits are more than any image has pixels."""


def decompress(text: bytes) -> NDArray[np.int64]:
    """Give the run lengths of a compressed string.

    From the fourth on, a number is stored as its difference from the one two places before.

    Raises:
        DatasetError: a character is none of the alphabet, or the last number is incomplete.
    """
    counts: list[int] = []
    value = place = 0
    for character in text:
        bits = character - _FIRST
        if not 0 <= bits < 64 or place == _LONGEST:
            raise DatasetError("the compressed run lengths contain a character that does not belong there")
        value |= (bits & _VALUE) << 5 * place
        place += 1
        if not bits & _MORE:
            if bits & _SIGN:
                value -= 1 << 5 * place
            counts.append(value + counts[-2] if len(counts) > 2 else value)
            value = place = 0
    if place:
        raise DatasetError("the compressed run lengths end within a number")
    return np.array(counts, np.int64)


def runs_mask(counts: NDArray[np.int64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Draw run lengths as a mask (H, W).

    Raises:
        DatasetError: a run is negative, or together they do not cover the image exactly.
    """
    height, width = size
    # Checked before adding up: a sum of huge numbers can wrap round to the right one.
    if len(counts) and not 0 <= counts.min() <= counts.max() <= height * width:
        raise DatasetError(f"a run length is negative or more than the {height * width} pixels of the image")
    if counts.sum() != height * width:
        raise DatasetError(
            f"the run lengths cover {counts.sum()} pixels, but the image has {height * width} "
            f"({width} x {height})"
        )
    marked = np.arange(len(counts)) % 2 == 1
    return np.repeat(marked, counts).reshape(width, height).T
