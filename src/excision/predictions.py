"""The result of inspecting one image, and the protocols of the objects that inspect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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

Verdict = Literal["good", "review", "defect", "unfit"]
"""What is said of an image; "unfit" of one that is not as the training images are, so that no other holds."""

Box: TypeAlias = boxes.Box


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Detection:
    """The result of any method for one image, at the working size (H, W) with C channels.

    Two results are equal only if they are the same object: compare values, such as `to_dict()`.

    If the image was inspected in tiles, the anomaly map has the full size (H, W). The other pictures of a
    large image are reduced to (ceil(H / reduction), ceil(W / reduction)).

    Attributes:
        score: anomaly score; larger is more anomalous.
        threshold: decision threshold in the unit of `score`.
        verdict: "unfit" if there is a reason in `unfit`; otherwise "defect" if `score > threshold`; otherwise
            "review" if it is above the review threshold; otherwise "good".
        anomaly_map: (H, W) float32 in the unit of `score`; pixels above the threshold are defective.
        image: (H, W, C) float32 in [0, 1], the working image.
        seconds: time from decoded image to verdict.
        review_threshold: lower limit of the grey zone, which a person has to check; None for no grey zone.
        reduction: factor by which the other pictures are smaller than the anomaly map.
        source: path of the image file as given; None for an image in memory.
        size: (H, W) in pixels of the image as given; None if only the working image is known.
        p_value: conformal p-value in (0, 1], from the scores of the calibration images: the share of good
            parts, exchangeable with these, that are expected to score at least `score`. It is not the
            probability that the part is good. None before calibration, and where the calibration does not
            hold for this inspection.
        unfit: why the image is not fit to be inspected, one reason each, in words; empty if it is.
        image_statistics: what the fitness of the image is judged by, by name; None where it is not judged.
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
    p_value: float | None = field(default=None, kw_only=True)
    unfit: tuple[str, ...] = field(default=(), kw_only=True)
    image_statistics: Mapping[str, float] | None = field(default=None, kw_only=True)

    @property
    def verdict(self) -> Verdict:
        """The verdict, as told above."""
        if self.unfit:
            return "unfit"
        if self.score > self.threshold:
            return "defect"
        return "review" if self.score > self.lowest_threshold else "good"

    @property
    def lowest_threshold(self) -> float:
        """The review threshold if there is one, otherwise the threshold: a larger score is not "good"."""
        return self.threshold if self.review_threshold is None else self.review_threshold

    def overview(self) -> Self:
        """Return a copy for display, with the anomaly map reduced like the rest, by maxima of blocks."""
        if self.reduction == 1:
            return self
        return replace(self, anomaly_map=shrink_map(self.anomaly_map, self.reduction), reduction=1)

    @property
    def full_size(self) -> tuple[int, int]:
        """(H, W) in pixels of the image as given, or of the anomaly map if that is not known."""
        height, width = self.anomaly_map.shape
        return self.size or (height, width)

    @property
    def shown_size(self) -> tuple[int, int]:
        """(H, W) in pixels of `image`, which is reduced if the image is large."""
        return self.image.shape[0], self.image.shape[1]

    @property
    def boxes(self) -> tuple[Box, ...]:
        """Boxes (x, y, width, height) around defective and grey regions, in pixels of the image as given.

        Strongest first; at most the 1000 strongest. They are computed on each access.
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
        """Share in [0, 1] of the pixels above the lowest threshold."""
        return float((self.anomaly_map > self.lowest_threshold).mean())

    def map_boxes(self) -> list[Box]:
        """Return the same boxes in pixels of the anomaly map."""
        return boxes.strongest_boxes(self.anomaly_map, self.lowest_threshold)

    def to_dict(self) -> dict[str, Any]:
        """Return the reported values, ready for JSON: no arrays, NaN or infinity.

        Returns:
            `source`, `score`, `threshold`, `review_threshold`, `p_value`, `verdict`, `unfit` as a list,
            `boxes` as lists [x, y, width, height], `defect_area_share` and `seconds`. Values that are unknown
            or not finite are None.
        """
        return {
            "source": self.source,
            "score": _finite(self.score),
            "threshold": _finite(self.threshold),
            "review_threshold": _finite(self.review_threshold),
            "p_value": _finite(self.p_value),
            "verdict": self.verdict,
            "unfit": list(self.unfit),
            "boxes": [list(box) for box in self.boxes],
            "defect_area_share": self.defect_area_share,
            "seconds": _finite(self.seconds),
        }

    def save(self, path: str | PathLike[str]) -> None:
        """Write a file atomically: a reader never sees an incomplete file.

        Args:
            path: the extension sets the format. `.png`, `.jpg` or `.webp`: the image overlaid with the
                anomaly map and the boxes. `.tiff`: the anomaly map, float32. `.npz`: all arrays and figures.

        Raises:
            SettingsError: the extension is none of these, or the file cannot be written.
        """
        from excision.visualization.showing import save

        save(Path(path), self)

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the image overlaid with the anomaly map and the boxes, in pixels of the image as given.

        Args:
            axes: matplotlib axes to draw on; None creates a figure.

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


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Prediction(Detection):
    """The result of Excision And Recovery for one image, with the output of every stage.

    As of every `Detection`, two are equal only if they are the same object.

    Attributes:
        attention: (H, W) float32, larger is more defect-like; in standard deviations from normal attention.
        mask: (H, W) bool, True where the image was excised.
        masked_image: (H, W, C) float32 in [0, 1], the image with the excised region filled.
        recovery: (H, W, C) float32 in [0, 1], the image as recovered by the U-Net.
    """

    attention: NDArray[np.float32]
    mask: NDArray[np.bool_]
    masked_image: NDArray[np.float32]
    recovery: NDArray[np.float32]


class Method(Protocol):
    """Anything that finds anomalies in image files: `Detector`, `Inspector` and the baselines."""

    @property
    def threshold(self) -> float:
        """Decision threshold in the unit of the anomaly score."""

    def predict(self, images: Iterable[Path], /) -> Iterator[Detection]:
        """Yield the result for each image; raises ImageError if one cannot be read."""


class Predictor(Method, Protocol):
    """A method that returns the output of every stage: `Detector` and `Inspector`."""

    @property
    def review_threshold(self) -> float | None:
        """Lower limit of the grey zone, in the unit of the anomaly score; None if there is no grey zone."""

    @property
    def calibration(self) -> Calibration | None:
        """The decision threshold and the false-alarm rate that it promises; None before calibration."""

    def predict(self, images: Iterable[Path], /) -> Iterator[Prediction]:
        """Yield a prediction for each image; raises ImageError if one cannot be read."""

    def with_thresholds(self, threshold: float, review_threshold: float | None) -> Self:
        """Return a copy with thresholds that a person set; this predictor is unchanged.

        Raises:
            SettingsError: the thresholds are not finite, not above 0, or in the wrong order; or this kind of
                predictor has no grey zone.
        """
