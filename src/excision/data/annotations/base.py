"""What every annotation of an image can do: become a mask."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray


class Annotation(ABC):
    """The defects of one image as a tool stored them: small in memory, hashable, and drawn when asked for."""

    __slots__ = ()

    @abstractmethod
    def read(self, size: tuple[int, int]) -> NDArray[np.bool_]:
        """Draw the mask.

        Args:
            size: (H, W) of the image that the annotation belongs to.

        Returns:
            (H, W) bool, True on the defect.

        Raises:
            ImageError: it was made for an image of another size, or its data contradict each other.
        """
