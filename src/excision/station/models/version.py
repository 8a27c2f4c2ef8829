"""A loaded model of a station, named by a fingerprint of its files, with thresholds of its own."""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from excision.errors import ModelError, SettingsError
from excision.inspection.fingerprint import DIGITS, fingerprint
from excision.inspection.loading import load_run
from excision.method import run_folder
from excision.method.calibration import check_thresholds
from excision.runtime import model_folder
from excision.runtime.model_folder import is_exported

if TYPE_CHECKING:
    from excision.predictions import Prediction, Predictor

KEPT: Final = "kept"
"""In the place of a review threshold: the one that there is."""

ReviewThreshold: TypeAlias = float | Literal["kept"] | None

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Version:
    """One state of a model. It never changes, so an inspection ends with the version it began with.

    Attributes:
        folder: that it was loaded from.
        weights_id: names the content of that folder, 12 hexadecimal digits.
        version: names weights and thresholds; the former alone for the folder's own thresholds.
        threshold: decision threshold in the unit of the anomaly score.
        review_threshold: where the grey zone begins; None for no such zone.
        loaded: when, seconds since 1970 in UTC.
        predictor: what inspects.
    """

    folder: Path
    weights_id: str
    version: str
    threshold: float
    review_threshold: float | None
    loaded: float
    predictor: Predictor = field(repr=False, compare=False)

    def inspect(self, path: Path) -> Prediction:
        """Inspect an image file, alone, so that its score is the same bit for bit whatever comes with it.

        Raises:
            ImageError: it cannot be read as an image.
            ModelError: the model cannot compute it.
        """
        return next(iter(self.predictor.predict([path])))

    def with_thresholds(self, threshold: float, review_threshold: ReviewThreshold) -> Version:
        """Give the same weights with other thresholds; the graph is shared, not loaded again.

        Args:
            threshold: decision threshold in the unit of the anomaly score.
            review_threshold: lower limit of the grey zone; None for no grey zone, KEPT for the one there is.

        Raises:
            SettingsError: they are not finite, not above 0, or in the wrong order; a kept review threshold
                would not lie below the threshold; or the model is of a kind that knows no grey zone.
        """
        if isinstance(review_threshold, str):
            review_threshold = self._kept_review_threshold(threshold)
        if (threshold, review_threshold) == (self.threshold, self.review_threshold):
            return self
        own = self.predictor.with_thresholds(threshold, review_threshold)
        text = f"{threshold!r} {review_threshold!r}"
        digits = hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
        return replace(
            self,
            version=f"{self.weights_id}.{digits}",
            threshold=threshold,
            review_threshold=review_threshold,
            predictor=own,
        )

    def _kept_review_threshold(self, threshold: float) -> float | None:
        kept = self.review_threshold
        if kept is not None and kept >= threshold:
            raise SettingsError(
                f"the grey zone begins at {kept:g}, which is not below the new threshold {threshold:g}: give "
                "a lower review_threshold as well, or null for no grey zone"
            )
        return kept


def check_name(name: str) -> str:
    """Give a model's name back if it is one: letters, digits, dots, dashes and underscores, at most 64.

    Raises:
        SettingsError: it is not a valid name.
    """
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"{name!r} is no name of a model: take up to 64 letters, digits, dots, dashes and underscores, "
            "with no dot or dash in front"
        )
    return name


def model_files(folder: Path) -> list[Path]:
    """Give the files that a model's folder may hold and that are there."""
    names = (*model_folder.VERDICT_FILES, *model_folder.OTHER_FILES)
    names += (*run_folder.VERDICT_FILES, *run_folder.OTHER_FILES)
    return [folder / name for name in names if (folder / name).exists()]


def load_version(folder: Path, threads: int | None = None, workers: int = 1) -> Version:
    """Load a model and verify it: an exported one replays its golden images.

    Args:
        folder: exported folder, which needs no torch, or run folder, which does.
        threads: of one inspection; None leaves it to the backend.
        workers: inspections at the same time.

    Raises:
        ModelError: the folder holds no model, a file in it is damaged, its thresholds are not above 0, or its
            scores drift too far.
    """
    weights_id = fingerprint(folder)
    exported = is_exported(folder)
    predictor = _exported(folder, threads, workers) if exported else _trained(folder, threads, workers)
    try:
        check_thresholds(predictor.threshold, predictor.review_threshold)
    except SettingsError as error:
        raise ModelError(f"{folder}: {error}") from error
    if fingerprint(folder) != weights_id:
        raise ModelError(f"{folder}: the model changed while it was loaded; load it again once it is written")
    return Version(
        folder=folder,
        weights_id=weights_id,
        version=weights_id,
        threshold=predictor.threshold,
        review_threshold=predictor.review_threshold,
        loaded=time.time(),
        predictor=predictor,
    )


def _exported(folder: Path, threads: int | None, workers: int) -> Predictor:
    from excision.runtime.inspector import Inspector
    from excision.runtime.verification import verify

    inspector = Inspector(folder, threads, workers=workers)
    verify(inspector)
    return inspector


def _trained(folder: Path, threads: int | None, workers: int) -> Predictor:
    detector = load_run(folder, threads, workers=workers)
    # There are no golden images. So a plain surface must at least have a finite score.
    image_format = detector.image_format
    for _ in detector.predict([np.full((*image_format.size, image_format.channels), 0.5, np.float32)]):
        pass
    return detector
