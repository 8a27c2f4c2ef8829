"""Alignment: estimates rotation and shift of a part relative to the mean normal image, and undoes them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from excision.method.scoring.edge_features import in_deviations
from excision.method.scoring.poses import Posing, points, read, resample, turn, where, within
from excision.ops.resampling import Size, shrink

_FINEST = 64  # points along the short side
_STEPS = (4, 3, 1)  # Gauss-Newton steps on grids four times as coarse, twice as coarse, and the finest
_TURNS = 24  # evenly spaced rotations from which the alignment of normal images starts
_ROUNDS = 4
_AT_ONCE = 8  # images whose poses are found at once
_TURN = 2 * math.pi / _TURNS
_STEADY = 1e-4  # share of each diagonal term added to it; the rotation of a disc is undetermined
_ALIKE = 0.04  # share of the mean image's variance by which it differs from itself in another rotation
_MOST_ALIKE = 8  # rotations in which a part may look alike
_MOST_ASIDE = 0.25  # largest shift, as a share of the short side


class Alignment(Posing):
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
        alike: number of poses in which the part looks alike, if it is symmetrical; 0 if it is not.

    Attributes:
        starts: (starts, 3), the poses from which the search starts.
        alike: (alike, 3), the poses in which the mean image looks like itself on the coarse grid, its own
            pose first. On the finest grid, a small mark may tell them apart. None if there is no other.
    """

    starts: Tensor
    alike: Tensor | None

    def __init__(self, size: Size, starts: int = 1, alike: int = 0) -> None:
        super().__init__(size)
        self.pitch = max(1, min(size) // _FINEST)
        self.coarse, self.middle, self.fine = (_Level(size, times * self.pitch) for times in (4, 2, 1))
        self.register_buffer("starts", torch.zeros(starts, 3))
        self.register_buffer("alike", torch.zeros(alike, 3) if alike else None)

    def forward(self, images: Tensor) -> Tensor:
        """Estimate the pose (B, 3) of images (B, C, H, W) in [0, 1]."""
        return self.settle(self.look(images))

    def place(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the pose (B, 3) of images (B, C, H, W) in [0, 1], and None: there is one appearance."""
        return self(images), None

    @torch.no_grad()
    def learn(self, images: Iterable[Tensor]) -> None:
        """Learn the mean of aligned normal images (1, C, H, W); a small copy of each is kept in memory.

        The mean is sharpened iteratively: each image is aligned with it, and the mean is computed again
        (Learned-Miller, "Data driven image models through continuous joint alignment", IEEE TPAMI 28, 2006).
        """
        self.learn_from([self.look(image) for image in images])

    @torch.no_grad()
    def learn_from(self, small: Sequence[Tensor]) -> None:
        """Learn as `learn` does, from what `look` gives of each image."""
        turned = self._sharpen(small, every_turn())
        if self.alike is None:
            return
        # A symmetrical part that always lies alike is not to be turned by chance.
        fixed = self._sharpen(small, every_turn()[:1])
        if bool((fixed - turned > turned.median()).any()):
            self._sharpen(small, every_turn())

    def _sharpen(self, small: Sequence[Tensor], starts: Tensor) -> Tensor:
        """Learn mean image and starts from small images; return the misfit (N,) of each."""
        self.starts = starts.to(self.starts)
        turns, several = self.starts, len(starts) > 1
        # Start from one image: the mean of unaligned images would be a blur that fits all poses equally well.
        poses = turns[:1]
        for _ in range(_ROUNDS):
            self.load_mean(small[: len(poses)], poses)
            self.alike = self._looks_alike() if several else None
            poses = _centred(torch.cat([self.settle(torch.cat(each)) for each in _batches(small)]))
        self.load_mean(small, poses)
        apart = turns[:, :1] - poses[:, 0]
        self.starts = turns[(apart.cos() >= math.cos(_TURN)).any(dim=1)]
        self.alike = self._looks_alike(poses[:, 0]) if several else None
        return torch.cat([self.misfit(each, pose) for each, pose in zip(small, poses[:, None], strict=True)])

    def look(self, images: Tensor) -> Tensor:
        """Return small copies (B, 1, h, w) of images (B, C, H, W), in standard deviations of each."""
        return shrink(in_deviations(images)[0], self.pitch)

    def misfit(self, small: Tensor, pose: Tensor) -> Tensor:
        """Return the mean squared difference (B,) of small images in a pose (B, 3) from the mean image.

        It is in squared standard deviations of the image, over the points that the image shows.
        """
        return self.fine.misfit(small, pose)

    def settle(self, fine: Tensor) -> Tensor:
        """Find the pose (B, 3) of small images (B, 1, h, w)."""
        middle = shrink(fine, 2)
        coarse = shrink(middle, 2)
        starts = self.starts.shape[0]
        # Order along the batch: all starts of the first image, then all starts of the second, and so on.
        pose = self.starts.expand(fine.shape[0], -1, -1).flatten(0, 1)
        copies = _copies(coarse, starts)
        for _ in range(_STEPS[0]):
            pose = self.coarse.step(copies, pose)
        pose, _ = best_pose(pose.view(-1, starts, 3), self.coarse.misfit(copies, pose).view(-1, starts))
        if self.alike is None:
            return self._refine(middle, fine, pose)
        turns = len(self.alike)
        middle, fine = (_copies(each, turns) for each in (middle, fine))
        pose = self._refine(middle, fine, _composed(pose, self.alike))
        return best_pose(pose.view(-1, turns, 3), self.misfit(fine, pose).view(-1, turns))[0]

    def _refine(self, middle: Tensor, fine: Tensor, pose: Tensor) -> Tensor:
        """Improve poses (B, 3) that the coarse grid gave."""
        for _ in range(_STEPS[1]):
            pose = self.middle.step(middle, pose)
        for _ in range(_STEPS[2]):
            pose = self.fine.step(fine, pose)
        aside = _MOST_ASIDE * min(self.size)
        return torch.cat((pose[:, :1], pose[:, 1:].clamp(-aside, aside)), dim=1)

    def _looks_alike(self, found: Tensor | None = None) -> Tensor | None:
        """Return the poses in which the mean image looks like itself; None if there is only its own.

        On the coarse grid, it differs from itself there by a small share of its variance.

        Args:
            found: (N,), rotations of normal images. A pose by which no two of them differ does not count.
        """
        mean = self.coarse.mean
        copies, pose = mean.expand(_TURNS, -1, -1, -1), every_turn().to(mean)
        for _ in range(_STEPS[0]):
            pose = self.coarse.step(copies, pose)
        off = self.coarse.misfit(copies, pose)
        least = math.cos(_TURN)
        kept = pose[:1]
        for each in off.argsort().tolist():
            turn_by = pose[each, 0]
            other = bool(((kept[:, 0] - turn_by).cos() < least).all())
            if found is not None:
                other &= bool(((found[:, None] - found - turn_by).cos() >= least).any())
            if other and off[each] < _ALIKE * mean.square().mean() and len(kept) < _MOST_ALIKE:
                kept = torch.cat((kept, pose[each : each + 1]))
        return kept if len(kept) > 1 else None

    def load_mean(self, small: Sequence[Tensor], poses: Tensor) -> None:
        """Load the mean of small images in these poses."""
        mean = torch.zeros_like(self.fine.mean, dtype=torch.float64)
        for each, pose in zip(small, poses[:, None], strict=True):
            mean += resample(each, pose, self.pitch, self.pitch, self.size) / len(small)
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
        # One product for each image: ONNX Runtime rounds a product of one row otherwise than one of several.
        each = self.descent.expand(differences.shape[0], -1, -1)
        change = (differences.unsqueeze(1) @ each).squeeze(1)
        angle = pose[:, :1] - change[:, :1]
        return torch.cat((angle, pose[:, 1:] - turn(change[:, 1:], angle)), dim=1)

    def misfit(self, planes: Tensor, pose: Tensor) -> Tensor:
        """Return the mean squared difference (B,) from the mean image over the points inside the image."""
        differences, seen = self.compare(planes, pose)
        return differences.square().sum(dim=1) / seen.sum(dim=1).clamp_min(1)

    def compare(self, planes: Tensor, pose: Tensor) -> tuple[Tensor, Tensor]:
        """Return differences (B, h * w) from the mean image, zero outside the image, and what is inside."""
        places = where(planes, pose, self.pitch, self.pitch, self.size)
        # Ignore points beyond the border: replicating the border would pull the part towards it.
        seen = within(places).flatten(1)
        return (read(planes, places) - self.mean).flatten(1) * seen, seen


def every_turn() -> Tensor:
    """Return 24 evenly spaced rotations as poses (24, 3), beginning with the smallest."""
    starts = torch.zeros(_TURNS, 3)
    starts[1:, 0] = torch.arange(2, _TURNS + 1) // 2 * _TURN
    starts[2::2, 0] *= -1
    return starts


def _batches(small: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Divide small images: the work of a step is so little that calling it for each image takes most time."""
    return (list(small[start : start + _AT_ONCE]) for start in range(0, len(small), _AT_ONCE))


def best_pose(poses: Tensor, misfits: Tensor) -> tuple[Tensor, Tensor]:
    """Choose of several poses (B, N, 3) the one of least misfit (B, N): (B, 3), and which it is, (B,)."""
    best = misfits.argmin(dim=1)
    return poses.gather(1, best.view(-1, 1, 1).expand(-1, 1, 3))[:, 0], best


def _copies(planes: Tensor, count: int) -> Tensor:
    """Repeat planes (B, 1, h, w): (B * count, 1, h, w), all copies of the first image first."""
    return planes.expand(-1, count, -1, -1).flatten(0, 1)[:, None]


def _composed(poses: Tensor, others: Tensor) -> Tensor:
    """Return poses (B, 3), each after each of others (N, 3): (B * N, 3), all of the first pose first."""
    count = len(others)
    first = poses[:, None].expand(-1, count, -1).flatten(0, 1)
    then = others.expand(poses.shape[0], -1, -1).flatten(0, 1)
    angle = first[:, :1]
    return torch.cat((angle + then[:, :1], first[:, 1:] + turn(then[:, 1:], angle)), dim=1)


def _centred(poses: Tensor) -> Tensor:
    """Express poses (N, 3) relative to their mean."""
    angles = poses[:, :1]
    angles = angles - torch.atan2(angles.sin().mean(), angles.cos().mean())
    middle = turn(poses[:, 1:], -angles).mean(dim=0, keepdim=True)
    return torch.cat((angles, poses[:, 1:] - turn(middle, angles)), dim=1)


def _descent(mean: Tensor, pitch: int, size: Size) -> Tensor:
    """Compute the Gauss-Newton step (h * w, 3) for a difference of 1 at each point of (1, 1, h, w)."""
    padded = functional.pad(mean, (1, 1, 1, 1), mode="replicate")
    right = (padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]).flatten() / (2 * pitch)
    down = (padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]).flatten() / (2 * pitch)
    x, y, _ = torch.from_numpy(points(pitch, size)).to(mean).T
    slopes = torch.stack((down * x - right * y, right, down))
    normal = slopes @ slopes.T
    steady = normal + torch.diag(_STEADY * normal.diagonal() + torch.finfo(torch.float32).tiny)
    steps: Tensor = torch.linalg.solve(steady, slopes)
    return steps.T
