"""Alignment: estimates rotation and shift of a part relative to the mean normal image, and undoes them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from excision.method.scoring.edge_features import in_deviations
from excision.ops.resampling import Size, enlarge, shrink

_FINEST = 64  # points along the short side
_STEPS = (4, 3, 1)  # Gauss-Newton steps on grids four times as coarse, twice as coarse, and the finest
_TURNS = 24  # evenly spaced rotations from which the alignment of normal images starts
_ROUNDS = 4
_TURN = 2 * math.pi / _TURNS
_STEADY = 1e-4  # share of each diagonal term added to it; the rotation of a disc is undetermined
_MOST_ASIDE = 0.25  # largest shift, as a share of the short side
_FINER = 4  # sampling points per position and side, when a plane is transformed back


class Alignment(nn.Module):
    """Estimates the pose of a part by comparing a small image of it with the mean normal image.

    The pose (B, 3) of a part is its rotation in radians about the centre of the image, and its shift to the
    right and down in pixels. It is found by the inverse compositional algorithm of Baker, Matthews,
    "Lucas-Kanade 20 years on: a unifying framework", International Journal of Computer Vision 56, 2004: a
    fixed number of Gauss-Newton steps, whose matrix is computed in advance.

    The search starts from the rotations that occur in the normal images: if these show the part in one
    rotation only, it is never aligned upside down.

    Args:
        size: (H, W) of the images in pixels.
        starts: number of poses from which the search starts.

    Attributes:
        starts: (starts, 3), the poses from which the search starts.
    """

    starts: Tensor

    def __init__(self, size: Size, starts: int = 1) -> None:
        super().__init__()
        self.size = size
        self.pitch = max(1, min(size) // _FINEST)
        self.coarse, self.middle, self.fine = (_Level(size, times * self.pitch) for times in (4, 2, 1))
        self.register_buffer("starts", torch.zeros(starts, 3))

    def forward(self, images: Tensor) -> Tensor:
        """Estimate the pose (B, 3) of images (B, C, H, W) in [0, 1]."""
        return self._settle(self._look(images))

    def align(self, images: Tensor, pose: Tensor) -> Tensor:
        """Rotate and shift images (B, C, H, W) into the pose of the mean image, replicating the border."""
        return _resample(images, pose, 1, 1, self.size)

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
        back = torch.cat((-angle, -_turn(shift, -angle)), dim=1)
        where = _where(planes, back, pitch, step, self.size)
        shown = _within(where)[:, None].to(planes.dtype)
        told = _read(planes, where) * shown
        if judged is not None:
            shown = _read(judged, where) * shown
        both = enlarge(torch.cat((told, shown), dim=1), step, self.size)
        return both[:, :1], both[:, 1:]

    @torch.no_grad()
    def learn(self, images: Iterable[Tensor]) -> None:
        """Learn the mean of aligned normal images (1, C, H, W); a small copy of each is kept in memory.

        The mean is sharpened iteratively: each image is aligned with it, and the mean is computed again
        (Learned-Miller, "Data driven image models through continuous joint alignment", IEEE TPAMI 28, 2006).
        """
        small = [self._look(image) for image in images]
        self.starts = self.starts.new_zeros(_TURNS, 3)
        self.starts[1:, 0] = torch.arange(2, _TURNS + 1) // 2 * _TURN
        self.starts[2::2, 0] *= -1
        # Start from one image: the mean of unaligned images would be a blur that fits all poses equally well.
        poses = self.starts[:1]
        for _ in range(_ROUNDS):
            self._load(small[: len(poses)], poses)
            poses = _centred(torch.cat([self._settle(each) for each in small]))
        self._load(small, poses)
        apart = self.starts[:, :1] - poses[:, 0]
        self.starts = self.starts[(apart.cos() >= math.cos(_TURN)).any(dim=1)]

    def _look(self, images: Tensor) -> Tensor:
        return shrink(in_deviations(images)[0], self.pitch)

    def _settle(self, fine: Tensor) -> Tensor:
        """Find the pose (B, 3) of small images (B, 1, h, w)."""
        middle = shrink(fine, 2)
        coarse = shrink(middle, 2)
        starts = self.starts.shape[0]
        # Order along the batch: all starts of the first image, then all starts of the second, and so on.
        pose = self.starts.expand(fine.shape[0], -1, -1).flatten(0, 1)
        copies = coarse.expand(-1, starts, -1, -1).flatten(0, 1)[:, None]
        for _ in range(_STEPS[0]):
            pose = self.coarse.step(copies, pose)
        differences, seen = self.coarse.compare(copies, pose)
        off = differences.square().sum(dim=1) / seen.sum(dim=1).clamp_min(1)
        best = off.view(-1, starts).argmin(dim=1)
        pose = pose.view(-1, starts, 3).gather(1, best.view(-1, 1, 1).expand(-1, 1, 3))[:, 0]
        for _ in range(_STEPS[1]):
            pose = self.middle.step(middle, pose)
        for _ in range(_STEPS[2]):
            pose = self.fine.step(fine, pose)
        aside = _MOST_ASIDE * min(self.size)
        return torch.cat((pose[:, :1], pose[:, 1:].clamp(-aside, aside)), dim=1)

    def _load(self, small: list[Tensor], poses: Tensor) -> None:
        """Load the mean of small images in these poses."""
        mean = torch.zeros_like(self.fine.mean, dtype=torch.float64)
        for each, pose in zip(small, poses[:, None], strict=True):
            mean += _resample(each, pose, self.pitch, self.pitch, self.size) / len(small)
        for level in (self.fine, self.middle, self.coarse):
            level.load_learned(mean)
            mean = shrink(mean, 2)


class _Level(nn.Module):
    """The mean normal image at one resolution, and the Gauss-Newton step towards it.

    Args:
        size: (H, W) of the image in pixels.
        pitch: distance between points in pixels.

    Attributes:
        mean: (1, 1, h, w), the mean normal image in standard deviations.
        descent: (h * w, 3), the change of pose for a difference of 1 at each point.
    """

    mean: Tensor
    descent: Tensor

    def __init__(self, size: Size, pitch: int) -> None:
        super().__init__()
        self.size, self.pitch = size, pitch
        height, width = (-(-side // pitch) for side in size)
        self.register_buffer("mean", torch.zeros(1, 1, height, width))
        self.register_buffer("descent", torch.zeros(height * width, 3))

    def load_learned(self, mean: Tensor) -> None:
        """Load a mean normal image (1, 1, h, w)."""
        self.mean.copy_(mean)
        self.descent.copy_(_descent(mean, self.pitch, self.size))

    def step(self, planes: Tensor, pose: Tensor) -> Tensor:
        """Improve the pose (B, 3) of small images (B, 1, h, w) by one step."""
        differences, _ = self.compare(planes, pose)
        change = differences @ self.descent
        angle = pose[:, :1] - change[:, :1]
        return torch.cat((angle, pose[:, 1:] - _turn(change[:, 1:], angle)), dim=1)

    def compare(self, planes: Tensor, pose: Tensor) -> tuple[Tensor, Tensor]:
        """Return differences (B, h * w) from the mean image, zero outside the image, and what is inside."""
        where = _where(planes, pose, self.pitch, self.pitch, self.size)
        # Ignore points beyond the border: replicating the border would pull the part towards it.
        seen = _within(where).flatten(1)
        return (_read(planes, where) - self.mean).flatten(1) * seen, seen


def _centred(poses: Tensor) -> Tensor:
    """Express poses (N, 3) relative to their mean."""
    angles = poses[:, :1]
    angles = angles - torch.atan2(angles.sin().mean(), angles.cos().mean())
    middle = _turn(poses[:, 1:], -angles).mean(dim=0, keepdim=True)
    return torch.cat((angles, poses[:, 1:] - _turn(middle, angles)), dim=1)


def _resample(planes: Tensor, pose: Tensor, pitch: int, step: int, size: Size) -> Tensor:
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
    return _read(planes, _where(planes, pose, pitch, step, size))


def _read(planes: Tensor, where: Tensor) -> Tensor:
    return functional.grid_sample(planes, where, padding_mode="border", align_corners=False)


def _within(where: Tensor) -> Tensor:
    """Return which points (B, rows, columns, 2) are inside the image; (B, rows, columns) bool."""
    return where.abs().amax(dim=3) <= 1


def _where(planes: Tensor, pose: Tensor, pitch: int, step: int, size: Size) -> Tensor:
    """Return the points (B, rows, columns, 2) of `_resample` in the coordinates of `grid_sample`.

    These run from -1 at the outer edge of the first square to 1 at the outer edge of the last.
    """
    return _where_in((planes.shape[2] * pitch, planes.shape[3] * pitch), pose, step, size)


def _where_in(extent: Size, pose: Tensor, step: int, size: Size) -> Tensor:
    """Return the points of `_where` for planes that cover `extent` (H, W) pixels."""
    cos, sin = torch.cos(pose[:, :1]), torch.sin(pose[:, :1])
    matrix = torch.cat((cos, sin, -sin, cos, pose[:, 1:]), dim=1).view(-1, 3, 2)
    scale, begin = _sampler(*extent, size)
    counted = matrix * torch.from_numpy(scale).to(pose) + torch.from_numpy(begin).to(pose)
    rows, columns = (-(-side // step) for side in size)
    return (torch.from_numpy(_points(step, size)).to(pose) @ counted).view(-1, rows, columns, 2)


@lru_cache(maxsize=64)
def _sampler(height: int, width: int, size: Size) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return scale (2,) and shift (3, 2) from pixels relative to the centre to `grid_sample` coordinates."""
    scale = 2 / np.array([width, height])
    begin = np.zeros((3, 2))
    begin[2] = np.array([size[1], size[0]]) / 2 * scale - 1
    return scale.astype(np.float32), begin.astype(np.float32)


