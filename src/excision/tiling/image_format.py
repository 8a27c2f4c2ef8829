"""The image format of a model: size, channels, and whether images are inspected in tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from excision.tiling.geometry import Tiling

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

Channels = Literal[1, 3]

MOST_PIXELS = 2**26
"""Largest working image, 8192 x 8192 pixels; a model file that declares a larger one is damaged."""


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """The working image of a model, as determined by fitting.

    Attributes:
        size: (H, W) in pixels of the working image; with a tiling, of a tile.
        channels: 1 (grey) or 3 (RGB).
        tiling: how images of any size are covered by tiles; None if each is resized as a whole.
    """

    size: tuple[int, int]
    channels: Channels
    tiling: Tiling | None = None

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Read what `dataclasses.asdict` has written.

        Raises:
            IndexError, KeyError, TypeError, ValueError, SettingsError: the content is not an image format.
        """
        height, width = content["size"]
        channels, tiling = content["channels"], content["tiling"]
        numbers = [height, width, channels, *([] if tiling is None else (tiling["grid"], tiling["halo"]))]
        if any(type(number) is not int for number in numbers):
            raise TypeError("sizes, channels and tiles are whole numbers")
        if channels not in get_args(Channels) or min(height, width) < 1 or height * width > MOST_PIXELS:
            raise ValueError(f"no model has {channels} channels and {height} x {width} pixels")
        size = (height, width)
        return cls(size, channels, None if tiling is None else Tiling(size, tiling["grid"], tiling["halo"]))

    @property
    def tile(self) -> tuple[int, int] | None:
        """Size (H, W) of a tile in pixels; None if images are resized as a whole."""
        return None if self.tiling is None else self.size

    def read(self, image: NDArray[Any] | str | Path) -> NDArray[np.uint16]:
        """Read the working image of a path or an array; with a tiling, at full size.

        Args:
            image: a path, or an array (H, W), (H, W, 1) or (H, W, 3) of uint8, uint16, or float in [0, 1].

        Returns:
            (H, W, channels); 65535 stands for 1.

        Raises:
            ImageError: the image cannot be read or has no defined meaning.
        """
        from excision.data.images import any_full_image, any_working_image

        if self.tiling is not None:
            return any_full_image(image, self.channels)
        return any_working_image(image, self.size, self.channels)
