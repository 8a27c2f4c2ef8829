"""What an inspection of one image returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Verdict = Literal["good", "defect"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """Every stage of one image, at the model's working size (H, W) with C channels.

    Attributes:
        score: anomaly score; larger is more anomalous.
        threshold: decision threshold in the unit of `score`.
        verdict: "defect" exactly where `score > threshold`.
        anomaly_map: (H, W) float32 in the unit of `score`; pixels above the threshold are defective.
        attention: (H, W) float32, larger is more defect-like; the unit is the network's own.
        mask: (H, W) bool, True where the image was excised.
        image: (H, W, C) float32 in [0, 1], the working image.
        holed: (H, W, C) float32 in [0, 1], the image with the masked region filled.
        recovery: (H, W, C) float32 in [0, 1], what the U-Net put into the hole.
        seconds: time from decoded image to verdict.
    """

    score: float
    threshold: float
    anomaly_map: NDArray[np.float32]
    attention: NDArray[np.float32]
    mask: NDArray[np.bool_]
    image: NDArray[np.float32]
    holed: NDArray[np.float32]
    recovery: NDArray[np.float32]
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """Give "defect" exactly where the anomaly score exceeds the threshold."""
        return "defect" if self.score > self.threshold else "good"
