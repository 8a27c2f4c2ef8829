"""Masks whose colours are classes, one of them the background, as labelling services store them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from excision.data.annotations.base import Annotation
from excision.errors import ImageError


@dataclass(frozen=True, slots=True)
class ColouredMask(Annotation):
    """A mask file that is read through a map of colours.

    Attributes:
        path: the mask file.
        background: colours 0xRRGGBB that mean no defect.
        classes: colour and name of every kind of defect.
    """

    path: Path
    background: frozenset[int]
    classes: tuple[tuple[int, str], ...]

    def read(self, size: tuple[int, int]) -> NDArray[np.bool_]:
        """See `Annotation.read`."""
        colours = self._colours()
        if colours.shape != size:
            raise ImageError(
                f"{self.path}: the mask is {colours.shape[1]} x {colours.shape[0]} pixels, "
                f"its image {size[1]} x {size[0]}"
            )
        return np.isin(colours, list(self.background), invert=True)

    def kinds(self) -> list[str]:
        """Give the names of the classes that occur in the mask.

        Raises:
            ImageError: the mask cannot be read, or contains a colour that is not in the map.
        """
        present = set(np.unique(self._colours()).tolist())
        return sorted({name for colour, name in self.classes if colour in present})

    def _colours(self) -> NDArray[np.int32]:
        from excision.data.decode import read_pixels

        values = np.rint(read_pixels(self.path) * 255).astype(np.int32)
        red, green, blue = np.broadcast_to(values, (*values.shape[:2], 3)).transpose(2, 0, 1)
        colours = red << 16 | green << 8 | blue
        known = [*self.background, *(colour for colour, _ in self.classes)]
        foreign = colours[np.isin(colours, known, invert=True)]
        if foreign.size:
            listed = ", ".join(f"#{colour:06x}" for colour in known)
            raise ImageError(
                f"{self.path}: {foreign.size} pixels have a colour that is not in the colour map, such as "
                f"#{foreign[0]:06x}; it contains {listed}. Export the mask as PNG, without smoothing"
            )
        found: NDArray[np.int32] = colours
        return found
