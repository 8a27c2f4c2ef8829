"""PaDiM: compares the features of each position with their distribution at that position.

Defard, Setkov, Loesch, Audigier, "PaDiM: a patch distribution modeling framework for anomaly detection and
localization", ICPR 2020 workshops (Springer 2021), section III. The features are those of EfficientNet-Lite0.
It assumes that parts are in the same position in every image.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from excision.baselines.base import Baseline, BaselineNetwork, Found, TrainingJob
from excision.errors import SettingsError
from excision.features.efficientnet import CHANNELS, EfficientNetLite
from excision.ops.filters import gaussian_blur
from excision.ops.whitening import inverse_factor
from excision.settings import Settings
from excision.tiling.image_format import ImageFormat

_STRIDES = (4, 8, 16)
_SMOOTHING = 4.0  # section IV
_CHOICE_SEED = 1024  # seed of the choice of dimensions, the same in every training
_TOGETHER = 16  # images whose features are added in one pass over the covariances
_INVERTED = 512  # positions whose covariances are inverted at a time


@dataclass(frozen=True, slots=True)
class PaDiMHyperparameters:
    """Hyperparameters of PaDiM.

    Attributes:
        dimensions: number of features of each position, drawn from all 176.
        grid: pixels between positions, 4, 8 or 16; a model takes 4 * `dimensions`^2 bytes per position.
        ridge: added to every variance (epsilon of equation 1).
    """

    dimensions: int = 100
    grid: int = 4
    ridge: float = 0.01

    def __post_init__(self) -> None:
        most = sum(CHANNELS[stride] for stride in _STRIDES)
        if not 1 <= self.dimensions <= most:
            raise SettingsError(f"dimensions is {self.dimensions}: it must lie between 1 and {most}")
        if self.grid not in _STRIDES:
            raise SettingsError(f"grid is {self.grid}: choose from {', '.join(map(str, _STRIDES))}")
        if not self.ridge > 0:
            raise SettingsError(f"ridge is {self.ridge}: it must be above 0")


class PaDiM(Baseline):
    """PaDiM with the interface of `Detector`; `PaDiMHyperparameters` lists its hyperparameters.

    Training reads each image once; no time limit applies.
    """

    name: ClassVar[str] = "PaDiM"

    def __init__(
        self, settings: Settings | None = None, device: str = "auto", **hyperparameters: Any
    ) -> None:
        super().__init__(settings, device, **hyperparameters)
        self._own = PaDiMHyperparameters(**hyperparameters)

    def build(self, _: ImageFormat) -> PaDiMNetwork:
        """Build the network without Gaussians and with random weights, which training or loading replaces."""
        return PaDiMNetwork(self._own.dimensions, self._own.grid)

    def learn(self, network: BaselineNetwork, job: TrainingJob) -> None:
        """Fit the Gaussian of each position.

        Raises:
            ModelError: the package with the ImageNet weights is not installed.
        """
        assert isinstance(network, PaDiMNetwork)
        network.features.load_pretrained()
        moments = Moments()
        grid: tuple[int, ...] = ()
        for embeddings in _batches(network, job):
            grid = tuple(embeddings.shape[:2])
            moments.add(embeddings.flatten(0, 1))
        network.mean = moments.mean.reshape(*grid, -1)
        network.whitening = moments.whitening(self._own.ridge)


class PaDiMNetwork(BaselineNetwork):
    """Features and a Gaussian at each of P positions.

    Attributes:
        chosen: (D,), indices of the features in use.
        mean: (h, w, D), with h * w = P.
        whitening: (P, D, D), W with W W^T the inverse of the covariance.
    """

    chosen: Tensor
    mean: Tensor
    whitening: Tensor

    def __init__(self, dimensions: int, grid: int) -> None:
        super().__init__()
        self.features = EfficientNetLite(_STRIDES)
        self._level = _STRIDES.index(grid)
        draw = torch.Generator().manual_seed(_CHOICE_SEED)
        order = torch.randperm(sum(CHANNELS[stride] for stride in _STRIDES), generator=draw)
        self.register_buffer("chosen", order[:dimensions].sort().values)
        self.register_buffer("mean", torch.empty(0, 0, dimensions))
        self.register_buffer("whitening", torch.empty(0, dimensions, dimensions))

    @torch.no_grad()
    def embeddings(self, images: Tensor) -> Tensor:
        """Compute the chosen features (B, D, h, w) of images (B, C, H, W) in [0, 1]; section III-A.

        A position takes the feature of the coarser cell that contains it, and the mean of finer ones.
        """
        maps = self.features(images)
        grid = maps[self._level].shape[2:]
        finer = [functional.adaptive_avg_pool2d(part, grid) for part in maps[: self._level]]
        others = [functional.interpolate(part, size=grid, mode="nearest") for part in maps[self._level :]]
        fitted = finer + others
        return torch.cat(fitted, dim=1)[:, self.chosen]

    def forward(self, images: Tensor) -> Found:
        """Inspect images (B, C, H, W) in [0, 1], of the size of the training images.

        The map is the Mahalanobis distance of each position (equation 2), enlarged and smoothed; the score is
        its maximum.

        Raises:
            ValueError: the images are not of the size of the training images.
        """
        # One image at a time: in a batch, sums are rounded in a different order.
        maps = torch.cat([self._inspect(image[None]) for image in images])
        return Found(maps, maps.flatten(1).amax(dim=1))

    def _inspect(self, image: Tensor) -> Tensor:
        embeddings = self.embeddings(image)
        grid = embeddings.shape[2:]
        if grid != self.mean.shape[:2]:
            learnt = tuple(self.mean.shape[:2])
            raise ValueError(f"{tuple(grid)} positions, but {learnt} learnt: the image has another size")
        distances = mahalanobis(embeddings[0].flatten(1).T, self.mean.flatten(0, 1), self.whitening)
        maps = functional.interpolate(distances.view(1, 1, *grid), size=image.shape[2:], mode="bilinear")
        return gaussian_blur(maps, _SMOOTHING)


def mahalanobis(points: Tensor, mean: Tensor, whitening: Tensor) -> Tensor:
    """Return the Mahalanobis distance of each point from the Gaussian of its position.

    Args:
        points: (P, D).
        mean: (P, D).
        whitening: (P, D, D), W with W W^T the inverse of the covariance.

    Returns:
        (P,) >= 0: sqrt((x - m)^T S^-1 (x - m)), computed as the length of (x - m)^T W.
    """
    white = torch.bmm((points - mean)[:, None], whitening)[:, 0]
    lengths: Tensor = torch.linalg.vector_norm(white, dim=1)
    return lengths


class Moments:
    """Mean and scatter matrix of each position, updated batch by batch in constant memory.

    Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.

    Attributes:
        mean: (P, D), mean of the samples added so far.
    """

    def __init__(self) -> None:
        self.mean = torch.empty(0)
        self._scatter = torch.empty(0)
        self._count = 0

    def add(self, batch: Tensor) -> None:
        """Add K samples of each position, (P, K, D), with K at least 1."""
        positions, fresh, dimensions = batch.shape
        if not self._count:
            self.mean = batch.new_zeros(positions, dimensions)
            self._scatter = batch.new_zeros(positions, dimensions, dimensions)
        mean = batch.mean(dim=1)
        shift = mean - self.mean
        total = self._count + fresh
        # The difference between the means adds to the scatter as one more sample of this length would.
        extra = shift * math.sqrt(self._count * fresh / total)
        deviations = torch.cat((batch - mean[:, None], extra[:, None]), dim=1)
        self._scatter.baddbmm_(deviations.transpose(1, 2), deviations)
        self.mean = self.mean + shift * (fresh / total)
        self._count = total

    def covariance(self, positions: slice = slice(None)) -> Tensor:
        """Return the covariances (P, D, D), with N - 1 in the denominator; zero for a single sample."""
        return self._scatter[positions] / max(self._count - 1, 1)

    def whitening(self, ridge: float) -> Tensor:
        """Return W (P, D, D) with W W^T the inverse of covariance + `ridge` I. The scatter is overwritten."""
        dimensions = self._scatter.shape[1]
        unit = torch.eye(dimensions, dtype=self._scatter.dtype, device=self._scatter.device)
        for start in range(0, len(self._scatter), _INVERTED):
            part = slice(start, start + _INVERTED)
            inverse = inverse_factor((self.covariance(part) + ridge * unit).double())
            # In place: a second copy would dominate memory use.
            self._scatter[part] = inverse.transpose(1, 2).to(self._scatter.dtype)
        whitening, self._scatter = self._scatter, torch.empty(0)
        return whitening


def _batches(network: PaDiMNetwork, job: TrainingJob) -> Iterator[Tensor]:
    """Yield the features of the training images in batches (h, w, K, D)."""
    images = len(job.data.training)
    held: list[Tensor] = []
    for index in range(images):
        held.append(network.embeddings(job.image(index))[0].permute(1, 2, 0))
        job.progress(index + 1, images, {})
        if len(held) == _TOGETHER or index + 1 == images:
            yield torch.stack(held, dim=2)
            held.clear()
