"""The figures of a detector on a data set, and the test images that are in none of them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from excision.evaluation.counts import KindDetection, normal_groups
from excision.evaluation.examples import ScoredImage
from excision.evaluation.pixel import PixelFigures
from excision.version import __version__


@dataclass(frozen=True, slots=True)
class Skipped:
    """A test image that could not be inspected, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The figures of a detector on a data set; `docs/evaluation.md` defines each.

    A figure is None if the data do not determine it, and a note says why.

    Attributes:
        dataset: name of the data set.
        threshold: decision threshold.
        image_auroc: area under the ROC curve of the anomaly scores.
        image_ap: average precision of the anomaly scores.
        image_f1_max: largest F1 over all thresholds.
        false_alarm_rate: share of the good images that were fit with a score above the threshold.
        detection_rate: share of the defective images that were fit with a score above the threshold.
        pixel: figures that compare anomaly maps with masks.
        ms_per_image: median time from decoded image to verdict, in milliseconds.
        kinds: detection by kind of defect, in the order of their names.
        images: every scored image.
        skipped: images that could not be inspected.
        notes: limitations that a reader should know.
    """

    dataset: str
    threshold: float
    image_auroc: float | None
    image_ap: float | None
    image_f1_max: float | None
    false_alarm_rate: float | None
    detection_rate: float | None
    pixel: PixelFigures
    ms_per_image: float
    kinds: tuple[KindDetection, ...]
    images: tuple[ScoredImage, ...]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]

    @property
    def n_normal(self) -> int:
        """Number of good images that were scored."""
        return sum(not image.defective for image in self.images)

    @property
    def n_defect(self) -> int:
        """Number of defective images that were scored."""
        return sum(image.defective for image in self.images)

    @property
    def n_unfit_normal(self) -> int:
        """Number of good images with the verdict "unfit", which are no false alarms."""
        return sum(image.outcome == "unfit good" for image in self.images)

    @property
    def n_unfit_defect(self) -> int:
        """Number of defective images with the verdict "unfit", which count neither as found nor as missed."""
        return sum(image.outcome == "unfit defect" for image in self.images)

    def to_json(self) -> dict[str, Any]:
        """Give the figures for a JSON file; the scores of the images are in the CSV file beside it."""
        return {
            "dataset": self.dataset,
            "excision": __version__,
            "image_auroc": self.image_auroc,
            "image_ap": self.image_ap,
            "image_f1_max": self.image_f1_max,
            "pixel_auroc": self.pixel.pixel_auroc,
            "pixel_ap": self.pixel.pixel_ap,
            "aupro": self.pixel.aupro,
            "bounds": {
                "pixel_auroc": self.pixel.pixel_auroc_bound,
                "pixel_ap": self.pixel.pixel_ap_bound,
                "aupro": self.pixel.aupro_bound,
            },
            "n_regions": self.pixel.n_regions,
            "threshold": self.threshold if math.isfinite(self.threshold) else None,
            "false_alarm_rate": self.false_alarm_rate,
            "detection_rate": self.detection_rate,
            "n_normal": self.n_normal,
            "n_defect": self.n_defect,
            "n_unfit_normal": self.n_unfit_normal,
            "n_unfit_defect": self.n_unfit_defect,
            "normal_groups": asdict(normal_groups(self.images)),
            "ms_per_image": self.ms_per_image,
            "kinds": {
                k.kind: {
                    "images": k.images,
                    "detected": k.detected,
                    "detection_rate": k.rate,
                    "unfit": k.unfit,
                }
                for k in self.kinds
            },
            "skipped": [{"image": s.name, "reason": s.reason} for s in self.skipped],
            "notes": list(self.notes),
        }