@lru_cache(maxsize=16)
def _points(step: int, size: Size) -> NDArray[np.float32]:
    """Centres of squares of `step` pixels as rows (x, y, 1), relative to the centre of an image of `size`."""
    rows, columns = ((np.arange(-(-side // step)) + 0.5) * step - side / 2 for side in size)
    y, x = np.meshgrid(rows, columns, indexing="ij")
    points: NDArray[np.float32] = np.stack((x, y, np.ones_like(x)), axis=2).reshape(-1, 3).astype(np.float32)
    return points


def _turn(shift: Tensor, angle: Tensor) -> Tensor:
    """Rotate shifts (B, 2) by angles (B, 1) in radians."""
    cos, sin = torch.cos(angle), torch.sin(angle)
    x, y = shift[:, :1], shift[:, 1:]
    return torch.cat((cos * x - sin * y, sin * x + cos * y), dim=1)


def _descent(mean: Tensor, pitch: int, size: Size) -> Tensor:
    """Compute the Gauss-Newton step (h * w, 3) for a difference of 1 at each point of (1, 1, h, w)."""
    padded = functional.pad(mean, (1, 1, 1, 1), mode="replicate")
    right = (padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]).flatten() / (2 * pitch)
    down = (padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]).flatten() / (2 * pitch)
    x, y, _ = torch.from_numpy(_points(pitch, size)).to(mean).T
    slopes = torch.stack((down * x - right * y, right, down))
    normal = slopes @ slopes.T
    steady = normal + torch.diag(_STEADY * normal.diagonal() + torch.finfo(torch.float32).tiny)
    steps: Tensor = torch.linalg.solve(steady, slopes)
    return steps.T
