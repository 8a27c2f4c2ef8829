"""What an inspection of one image returns, and what can be asked for one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from math import isfinite
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from excision.ops import boxes
from excision.ops.reduction import shrink_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from excision.method.calibration import Calibration

Verdict = Literal["good", "review", "defect"]

Box: TypeAlias = boxes.Box


@dataclass(frozen=True, slots=True, repr=False)
class Detection:
    """What any method says of one image, at the working size (H, W) with C channels.

    Of an image that was inspected in tiles the anomaly map has the full size (H, W). All other pictures are
    reduced to (ceil(H / reduction), ceil(W / reduction)) where it is large.

    Attributes:
        score: anomaly score; larger is more anomalous.
        threshold: decision threshold in the unit of `score`.
        verdict: "defect" exactly where `score > threshold`; "review" where it is above the review threshold
            alone.
        anomaly_map: (H, W) float32 in the unit of `score`; pixels above the threshold are defective.
        image: (H, W, C) float32 in [0, 1], the working image.
        seconds: time from decoded image to verdict.
        review_threshold: where the grey zone begins that a person has to look at; None for no such zone.
        reduction: pixels of the anomaly map along the side of a pixel of the other pictures.
        source: path of the image file as it was given; None for an image that was in memory.
        size: (H, W) in pixels of the image as it was given; None where only the working image is known.
    """

    score: float
    threshold: float
    anomaly_map: NDArray[np.float32]
    image: NDArray[np.float32]
    seconds: float
    review_threshold: float | None = field(default=None, kw_only=True)
    reduction: int = field(default=1, kw_only=True)
    source: str | None = field(default=None, kw_only=True)
    size: tuple[int, int] | None = field(default=None, kw_only=True)

    @property
    def verdict(self) -> Verdict:
        """Return "defect" above the threshold, "review" in the grey zone below it, else "good"."""
        if self.score > self.threshold:
            return "defect"
        return "review" if self.score > self.lowest_threshold else "good"

    @property
    def lowest_threshold(self) -> float:
        """What exceeds this is not passed as good."""
        return self.threshold if self.review_threshold is None else self.review_threshold

    def overview(self) -> Self:
        """Return the same to show: the anomaly map as small as the rest, by the largest value of a block."""
        if self.reduction == 1:
            return self
        return replace(self, anomaly_map=shrink_map(self.anomaly_map, self.reduction), reduction=1)

    @property
    def full_size(self) -> tuple[int, int]:
        """(H, W) of the image in pixels: as it was given, or of the anomaly map where that is not known."""
        height, width = self.anomaly_map.shape
        return self.size or (height, width)

    @property
    def shown_size(self) -> tuple[int, int]:
        """(H, W) in pixels of `image`, which is reduced where the image is large."""
        return self.image.shape[0], self.image.shape[1]

    @property
    def boxes(self) -> tuple[Box, ...]:
        """Boxes (x, y, width, height) around what is not passed as good, in pixels of the image as given.

        Strongest first; at most the 1000 strongest. They are computed at each call.
        """
        height, width = self.anomaly_map.shape
        return tuple(boxes.scale_box(box, (height, width), self.full_size) for box in self.map_boxes())

    @property
    def shown_boxes(self) -> tuple[Box, ...]:
        """The same boxes in pixels of `image`."""
        height, width = self.anomaly_map.shape
        return tuple(boxes.scale_box(box, (height, width), self.shown_size) for box in self.map_boxes())

    @property
    def defect_area_share(self) -> float:
        """Share of the pixels that are not passed as good, in [0, 1]."""
        return float((self.anomaly_map > self.lowest_threshold).mean())

    def map_boxes(self) -> list[Box]:
        """Return the same boxes in pixels of the anomaly map."""
        return boxes.strongest_boxes(self.anomaly_map, self.lowest_threshold)

    def to_dict(self) -> dict[str, Any]:
        """Return what is reported of the image, ready for JSON: no arrays, no NaN, no infinity.

        Returns:
            `source`, `score`, `threshold`, `review_threshold`, `verdict`, `boxes` as lists [x, y, width,
            height], `defect_area_share` and `seconds`. What is not known or not finite is None.
        """
        return {
            "source": self.source,
            "score": _finite(self.score),
            "threshold": _finite(self.threshold),
            "review_threshold": _finite(self.review_threshold),
            "verdict": self.verdict,
            "boxes": [list(box) for box in self.boxes],
            "defect_area_share": self.defect_area_share,
            "seconds": _finite(self.seconds),
        }

    def save(self, path: str | PathLike[str]) -> None:
        """Write a file, in one step: a reader never meets half of it.

        Args:
            path: its ending decides. `.png`, `.jpg` or `.webp`: the image with the anomaly map and the boxes
                over it. `.tiff`: the anomaly map, float32. `.npz`: every array, and the figures.

        Raises:
            SettingsError: the ending is another, or the file cannot be written.
        """
        from excision.visualization.showing import save

        save(Path(path), self)

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the image with the anomaly map and the boxes over it, in pixels of the image as given.

        Args:
            axes: of matplotlib, to draw into; None makes a new figure.

        Returns:
            The axes; `axes.figure.savefig` writes them.

        Raises:
            SettingsError: matplotlib is not installed.
        """
        from excision.visualization.showing import plot

        return plot(self, axes)

    def _repr_html_(self) -> str:
        from excision.visualization.showing import to_html

        return to_html(self)

    def __repr__(self) -> str:
        zone = "" if self.review_threshold is None else f", review_threshold={self.review_threshold:.4g}"
        return (
            f"{type(self).__name__}(source={self.source!r}, score={self.score:.4g}, "
            f"threshold={self.threshold:.4g}{zone}, verdict={self.verdict!r})"
        )


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and isfinite(value) else None


@dataclass(frozen=True, slots=True, repr=False)
class Prediction(Detection):
    """Every stage of Excision And Recovery on one image, beside what any method says.

    Attributes:
        attention: (H, W) float32, larger is more defect-like; the unit is the network's own.
        mask: (H, W) bool, True where the image was excised.
        masked_image: (H, W, C) float32 in [0, 1], the image with the masked region filled.
        recovery: (H, W, C) float32 in [0, 1], what the U-Net put into the hole.
    """

    attention: NDArray[np.float32]
    mask: NDArray[np.bool_]
    masked_image: NDArray[np.float32]
    recovery: NDArray[np.float32]


class Method(Protocol):
    """Whatever finds anomalies in image files: `Detector` and everything it is compared with."""

    @property
    def threshold(self) -> float:
        """Decision threshold in the unit of the anomaly score."""

    def predict(self, images: Iterable[Path], /) -> Iterator[Detection]:
        """Say what is found in each image; ImageError where one cannot be read."""


class Predictor(Method, Protocol):
    """A method that shows every stage of its work: `Detector`, and the `Inspector` of an exported model."""

    @property
    def review_threshold(self) -> float | None:
        """Where the grey zone begins, in the unit of the anomaly score; None for no such zone."""

    @property
    def calibration(self) -> Calibration | None:
        """What the decision threshold promises; None before there is one."""

    def predict(self, images: Iterable[Path], /) -> Iterator[Prediction]:
        """Return a prediction for each image; ImageError where one cannot be read."""

    def with_thresholds(self, threshold: float, review_threshold: float | None) -> Self:
        """Return the same weights with thresholds that a person set; this predictor stays as it is.

        Raises:
            SettingsError: they are not finite, not above 0, or in the wrong order; or this kind of predictor
                has no grey zone.
        """
