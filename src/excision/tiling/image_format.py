"""The form in which a model takes images: their size, channels, and whether they are inspected in tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from excision.tiling.geometry import Tiling

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

Channels = Literal[1, 3]


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """What a working image is for one model. Fitting settles it; nothing in it is optional.

    Attributes:
        size: (H, W) in pixels of the working image, which is a tile where there is a tiling.
        channels: 1 (grey) or 3 (RGB).
        tiling: how images of any size are covered by tiles; None where each is resized as a whole.
    """

    size: tuple[int, int]
    channels: Channels
    tiling: Tiling | None = None

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Read what `dataclasses.asdict` has written.

        Raises:
            IndexError, KeyError, TypeError, ValueError, SettingsError: it holds something else.
        """
        size = (int(content["size"][0]), int(content["size"][1]))
        tiling = content["tiling"]
        if tiling is not None:
            tiling = Tiling(size, int(tiling["grid"]), int(tiling["halo"]))
        if content["channels"] not in get_args(Channels) or min(size) < 1:
            raise ValueError(f"no image has {content['channels']} channels and {size} pixels")
        return cls(size, content["channels"], tiling)

    @property
    def tile(self) -> tuple[int, int] | None:
        """Size (H, W) of a tile in pixels; None where images are resized as a whole."""
        return None if self.tiling is None else self.size

    def read(self, image: NDArray[Any] | str | Path) -> NDArray[np.uint16]:
        """Return the working image of a path or an array; where there is a tiling, at its own full size.

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
