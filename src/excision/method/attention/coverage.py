"""How much of the true defect area the attention covers: a defect that it misses cannot be excised."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from excision.data import Dataset, Sample
from excision.data.decode import probe_image
from excision.data.images import load_working_image, resize_mask
from excision.data.masks import read_mask
from excision.errors import DatasetError, ImageError
from excision.method.attention.model import Attention
from excision.method.masking import cells_to_mask, select_cells
from excision.ops.unit_range import to_unit
from excision.progress import Progress
from excision.settings import AttentionVariant


@dataclass(frozen=True)
class CoverageReport:
    """Share of the true defect area that is covered when a fixed share of each image is masked.

    Attributes:
        variant: attention network that was measured.
        size: working size (H, W).
        budget: share of each image's cells that is masked.
        patch: side of a cell in pixels.
        coverage: covered share of the defect area, 0 to 1; mean over the defective images.
        coverage_by_label: the same for each kind of defect.
        n_defect: number of defective images that were measured.
        left_out: defective images that could not be measured, with the reason: unreadable, or no defect in
            the ground-truth mask.
    """

    variant: AttentionVariant
    size: tuple[int, int]
    budget: float
    patch: int
    coverage: float
    coverage_by_label: dict[str, float]
    n_defect: int
    left_out: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return all figures as plain JSON values."""
        return asdict(self)


def coverage(
    dataset: Dataset,
    size: tuple[int, int],
    budget: float,
    variant: AttentionVariant = "surface",
    patch: int = 8,
    progress: Progress | None = None,
) -> CoverageReport:
    """Mask the cells with the most attention in each defective image, and measure how much defect they cover.

    Args:
        dataset: data set with ground-truth masks.
        size: working size (H, W).
        budget: share of each image's cells to mask, between 0 and 1.
        variant: attention network to measure.
        patch: side of a cell in pixels.
        progress: called with (done, total).

    Raises:
        DatasetError: no defective image has a mask.
    """
    attention = Attention.pretrained(variant)
    defective = [sample for sample in dataset.samples if sample.defective]
    shares: dict[str, list[float]] = defaultdict(list)
    left_out: dict[str, str] = {}
    for done, sample in enumerate(defective, start=1):
        try:
            shares[sample.label].append(_covered(sample, attention, size, budget, patch))
        except ImageError as error:
            left_out[sample.name] = str(error)
        if progress is not None:
            progress(done, len(defective))
    everything = [share for label in shares.values() for share in label]
    if not everything:
        raise DatasetError(
            f"{dataset.root}: none of its {len(defective)} defective images has a mask to measure coverage on"
        )
    return CoverageReport(
        variant=variant,
        size=size,
        budget=budget,
        patch=patch,
        coverage=float(np.mean(everything)),
        coverage_by_label={label: float(np.mean(each)) for label, each in sorted(shares.items()) if each},
        n_defect=len(everything),
        left_out=left_out,
    )


def _covered(sample: Sample, attention: Attention, size: tuple[int, int], budget: float, patch: int) -> float:
    """Return the covered share of one image's defect area."""
    if sample.mask is None:
        raise ImageError("has no mask")
    truth = resize_mask(read_mask(sample.mask, probe_image(sample.image).size), size)
    if not truth.any():
        raise ImageError("its mask shows no defect at this size")
    pixels = to_unit(load_working_image(sample.image, size, 1))
    cells = attention.cells(torch.from_numpy(pixels[None, None, :, :, 0]), patch)
    chosen = select_cells(cells, float("-inf"), budget)
    mask = cells_to_mask(chosen, patch, size)[0, 0].numpy()
    return float((mask & truth).sum() / truth.sum())
