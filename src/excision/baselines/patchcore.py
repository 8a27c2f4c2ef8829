"""PatchCore: distance of each patch's feature from its nearest neighbour in a memory bank of normal patches.

Roth, Pemula, Zepeda, Schölkopf, Brox, Gehler, "Towards total recall in industrial anomaly detection", CVPR
2022. The features are those of EfficientNet-Lite0 instead of a WideResNet-50. Unlike in the paper, memory use
is bounded: the coreset is chosen from a random subset of the patches, the same number from each image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from excision.baselines.base import Baseline, BaselineNetwork, Found, TrainingJob
from excision.errors import SettingsError
from excision.features.efficientnet import CHANNELS, EfficientNetLite
from excision.ops.filters import gaussian_blur
from excision.ops.nearest import greedy_coreset, nearest_distances, project
from excision.settings import Settings
from excision.tiling.image_format import ImageFormat

_SMOOTHING = 4.0  # section 3.3
_REPORT_EVERY = 100


@dataclass(frozen=True, slots=True)
class PatchCoreHyperparameters:
    """Hyperparameters of PatchCore.

    Attributes:
        strides: strides of the feature maps, in rising order; the first sets the grid of patches.
        coreset: share of the training patches that the memory bank keeps.
        bank: largest number of patches in the memory bank.
        candidates: largest number of training patches from which the bank is chosen.
        neighbours: b of equation 7; 1 disables the re-weighting.
        unit_length: scale every patch's feature to length 1, so that a distance measures the kind of texture
            and not its strength. The paper does not; with these features, whose last layer is linear, bright
            spots on normal parts would otherwise be farther away than any defect.
    """

    strides: Sequence[int] = (8, 16)
    coreset: float = 0.01
    bank: int = 10_000
    candidates: int = 100_000
    neighbours: int = 9
    unit_length: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.coreset <= 1:
            raise SettingsError(f"coreset is {self.coreset}: it must lie above 0 and not above 1")
        for name in ("bank", "candidates", "neighbours"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} is {getattr(self, name)}: it must be at least 1")


class PatchCore(Baseline):
    """PatchCore with the interface of `Detector`; `PatchCoreHyperparameters` lists its hyperparameters.

    Training reads each image once and chooses the bank; no time limit applies.
    """

    name: ClassVar[str] = "PatchCore"

    def __init__(
        self, settings: Settings | None = None, device: str = "auto", **hyperparameters: Any
    ) -> None:
        super().__init__(settings, device, **hyperparameters)
        self._own = PatchCoreHyperparameters(**hyperparameters)

    def build(self, _: ImageFormat) -> PatchCoreNetwork:
        """Build the network with an empty bank and random weights, which training or loading replaces."""
        return PatchCoreNetwork(self._own.strides, self._own.neighbours, self._own.unit_length)

    def learn(self, network: BaselineNetwork, job: TrainingJob) -> None:
        """Fill the memory bank.

        Raises:
            ModelError: the package with the ImageNet weights is not installed.
        """
        assert isinstance(network, PatchCoreNetwork)
        network.features.load_pretrained()
        draw = torch.Generator().manual_seed(job.settings.training.seed)
        total = len(job.data.training)
        patches, count = _candidates(network, job, self._own.candidates, draw)
        wanted = min(round(self._own.coreset * count), self._own.bank)
        # Equation 7 needs the neighbours of the nearest patch.
        wanted = min(max(wanted, self._own.neighbours), len(patches))

        def chosen(number: int) -> None:
            if number % _REPORT_EVERY == 0 or number == wanted:
                job.progress(total + number, total + wanted, {})

        points = project(patches, draw)
        first = int(torch.randint(len(points), (1,), generator=draw))
        network.keep(patches[greedy_coreset(points, wanted, first, chosen)])


class PatchCoreNetwork(BaselineNetwork):
    """Features, memory bank, and nearest-neighbour search.

    Attributes:
        bank: (M, D), features of normal patches.
        squares: (M,), their squared lengths.
    """

    bank: Tensor
    squares: Tensor

    def __init__(self, strides: Sequence[int], neighbours: int, unit_length: bool = True) -> None:
        super().__init__()
        self.unit_length = unit_length
        self.features = EfficientNetLite(strides)
        self.neighbours = neighbours
        self.register_buffer("bank", torch.empty(0, sum(CHANNELS[stride] for stride in strides)))
        self.register_buffer("squares", torch.empty(0))

    def keep(self, bank: Tensor) -> None:
        """Replace the memory bank (M, D)."""
        self.bank = bank
        self.squares = bank.square().sum(dim=1)

    @torch.no_grad()
    def patches(self, images: Tensor) -> Tensor:
        """Compute the patch features (B, D, h, w) of images (B, C, H, W) in [0, 1]; section 3.1.

        Each is the mean over the 3x3 positions around it that are inside the image.
        """
        maps = [
            functional.avg_pool2d(features, 3, stride=1, padding=1, count_include_pad=False)
            for features in self.features(images)
        ]
        grid = maps[0].shape[2:]
        resized = (functional.interpolate(part, size=grid, mode="bilinear") for part in maps[1:])
        joined = torch.cat((maps[0], *resized), dim=1)
        return functional.normalize(joined, dim=1) if self.unit_length else joined

    def forward(self, images: Tensor) -> Found:
        """Inspect images (B, C, H, W) in [0, 1].

        The map is the distance of each patch from the bank, enlarged and smoothed (section 3.3); the score is
        computed from the distances before that.
        """
        # One image at a time: in a batch, sums are rounded in a different order.
        found = [self._inspect(image[None]) for image in images]
        return Found(torch.cat([each.maps for each in found]), torch.stack([each.scores for each in found]))

    def _inspect(self, image: Tensor) -> Found:
        features = self.patches(image)
        grid = features.shape[2:]
        queries = features[0].flatten(1).T.contiguous()
        distances, nearest = nearest_distances(queries, self.bank, self.squares)
        maps = functional.interpolate(distances.view(1, 1, *grid), size=image.shape[2:], mode="bilinear")
        return Found(gaussian_blur(maps, _SMOOTHING), self._score(queries, distances, nearest))

    def _score(self, queries: Tensor, distances: Tensor, nearest: Tensor) -> Tensor:
        """Compute the score of the image by equations 6 and 7.

        The largest distance counts more if the nearest patch of the bank is itself rare, that is, far from
        others. As in equation 7, that patch is one of its own neighbours, so that the weight is in [0, 1).
        """
        farthest = distances.argmax()
        if self.neighbours == 1:
            return distances[farthest]
        around = torch.linalg.vector_norm(self.bank - self.bank[nearest[farthest]], dim=1)
        neighbours = around.topk(min(self.neighbours, len(around)), largest=False).indices
        others = torch.linalg.vector_norm(self.bank[neighbours] - queries[farthest], dim=1)
        # In logarithms, since the exponential of a distance easily overflows.
        share = torch.exp(distances[farthest] - others.logsumexp(dim=0))
        return (1 - share).clamp_min(0) * distances[farthest]


def _candidates(
    network: PatchCoreNetwork, job: TrainingJob, limit: int, draw: torch.Generator
) -> tuple[Tensor, int]:
    """Return random patches (N, D), the same number from each training image, and the number of all patches.

    Only these are kept in memory, regardless of the number of images.
    """
    images = len(job.data.training)
    kept: list[Tensor] = []
    count = 0
    for index in range(images):
        patches = network.patches(job.image(index))[0].flatten(1).T
        count += len(patches)
        share = min(len(patches), -(-limit // images))
        order = torch.randperm(len(patches), generator=draw)[:share]
        kept.append(patches[order.to(patches.device)])
        job.progress(index + 1, images, {})
    return torch.cat(kept), count
