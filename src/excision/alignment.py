"""Where a part lies under the camera: its rotation and shift against the usual place, and the way back."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from excision.oriented import in_deviations
from excision.resampling import Size, enlarge, shrink

_COARSEST = 32  # points along the short side on which it is found first
_STEPS = (8, 2)  # on these, and on points twice as fine
_ROUNDS = 4
_STEADY = 1e-4  # of each term of the normal equations, added to it; a disc has no rotation to find
_MOST_TURNED = 0.5  # radians
_MOST_ASIDE = 0.25  # of the short side
_FINER = 4  # points on the way back, for each along a side of a place


class Alignment(nn.Module):
    """Finds how a part lies, by comparing a small image of it with the mean of the good ones.

    The pose (B, 3) of a part is its rotation in radians about the middle of the image, and its shift to the
    right and down in pixels. It is found by the inverse compositional algorithm of Baker, Matthews,
    "Lucas-Kanade 20 years on: a unifying framework", International Journal of Computer Vision 56, 2004: a
    fixed number of Gauss-Newton steps, whose matrix is known beforehand.

    Args:
        size: (H, W) of the images in pixels.

    Attributes:
        coarse, fine: (1, 1, h, w), the mean good image in deviations, on points of both fineness.
        coarse_descent, fine_descent: (h * w, 3), what a difference at each point says of the pose.
    """

    coarse: Tensor
    fine: Tensor
    coarse_descent: Tensor
    fine_descent: Tensor

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        self.pitch = max(1, min(size) // (2 * _COARSEST))
        for name, pitch in (("fine", self.pitch), ("coarse", 2 * self.pitch)):
            height, width = (-(-side // pitch) for side in size)
            self.register_buffer(name, torch.zeros(1, 1, height, width))
            self.register_buffer(f"{name}_descent", torch.zeros(height * width, 3))

    def forward(self, images: Tensor) -> Tensor:
        """Give the pose (B, 3) of images (B, C, H, W) in [0, 1]."""
        return self._settle(self._look(images))

    def align(self, images: Tensor, pose: Tensor) -> Tensor:
        """Turn and shift images (B, C, H, W) so that the part lies as usual; the border is continued."""
        return _resample(images, pose, 1, 1, self.size)

    def put_back(self, planes: Tensor, pose: Tensor, pitch: int) -> Tensor:
        """Give planes of an aligned image, on squares of `pitch` pixels, as the part lies in the image.

        (B, 1, ceil(H / pitch), ceil(W / pitch)) to (B, 1, H, W).
        """
        step = pitch // _FINER
        angle, shift = pose[:, :1], pose[:, 1:]
        back = torch.cat((-angle, -_turn(shift, -angle)), dim=1)
        return enlarge(_resample(planes, back, pitch, step, self.size), step, self.size)

    @torch.no_grad()
    def learn(self, images: Iterable[Tensor]) -> None:
        """Learn how good images (1, C, H, W) lie in the mean; of each a small one is kept in memory.

        The mean is sharpened in turns: each image is aligned with it, and their mean taken anew
        (Learned-Miller, "Data driven image models through continuous joint alignment", IEEE TPAMI 28, 2006).
        """
        small = [self._look(image) for image in images]
        poses = [self.fine.new_zeros(1, 3)] * len(small)
        for _ in range(_ROUNDS):
            self._adopt(small, poses)
            found = [self._settle(each) for each in small]
            usual = torch.cat(found).mean(dim=0)
            poses = [pose - usual for pose in found]
        self._adopt(small, poses)

    def _look(self, images: Tensor) -> Tensor:
        return shrink(in_deviations(images)[0], self.pitch)

    def _settle(self, fine: Tensor) -> Tensor:
        """Find the pose (B, 3) of small images (B, 1, h, w)."""
        pose = fine.new_zeros(fine.shape[0], 3)
        coarse = shrink(fine, 2)
        for _ in range(_STEPS[0]):
            pose = self._step(coarse, pose, self.coarse, self.coarse_descent, 2 * self.pitch)
        for _ in range(_STEPS[1]):
            pose = self._step(fine, pose, self.fine, self.fine_descent, self.pitch)
        aside = _MOST_ASIDE * min(self.size)
        angle, shift = pose[:, :1], pose[:, 1:]
        return torch.cat((angle.clamp(-_MOST_TURNED, _MOST_TURNED), shift.clamp(-aside, aside)), dim=1)

    def _step(self, small: Tensor, pose: Tensor, usual: Tensor, descent: Tensor, pitch: int) -> Tensor:
        where = _where(small, pose, pitch, pitch, self.size)
        differences = (_read(small, where) - usual).flatten(1)
        # Beyond the border nobody has seen; taken for what lies at it, it would pull the part there.
        seen = where.flatten(1, 2).abs().amax(dim=2) <= 1
        change = (differences * seen) @ descent
        angle = pose[:, :1] - change[:, :1]
        return torch.cat((angle, pose[:, 1:] - _turn(change[:, 1:], angle)), dim=1)

    def _adopt(self, small: list[Tensor], poses: list[Tensor]) -> None:
        """Take the mean of small images that lie like this as the usual one."""
        mean = torch.zeros_like(self.fine, dtype=torch.float64)
        for each, pose in zip(small, poses, strict=True):
            mean += _resample(each, pose, self.pitch, self.pitch, self.size) / len(small)
        self.fine.copy_(mean)
        self.coarse.copy_(shrink(mean, 2))
        self.fine_descent.copy_(_descent(mean, self.pitch, self.size))
        self.coarse_descent.copy_(_descent(shrink(mean, 2), 2 * self.pitch, self.size))


def _resample(planes: Tensor, pose: Tensor, pitch: int, step: int, size: Size) -> Tensor:
    """Read planes at points that lie every `step` pixels of an image that is turned and shifted.

    Args:
        planes: (B, C, h, w), on squares of `pitch` pixels.
        pose: (B, 3); a point p is read at R p + t, both from the middle of the image.
        pitch: in pixels.
        step: in pixels.
        size: (H, W) of the image in pixels.

    Returns:
        (B, C, ceil(H / step), ceil(W / step)), interpolated bilinearly; beyond the border what lies at it.
    """
    return _read(planes, _where(planes, pose, pitch, step, size))


def _read(planes: Tensor, where: Tensor) -> Tensor:
    return functional.grid_sample(planes, where, padding_mode="border", align_corners=False)


def _where(planes: Tensor, pose: Tensor, pitch: int, step: int, size: Size) -> Tensor:
    """Give the points (B, rows, columns, 2) of `_resample` as the sampler counts them.

    That is from -1 at the outer edge of the first square to 1 at that of the last.
    """
    across, along = 2 / (planes.shape[3] * pitch), 2 / (planes.shape[2] * pitch)
    cos, sin = torch.cos(pose[:, :1]), torch.sin(pose[:, :1])
    turned = torch.cat((cos, sin, -sin, cos), dim=1) * pose.new_tensor([across, along] * 2)
    middle = pose.new_tensor([size[1] / 2 * across - 1, size[0] / 2 * along - 1])
    shifted = pose[:, 1:] * pose.new_tensor([across, along]) + middle
    matrix = torch.cat((turned, shifted), dim=1).view(-1, 3, 2)
    rows, columns = (-(-side // step) for side in size)
    return (torch.from_numpy(_points(step, size)).to(pose) @ matrix).view(-1, rows, columns, 2)


@lru_cache(maxsize=16)
def _points(step: int, size: Size) -> NDArray[np.float32]:
    """Middles of squares of `step` pixels as rows (x, y, 1), from the middle of an image of `size`."""
    rows, columns = ((np.arange(-(-side // step)) + 0.5) * step - side / 2 for side in size)
    y, x = np.meshgrid(rows, columns, indexing="ij")
    points: NDArray[np.float32] = np.stack((x, y, np.ones_like(x)), axis=2).reshape(-1, 3).astype(np.float32)
    return points


def _turn(shift: Tensor, angle: Tensor) -> Tensor:
    """Turn shifts (B, 2) by angles (B, 1)."""
    cos, sin = torch.cos(angle), torch.sin(angle)
    x, y = shift[:, :1], shift[:, 1:]
    return torch.cat((cos * x - sin * y, sin * x + cos * y), dim=1)


def _descent(usual: Tensor, pitch: int, size: Size) -> Tensor:
    """Give the Gauss-Newton step (h * w, 3) that a difference of 1 at each point of (1, 1, h, w) asks for."""
    padded = functional.pad(usual, (1, 1, 1, 1), mode="replicate")
    right = (padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]).flatten() / (2 * pitch)
    down = (padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]).flatten() / (2 * pitch)
    x, y, _ = torch.from_numpy(_points(pitch, size)).to(usual).T
    slopes = torch.stack((down * x - right * y, right, down))
    normal = slopes @ slopes.T
    steady = normal + torch.diag(_STEADY * normal.diagonal() + torch.finfo(torch.float32).tiny)
    steps: Tensor = torch.linalg.solve(steady, slopes)
    return steps.T
