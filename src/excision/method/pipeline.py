"""The method from tensor to tensor: attention, mask, excision, recovery, anomaly map, anomaly score."""

from __future__ import annotations

from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor, nn

from excision.errors import SettingsError
from excision.method.attention.model import Attention
from excision.method.masking import cells_to_mask, excise, select_cells
from excision.method.recovery.unet import Recovery, UNet
from excision.method.scoring.alignment import Alignment
from excision.method.scoring.edge_features import CELL_SIZE, count_features, edge_features
from excision.method.scoring.feature_distance import FeatureDistance
from excision.method.scoring.residuals import anomaly_map, anomaly_score, broad_residual
from excision.method.scoring.surprisal import surprisal
from excision.ops.resampling import enlarge
from excision.settings import Settings


class Stages(NamedTuple):
    """Every stage of a batch.

    Attributes:
        attention: (B, 1, H, W), larger is more defect-like; in deviations from what is usual at its place.
        mask: (B, 1, H, W) bool, True where the image is excised.
        masked_image: (B, C, H, W) in [0, 1].
        recovery: (B, C, H, W) in [0, 1]; where only the hole counts, the image itself outside it.
        anomaly_map: (B, 1, H, W) >= 0; the weighted surprisal in nats. With `score.evidence` "residual" the
            residual itself, in units of what is usual unless `score.relative` is 0.
        score: (B,) >= 0, in the unit of the map.
    """

    attention: Tensor
    mask: Tensor
    masked_image: Tensor
    recovery: Tensor
    anomaly_map: Tensor
    score: Tensor


class Evidence(NamedTuple):
    """What speaks for a defect, before it is joined to one anomaly map.

    Attributes:
        residuals: R of (B, 1, H, W) >= 0, between image and recovery, each seen in another way: the pixel's
            own and, if R is 2, the broad one; in units of what is usual, unless `score.relative` is 0.
        attention: (B, 1, ceil(H / patch), ceil(W / patch)) >= 0, of the patch grid, in deviations above what
            is usual.
        distance: (B, 1, ceil(H / `CELL_SIZE`), ceil(W / `CELL_SIZE`)) >= 0: how far the edges and lines of a
            place are from those that are usual there; None where that does not count.
        pose: (B, 3), how the part lies against the places of the distance; None where that is not asked.
    """

    residuals: tuple[Tensor, ...]
    attention: Tensor
    distance: Tensor | None
    pose: Tensor | None


