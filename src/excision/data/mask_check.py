"""What the check reports about the masks of a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import median

from excision.data.decode import probe_image
from excision.data.masks import INVERTED, Mask, examine_mask, percent
from excision.data.preparation import Finding, finding
from excision.data.records import Dataset, Sample, UnusedMask
from excision.data.sizes import Size
from excision.errors import ImageError

_LARGE = 0.5
"""A mask that marks more of its image than this is reported."""

_FAR = 20
"""A mask that marks this many times more than the median one is reported."""

_FEW_PIXELS = 4
"""A mask that marks fewer pixels than this is reported."""


@dataclass(frozen=True, slots=True)
class MaskShares:
    """Shares of the pixels that the masks of a data set mark, 0 to 1.

    Attributes:
        masks: number of masks that could be read.
        smallest: of all masks.
        median: of all masks.
        largest: of all masks.
    """

    masks: int
    smallest: float
    median: float
    largest: float


class MaskFindings:
    """The findings on masks so far."""

    def __init__(self) -> None:
        self._found: list[Finding] = []
        self._shares: dict[str, float] = {}
        self._defects = Counter[bool]()
        self._inverted = 0

    def add(self, sample: Sample, size: Size) -> None:
        """Read the mask of a defective sample, whose image has this size (H, W)."""
        self._defects[sample.mask is not None] += 1
        if sample.mask is None:
            self._found.append(Finding(sample.name, "this defect has no mask"))
            return
        try:
            mask = examine_mask(sample.mask, size)
        except ImageError as error:
            self._found.append(finding(sample, error))
            return
        self._shares[sample.name] = mask.share
        self._inverted += any(INVERTED in doubt for doubt in mask.doubts)
        self._found += [Finding(sample.name, f"its mask is unclear: {doubt}") for doubt in mask.doubts]
        self._found += [Finding(sample.name, reason) for reason in _odd(mask)]

    def findings(self) -> tuple[Finding, ...]:
        """Give the findings; for a data set without any mask one note replaces them."""
        if not self._defects[True]:
            return ()
        named = {found.name for found in self._found}
        typical = median(self._shares.values()) if self._shares else 0.0
        far = [
            Finding(
                name,
                f"its mask marks {percent(share)} of the image, {share / typical:.0f} times more than most",
            )
            for name, share in self._shares.items()
            if name not in named and typical > 0 and share > _FAR * typical
        ]
        return (*self._found, *far)

    def shares(self) -> MaskShares | None:
        """Summarise which share of its image a mask marks."""
        values = list(self._shares.values())
        if not values:
            return None
        return MaskShares(len(values), min(values), median(values), max(values))

    def advice(self) -> list[str]:
        """Give the notes on the masks as a whole."""
        lines = []
        if self._defects[False] and not self._defects[True]:
            lines.append("No defect has a mask, so there will be no pixel metrics.")
        if self._inverted > len(self._shares) / 2:
            lines.append(
                f"{self._inverted} of {len(self._shares)} masks mark most of the image and of its border: "
                "these masks look inverted. The defect must be light on a background of 0; invert the files."
            )
        return lines

    def unused(self, masks: Sequence[UnusedMask]) -> tuple[Finding, ...]:
        """Give a finding for each mask that no image uses; those of normal images are read."""
        return tuple(Finding(mask.name, _unused(mask)) for mask in masks)


def doubtful_masks(dataset: Dataset) -> list[str]:
    """Give the note that masks may be read otherwise than they were meant; none if all are clear."""
    unclear: list[str] = []
    read = 0
    for sample in dataset.test:
        if sample.mask is None:
            continue
        read += 1
        with suppress(ImageError):
            doubts = examine_mask(sample.mask, probe_image(sample.image).size).doubts
            unclear += [f"{sample.name}: {doubt}" for doubt in doubts[:1]]
    if not unclear:
        return []
    return [
        f"{len(unclear)} of {read} masks may be read otherwise than they were meant; the first: "
        f"{unclear[0]}. `excision check` lists all."
    ]


def _odd(mask: Mask) -> list[str]:
    if not mask.marked.any():
        return ["the mask of this defect is empty"]
    if mask.marked.sum() < _FEW_PIXELS:
        return [f"its mask marks only {mask.marked.sum()} pixels"]
    if mask.share > _LARGE and not mask.doubts:
        return [f"its mask marks {percent(mask.share)} of the image"]
    return []


def _unused(mask: UnusedMask) -> str:
    if mask.image is None:
        return mask.reason
    try:
        share = examine_mask(mask.path, probe_image(mask.image).size).share
    except ImageError as error:
        return f"{mask.reason}; {error}"
    if share:
        return f"{mask.reason}, but it marks {percent(share)} of it: the label or the mask is wrong"
    return f"{mask.reason}; it is empty"
