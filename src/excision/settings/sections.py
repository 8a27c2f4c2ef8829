"""The sections of the settings: one frozen dataclass per concern, checked on construction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from excision.errors import SettingsError
from excision.settings.audience import ADVANCED, FOR_EXPERIMENTS
from excision.settings.checks import require
from excision.settings.length import parse_length
from excision.tiling.image_format import MOST_PIXELS

AttentionVariant = Literal["surface", "plain"]
"""The attention networks whose weights are shipped."""

AttentionChoice = Literal["surface", "plain", "dino"]

ATTENTION_STRIDES: dict[AttentionChoice, int] = {"surface": 8, "plain": 4, "dino": 8}
"""Pixels between neighbouring positions of each attention network's grid."""

Fill = Literal["zero", "mean", "mosaic"]
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """The working image, which is what every stage of the method sees.

    Attributes:
        size: height and width of the working image in pixels, at least 32 each. By default they are derived
            from the training images.
        channels: 1 for grey or 3 for colour. By default grey if every training image is grey.
        tile: height and width in pixels of the tiles in which large images are trained on and inspected at
            full resolution; the working image is then a tile. By default strips are tiled, unless a size is
            given, and other images are resized.
        smallest_defect: diameter of the smallest defect that must be seen, such as "3px" of the images or
            "0.5mm"; it sets the size of the working image, or that of tiles if a whole image would be too
            large. By default the size follows from the images alone.
        mm_per_pixel: millimetres for a pixel of the images as given, for sizes in millimetres.
    """

    size: tuple[int, int] | None = None
    channels: Literal[1, 3] | None = None
    tile: tuple[int, int] | None = None
    smallest_defect: str | None = None
    mm_per_pixel: float | None = None

    def __post_init__(self) -> None:
        if self.size is not None and min(self.size) < 32:
            raise SettingsError(f"image.size is {self.size}: height and width must be at least 32 pixels")
        for name, size in (("size", self.size), ("tile", self.tile)):
            require(
                size is None or 0 < size[0] * size[1] <= MOST_PIXELS,
                f"image.{name} is {size}: a working image has at most {MOST_PIXELS} pixels",
            )
        if self.tile is not None and self.size not in (None, self.tile):
            raise SettingsError(
                f"image.size is {self.size} and image.tile {self.tile}: a tile is the working image, "
                "so give one of the two"
            )
        require(
            self.mm_per_pixel is None or 0 < self.mm_per_pixel < 1e6,
            f"image.mm_per_pixel is {self.mm_per_pixel}: it must be above 0",
        )
        if self.smallest_defect is not None:
            _ = self.smallest_defect_pixels  # refuses what is not a length
            require(
                self.size is None and self.tile is None,
                "image.smallest_defect chooses the size of the working image: leave out image.size and "
                "image.tile, or leave out image.smallest_defect",
            )

    @property
    def smallest_defect_pixels(self) -> float | None:
        """The smallest defect that must be seen, in pixels of the images as given; None if not stated.

        Raises:
            SettingsError: it is not a length, or millimetres need `mm_per_pixel`.
        """
        if self.smallest_defect is None:
            return None
        return parse_length(self.smallest_defect, self.mm_per_pixel, "image.smallest_defect")


@dataclass(frozen=True, slots=True)
class AttentionSettings:
    """Attention: where an image may be defective.

    Attributes:
        variant: network and its pre-training: "surface" (MNIST digits drawn on procedural surfaces), "plain"
            (the MNIST classifier of the paper) or "dino" (the last layer of the DINOv2 network of
            `score.features`; it is not tuned).
        pretrained: start from the pre-trained weights; false starts from random weights.
        tuning: largest number of tuning steps, eight per image, on defects drawn on the product's own good
            images; 0 leaves the pre-trained network unchanged, as in the paper.
        pretraining_weight: weight of the pre-training data during tuning, as an equivalent number of good
            images. The share weight / (weight + images) of the tuning images is pre-training data.
        relative: measure attention in standard deviations from normal attention at the same position.
    """

    variant: AttentionChoice = field(default="surface", metadata=FOR_EXPERIMENTS)
    pretrained: bool = field(default=True, metadata=FOR_EXPERIMENTS)
    tuning: int = 3000
    pretraining_weight: int = field(default=150, metadata=ADVANCED)
    relative: bool = field(default=True, metadata=FOR_EXPERIMENTS)

    @property
    def stride(self) -> int:
        """Pixels between neighbouring positions of the network's grid."""
        return ATTENTION_STRIDES[self.variant]

    def __post_init__(self) -> None:
        require(self.tuning >= 0, f"attention.tuning is {self.tuning}: it must not be negative")
        require(
            self.pretraining_weight >= 0,
            f"attention.pretraining_weight is {self.pretraining_weight}: it must not be negative",
        )


@dataclass(frozen=True, slots=True)
class MaskSettings:
    """Masking: which cells of the image are excised.

    Attributes:
        enabled: excise part of the image; false leaves it whole, which turns the method into a plain U-Net.
        patch: side of a grid cell in pixels; a cell is excised whole or not at all. Small cells follow fine
            defects, large cells cover stains.
        budget: share of cells excised from a normal training image on average; sets the mask threshold.
        cap: largest share of cells excised from any image; those with the strongest attention are taken.
        fill: content of the excised cells: "zero" (as in the paper), "mean" (of the image outside the mask)
            or "mosaic" (the mean of each cell).
        early_exit: share of normal images, those with the least attention, of which nothing is excised, so
            that they need no recovery; 0 for none. It saves time, and changes scores.
    """

    enabled: bool = field(default=True, metadata=FOR_EXPERIMENTS)
    patch: int = 8
    budget: float = 0.04
    cap: float = field(default=0.30, metadata=ADVANCED)
    fill: Fill = field(default="zero", metadata=ADVANCED)
    early_exit: float = field(default=0.0, metadata=ADVANCED)

    def __post_init__(self) -> None:
        require(self.patch >= 1, f"mask.patch is {self.patch}: it must be at least 1 pixel")
        require(0 < self.budget < 1, f"mask.budget is {self.budget}: it must lie between 0 and 1")
        require(0 <= self.early_exit < 1, f"mask.early_exit is {self.early_exit}: it must be 0 to below 1")
        require(self.budget <= self.cap < 1, f"mask.cap is {self.cap}: it must lie between the budget and 1")


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """The training loop.

    Attributes:
        steps: number of optimiser steps.
        batch: number of crops per step.
        crop: side in pixels of the square training crops; smaller images are used whole.
        learning_rate: peak learning rate, reached after a warm-up; it then falls along a cosine to zero.
        seed: seed of the initial weights, the crops and the masks.
        precision: "auto" uses bfloat16 if the processor multiplies it natively, and float32 otherwise.
        cache_mb: memory in MB for decoded training images; images that do not fit are decoded again.
        checkpoint_every: number of steps between checkpoints.
    """

    steps: int = 1000
    batch: int = 8
    crop: int = 128
    learning_rate: float = field(default=2e-3, metadata=ADVANCED)
    seed: int = 0
    precision: Precision = "auto"
    cache_mb: int = 512
    checkpoint_every: int = 100

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "checkpoint_every"):
            require(
                getattr(self, name) >= 1, f"training.{name} is {getattr(self, name)}: it must be at least 1"
            )
        require(self.crop >= 32, f"training.crop is {self.crop}: it must be at least 32 pixels")
        require(0 <= self.seed < 2**63, f"training.seed is {self.seed}: it must not be negative")
        require(self.learning_rate > 0, "training.learning_rate must be above 0")
        require(self.cache_mb >= 0, "training.cache_mb must not be negative")
