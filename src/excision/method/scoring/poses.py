"""Poses: where the points of an aligned image lie in the image, and the way there and back."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from excision.ops.resampling import Size, enlarge

_FINER = 4  # sampling points per position and side, when a plane is transformed back
_VECTOR = 16  # numbers that the widest processors compute at once


class Posing(nn.Module):
    """Rotates and shifts images into the pose of a mean image, and planes back.

    Args:
        size: (H, W) of the images in pixels.
    """

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size

    def place(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Estimate how a part lies in images (B, C, H, W) in [0, 1].

        Returns:
            Its pose (B, 3), and the number (B,) of the appearance that it has; None if there is only one.
        """
        raise NotImplementedError

    def align(self, images: Tensor, pose: Tensor) -> Tensor:
        """Rotate and shift images (B, C, H, W) into the pose of the mean image, replicating the border."""
        return resample(images, pose, 1, 1, self.size)

    def seen(self, pose: Tensor, pitch: int) -> Tensor:
        """Return to which share the image really shows each cell of `pitch` pixels of its aligned version.

        What lies beyond the border is replicated there, and reaches into features of the cells beside it.

        Returns:
            (B, 1, ceil(H / pitch), ceil(W / pitch)): 1 for a cell with another one between it and the border,
            0 for one that touches the border, and linear between them, so that rounding decides nothing.
        """
        inwards = 1 - _where_in(self.size, pose, pitch, self.size).abs()
        height, width = self.size
        depth = torch.minimum(inwards[..., 0] * (width / 2), inwards[..., 1] * (height / 2))
        return (depth[:, None] / pitch - 0.5).clamp(0, 1)

    def put_back(
        self, planes: Tensor, pose: Tensor, pitch: int, judged: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Transform planes of the aligned image, on a grid of `pitch` pixels, back to the pose of the image.

        Args:
            planes: (B, 1, ceil(H / pitch), ceil(W / pitch)).
            pose: (B, 3).
            pitch: side of a cell in pixels.
            judged: like `planes`, the share in [0, 1] to which each cell was judged; None for all of them.

        Returns:
            The planes enlarged to (B, 1, H, W), and the share of each pixel that the aligned image covers,
            and that was judged, (B, 1, H, W) in [0, 1].
        """
        step = pitch // _FINER
        angle, shift = pose[:, :1], pose[:, 1:]
        back = torch.cat((-angle, -turn(shift, -angle)), dim=1)
        places = where(planes, back, pitch, step, self.size)
        shown = within(places)[:, None].to(planes.dtype)
        given = planes if judged is None else torch.cat((planes, judged), dim=1)
        found = read(given, places) * shown
        both = enlarge(found if judged is not None else torch.cat((found, shown), dim=1), step, self.size)
        return both[:, :1], both[:, 1:]


def resample(planes: Tensor, pose: Tensor, pitch: int, step: int, size: Size) -> Tensor:
    """Sample planes at every `step`-th pixel of a rotated and shifted image.

    Args:
        planes: (B, C, h, w), on a grid of `pitch` pixels.
        pose: (B, 3); a point p is sampled at R p + t, both relative to the centre of the image.
        pitch: distance in pixels between the values of the planes.
        step: distance in pixels between the sampled points.
        size: (H, W) of the image in pixels.

    Returns:
        (B, C, ceil(H / step), ceil(W / step)), interpolated bilinearly; the border is replicated.
    """
    return read(planes, where(planes, pose, pitch, step, size))


def read(planes: Tensor, places: Tensor) -> Tensor:
    return functional.grid_sample(planes, places, padding_mode="border", align_corners=False)


def within(places: Tensor) -> Tensor:
    """Return which points (B, rows, columns, 2) are inside the image; (B, rows, columns) bool."""
    return places.abs().amax(dim=3) <= 1


def where(planes: Tensor, pose: Tensor, pitch: int, step: int, size: Size) -> Tensor:
    """Return the points (B, rows, columns, 2) of `resample` in the coordinates of `grid_sample`.

    These run from -1 at the outer edge of the first square to 1 at the outer edge of the last.
    """
    return _where_in((planes.shape[2] * pitch, planes.shape[3] * pitch), pose, step, size)


def _where_in(extent: Size, pose: Tensor, step: int, size: Size) -> Tensor:
    """Return the points of `where` for planes that cover `extent` (H, W) pixels."""
    cos, sin = _cos_sin(pose[:, :1])
    matrix = torch.cat((cos, sin, -sin, cos, pose[:, 1:]), dim=1).view(-1, 3, 2)
    scale, begin = _sampler(*extent, size)
    counted = matrix * torch.from_numpy(scale).to(pose) + torch.from_numpy(begin).to(pose)
    rows, columns = (-(-side // step) for side in size)
    return (torch.from_numpy(points(step, size)).to(pose) @ counted).view(-1, rows, columns, 2)


@lru_cache(maxsize=64)
def _sampler(height: int, width: int, size: Size) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return scale (2,) and shift (3, 2) from pixels relative to the centre to `grid_sample` coordinates."""
    scale = 2 / np.array([width, height])
    begin = np.zeros((3, 2))
    begin[2] = np.array([size[1], size[0]]) / 2 * scale - 1
    return scale.astype(np.float32), begin.astype(np.float32)


@lru_cache(maxsize=16)
def points(step: int, size: Size) -> NDArray[np.float32]:
    """Centres of squares of `step` pixels as rows (x, y, 1), relative to the centre of an image of `size`."""
    rows, columns = ((np.arange(-(-side // step)) + 0.5) * step - side / 2 for side in size)
    y, x = np.meshgrid(rows, columns, indexing="ij")
    found: NDArray[np.float32] = np.stack((x, y, np.ones_like(x)), axis=2).reshape(-1, 3).astype(np.float32)
    return found


def turn(shift: Tensor, angle: Tensor) -> Tensor:
    """Rotate shifts (B, 2) by angles (B, 1) in radians."""
    cos, sin = _cos_sin(angle)
    x, y = shift[:, :1], shift[:, 1:]
    return torch.cat((cos * x - sin * y, sin * x + cos * y), dim=1)


def _cos_sin(angles: Tensor) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of angles (B, 1), which do not depend on the other angles in the last bit."""
    # ONNX Runtime computes whole vectors in one way, and the rest of an array in another.
    vectors = angles.repeat(1, _VECTOR)
    return torch.cos(vectors)[:, :1], torch.sin(vectors)[:, :1]
