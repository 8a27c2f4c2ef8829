"""What a check of a data set reports."""

from __future__ import annotations

from dataclasses import dataclass

from excision.data.groups import GroupSummary
from excision.data.mask_check import MaskShares
from excision.data.preparation import Finding
from excision.data.sizes import Reduction, Size
from excision.data.working_size import SmallestDefect


@dataclass(frozen=True, slots=True)
class SizeSummary:
    """Sizes (H, W) of all readable images; median and extremes are taken of height and width separately."""

    smallest: Size
    median: Size
    largest: Size
    most_common: Size
    most_common_count: int


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What training with default settings would use.

    Attributes:
        train: number of images that the networks are trained on.
        calibration: number of images held out to set the threshold.
        calibration_groups: number of images of each group that is held out.
        training_groups: number of images of each of the other groups.
        size: size (H, W) of the working image, which is a tile if images are tiled.
        channels: 1 if every training image is grey, otherwise 3.
        tiles: True if the images are tiled at full resolution: strips, or large images with small defects.
        reduction: how much the images are reduced; None if they are tiled.
        smallest_defect: how small a defect can be seen.
    """

    train: int
    calibration: int
    calibration_groups: tuple[int, ...]
    training_groups: tuple[int, ...]
    size: Size
    channels: int
    tiles: bool
    reduction: Reduction | None
    smallest_defect: SmallestDefect


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """What `inspect_dataset` found.

    Attributes:
        layout: name of the layout that read the data set.
        notes: how the layout interpreted the folder, and advice on the findings.
        counts: number of samples for each (split, label).
        groups: the groups of the training images, which are never divided between training and calibration.
        sizes: sizes of the readable images; None if there is none.
        modes: number of images for each mode in words, such as "grey 8-bit".
        unreadable: images that cannot be used; training leaves them out.
        odd: images that can be used but differ from the rest.
        masks: masks that are missing, empty, unreadable or of another size than their image, that may be read
            otherwise than they were meant, or that mark far more than others.
        mask_shares: which share of its image a mask marks; None if no mask can be read.
        unused_masks: mask files that no image uses.
        left_out: names of images in the folder that are not used, because their label is unknown.
        missing: images that an annotation file lists, but whose files are not there.
        duplicates: names of images with the same pixels that occur in both splits.
        training: what training would use; None if it is not possible.
        obstacle: why training is not possible; empty if it is.
    """

    layout: str
    notes: tuple[str, ...]
    counts: dict[tuple[str, str], int]
    groups: GroupSummary
    sizes: SizeSummary | None
    modes: dict[str, int]
    unreadable: tuple[Finding, ...]
    odd: tuple[Finding, ...]
    masks: tuple[Finding, ...]
    mask_shares: MaskShares | None
    unused_masks: tuple[Finding, ...]
    left_out: tuple[str, ...]
    missing: tuple[str, ...]
    duplicates: tuple[tuple[str, ...], ...]
    training: TrainingPlan | None
    obstacle: str