class Pipeline(nn.Module):
    """Excision And Recovery with its weights.

    Attributes:
        settings: with the number of channels settled.
        attention: the frozen attention network.
        recovery: the U-Net.
        mask_threshold: cells of the patch grid with more attention than this are excised.
        usual: (1, R, H, W) > 0, the residuals that are usual on good images; (1, R, 1, 1) where they stay
            absolute or the size is not settled.
        level: (1, 1, h, w), the attention that is usual at each cell of the patch grid.
        spread: (1, 1, h, w) > 0, its deviation.
        familiar: which features are usual at each place; None where that does not count, since places differ
            from image to image.
        alignment: how a part lies, whose places `familiar` means; None where they are places of the image.
        tails: (R + 1, 2), for each residual and the attention the median over good images of their largest
            value, and the mean excess of those above it.
    """

    usual: Tensor
    level: Tensor
    spread: Tensor
    tails: Tensor

    def __init__(self, settings: Settings, attention: Attention) -> None:
        super().__init__()
        if settings.image.channels is None:
            raise SettingsError("image.channels must be settled before a model is built")
        unet = settings.recovery
        self.settings = settings
        self.attention = attention
        self.recovery = UNet(settings.image.channels, unet.width, unet.depth, unet.normalisation, unet.stem)
        self.mask_threshold = float("inf")
        size = settings.image.size if settings.score.relative > 0 else None
        # Whether or not they count now: the same weights serve with other switches.
        residuals = 2 if settings.score.broad > 0 else 1
        self.register_buffer("usual", torch.ones(1, residuals, *(size or (1, 1))))
        grid = tuple(-(-side // settings.mask.patch) for side in settings.image.size or (1, 1))
        self.register_buffer("level", torch.zeros(1, 1, *grid))
        self.register_buffer("spread", torch.ones(1, 1, *grid))
        self.register_buffer("tails", torch.ones(residuals + 1, 2))
        self.familiar: FeatureDistance | None = None
        self.alignment: Alignment | None = None

    def new_familiar(self) -> FeatureDistance | None:
        """Give what could learn which features are usual at each place; None where that is not to count."""
        image, wanted = self.settings.image, self.settings.score.feature_distance and self.counts_attention
        # A place of a tile is no place of the part.
        if not wanted or image.size is None or image.tile is not None:
            return None
        assert image.channels is not None  # it was settled before
        grid = (-(-image.size[0] // CELL_SIZE), -(-image.size[1] // CELL_SIZE))
        return FeatureDistance(count_features(image.channels), grid).to(self.level.device)

    def new_alignment(self, starts: int = 1) -> Alignment:
        """Give what could learn how parts lie, where images are of one size; with as many starts to fill."""
        assert self.settings.image.size is not None  # or there is nothing familiar
        return Alignment(self.settings.image.size, starts).to(self.level.device)

    def load_learned(self, tensors: dict[str, Tensor]) -> None:
        """Take over the `state_dict` of another pipeline.

        Raises:
            RuntimeError: names or shapes are not those of this pipeline.
        """
        learnt = {name.partition(".")[0] for name in tensors}
        self.familiar = self.new_familiar() if "familiar" in learnt else None
        starts = tensors.get("alignment.starts") if self.familiar is not None else None
        self.alignment = self.new_alignment(len(starts)) if starts is not None else None
        if self.familiar is None:
            # They were learnt, and are not to count with the settings of this pipeline.
            unused = ("familiar.", "alignment.")
            tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(unused)}
        self.load_state_dict(tensors)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Stages:
        """Inspect images (B, C, H, W) in [0, 1]; one pass, nothing random.

        Raises:
            ValueError: the images are not of the size that the usual level was learnt for.
        """
        if self.usual[0, 0].numel() > 1 and self.usual.shape[2:] != images.shape[2:]:
            wanted, given = tuple(self.usual.shape[2:]), tuple(images.shape[2:])
            raise ValueError(f"images are {given} pixels: this model was made for {wanted}")
        # One by one: in a batch the sums would be rounded in another order, and an image's score would depend
        # on its neighbours. On a processor it is also faster, since one image's features stay in its cache.
        singles = [self.inspect(image[None]) for image in images]
        return Stages(*(torch.cat(parts) for parts in zip(*singles, strict=True)))

    def inspect(self, images: Tensor) -> Stages:
        """Inspect images as `forward` does, but all at once: their scores may differ in the last bits."""
        cells = self.cells(images)
        mask, masked_image, recovery = self._recover(images, cells)
        inside = mask if self.counts_inside_alone else None
        maps = self.join(self._weigh(images, recovery, inside, cells))
        shown = recovery.mean.clamp(0, 1)
        return Stages(
            attention=self._enlarge(cells, images),
            mask=mask,
            masked_image=masked_image,
            recovery=shown if inside is None else torch.where(mask, shown, images),
            anomaly_map=maps,
            score=anomaly_score(maps, self.settings.score.top),
        )

    @torch.no_grad()
    def evidence(self, images: Tensor) -> tuple[Evidence, Tensor]:
        """Give what speaks for a defect in images (B, C, H, W) in [0, 1], and the mask (B, 1, H, W)."""
        cells = self.cells(images)
        mask, _, recovery = self._recover(images, cells)
        inside = mask if self.counts_inside_alone else None
        return self._weigh(images, recovery, inside, cells), mask

    def join(self, evidence: Evidence) -> Tensor:
        """Give the anomaly map (B, 1, H, W) >= 0: the surprisal of the residuals and that of the attention.

        The residuals see the same difference, so the more surprising of them counts. It is added to the
        attention by the statistic of I. J. Good, "On the weighted combination of significance tests", Journal
        of the Royal Statistical Society B 17, 1955, with equal weights that of Fisher. It is truncated, so
        that where it says little it does not disturb what the attention says. Where the residual speaks
        alone it is the residual itself.

        The distance of the features counts by its weight, all else by the rest: where the place tells what is
        to be seen, what differs from that is what counts.
        """
        if not self.counts_attention:
            return evidence.residuals[0]
        *of_residuals, of_attention = self.tails.tolist()
        score = self.settings.score
        found = [
            surprisal(residual, median, excess, score.residual_truncation)
            for residual, (median, excess) in zip(evidence.residuals, of_residuals, strict=True)
        ]
        residual = reduce(torch.maximum, found)
        attention = surprisal(evidence.attention, *of_attention)
        maps = residual.mul_(score.residual_weight).add_(self._enlarge(attention, residual))
        if evidence.distance is None:
            return maps
        assert self.familiar is not None  # it gave the distance
        distance = surprisal(evidence.distance, *self.familiar.tail.tolist())
        weight = self.familiar.weight
        if evidence.pose is None:
            told = enlarge(distance, CELL_SIZE, (maps.shape[2], maps.shape[3]))
            return maps.mul_(1 - weight).add_(told.mul_(weight))
        assert self.alignment is not None  # it gave the pose
        told, shown = self.alignment.put_back(distance, evidence.pose, CELL_SIZE)
        # In the corners that turning cuts off nothing was compared, and all else counts in full.
        return maps.mul_(1 - weight * shown).add_(told.mul_(weight))

    def _recover(self, images: Tensor, cells: Tensor) -> tuple[Tensor, Tensor, Recovery]:
        settings = self.settings
        size = (images.shape[2], images.shape[3])
        if settings.mask.enabled:
            mask = cells_to_mask(self.select_cells(cells), settings.mask.patch, size)
        else:
            mask = torch.zeros_like(images[:, :1], dtype=torch.bool)
        masked_image = excise(images, mask, settings.mask.fill, settings.mask.patch)
        return (
            mask,
            masked_image,
            self.recovery(masked_image, mask.to(images.dtype), settings.recovery.skips("inference")),
        )

    def _weigh(self, images: Tensor, recovery: Recovery, inside: Tensor | None, cells: Tensor) -> Evidence:
        score = self.settings.score
        residuals = [anomaly_map(images, recovery, inside, score)]
        if self.residuals == 2:
            residuals.append(broad_residual(images, recovery, inside, score.broad))
        relative = (found / self.usual[:, view : view + 1] for view, found in enumerate(residuals))
        distance = pose = None
        if self.familiar is not None:
            if self.alignment is not None:
                pose = self.alignment(images)
                images = self.alignment.align(images, pose)
            distance = self.familiar(edge_features(images))
        return Evidence(tuple(relative), cells.clamp_min(0), distance, pose)

    def _enlarge(self, cells: Tensor, images: Tensor) -> Tensor:
        return enlarge(cells, self.settings.mask.patch, (images.shape[2], images.shape[3]))

    @property
    def counts_inside_alone(self) -> bool:
        """Tell whether the residual counts in the hole only; without one the whole picture has to."""
        return self.settings.score.inside_mask and self.settings.mask.enabled

    @property
    def counts_attention(self) -> bool:
        """Tell whether the attention speaks beside the residual; without a mask this is a plain U-Net."""
        return self.settings.score.evidence == "both" and self.settings.mask.enabled

    @property
    def residuals(self) -> int:
        """Number of residuals that count: without the attention the pixel's own speaks alone."""
        return 2 if self.settings.score.broad > 0 and self.counts_attention else 1

    def cells(self, images: Tensor) -> Tensor:
        """Attention of the patch grid, in deviations from what is usual there.

        Images (B, C, H, W) in [0, 1] to (B, 1, ceil(H / patch), ceil(W / patch)).
        """
        raw = self.attention.cells(images, self.settings.mask.patch)
        return (raw - self.level) / self.spread

    def select_cells(self, cells: Tensor) -> Tensor:
        """Choose the cells to excise; the same shape, bool."""
        return select_cells(cells, self.mask_threshold, self.settings.mask.cap)
