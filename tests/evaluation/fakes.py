"""A predictor without weights: what is far from the image's median is an anomaly."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image

from excision.data.images import load_working_image
from excision.method.calibration import Calibration
from excision.predictions import Prediction


class FakePredictor:
    """Deterministic, and aware of every image it was shown."""

    def __init__(self, threshold: float = 0.25, size: tuple[int, int] = (32, 24), channels: int = 1) -> None:
        self.threshold = threshold
        self.review_threshold: float | None = None
        self.calibration: Calibration | None = None
        self.size = size
        self.channels = channels
        self.seen: list[Path] = []
        self.unfit: dict[str, tuple[str, ...]] = {}
        self.p_value: float | None = None

    def predict(self, images: Iterable[Path]) -> Iterator[Prediction]:
        for path in images:
            self.seen.append(Path(path))
            working = load_working_image(path, self.size, self.channels)
            found = prediction((working / np.float32(65535)).astype(np.float32), self.threshold)
            yield replace(
                found,
                review_threshold=self.review_threshold,
                p_value=self.p_value,
                unfit=self.unfit.get(Path(path).name, ()),
            )

    def with_thresholds(self, threshold: float, review_threshold: float | None) -> Self:
        twin = copy.copy(self)
        twin.threshold, twin.review_threshold = threshold, review_threshold
        return twin


def prediction(image: np.ndarray, threshold: float = 0.25) -> Prediction:
    """Every stage of an image (H, W, C), consistent with each other."""
    distance = np.abs(image - np.median(image, axis=(0, 1))).max(axis=2)
    mask = distance > np.quantile(distance, 0.9)
    anomaly_map = np.where(mask, distance, 0).astype(np.float32)
    return Prediction(
        score=float(anomaly_map.max()),
        threshold=threshold,
        anomaly_map=anomaly_map,
        attention=distance.astype(np.float32),
        mask=mask,
        image=image,
        masked_image=np.where(mask[..., np.newaxis], 0, image).astype(np.float32),
        recovery=np.where(mask[..., np.newaxis], np.median(image), image).astype(np.float32),
        seconds=0.001 + image.shape[0] / 1e6,
    )


def save(path: Path, pixels: np.ndarray) -> Path:
    """Write uint8 or bool pixels as a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8) * 255 if pixels.dtype == bool else pixels).save(path)
    return path
