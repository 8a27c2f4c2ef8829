"""The options of a calibration: what the thresholds are to promise, and which defects count."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from cyclopts import Parameter

from excision.cli.options import number
from excision.cli.output import say_notes
from excision.cli.places import Use
from excision.errors import SettingsError

if TYPE_CHECKING:
    from excision.runtime.defect_criteria import DefectCriteria
    from excision.runtime.inspector import Inspector

_LARGE_AREA = 0.1
"""Share of what counts; a larger minimum area is noted, since hardly any defect has it."""


class Promise(NamedTuple):
    """What the thresholds are to promise.

    Attributes:
        rate: false-alarm rate.
        review: share of good parts that may be judged defective or sent to review; None for no grey zone.
        confidence: of both.
        unfit_rate: share of good images that may be called unfit; 0 judges no image as unfit.
    """

    rate: float
    review: float | None
    confidence: float
    unfit_rate: float


@Parameter(name="*")
@dataclass
class PromiseOptions:
    """What the thresholds are to promise; None where it stays as it is."""

    false_alarm_rate: Annotated[
        float | None,
        Parameter(
            help="Share of good parts that may be called defective: 0.005 or 0.5%. By default the rate is "
            "unchanged.",
            converter=number,
        ),
    ] = None
    confidence: Annotated[
        float | None,
        Parameter(
            help="Confidence, over the choice of these images, with which the rate is kept: 0.95 or 95%. By "
            "default it is unchanged, or 90%.",
            converter=number,
        ),
    ] = None
    review_rate: Annotated[
        float | None,
        Parameter(
            help="Share of good parts that may be called defective or sent to review; 0 for no review. By "
            "default it is unchanged.",
            converter=number,
        ),
    ] = None
    unfit_rate: Annotated[
        float | None,
        Parameter(
            help="Share of good images that may be called unfit to be inspected, because their light, focus "
            "or place is not that of these images; 0 judges no image as unfit. By default it is unchanged.",
            converter=number,
        ),
    ] = None

    def of(self, inspector: Inspector) -> Promise:
        """Return what the thresholds of an inspector are to promise.

        Raises:
            SettingsError: an option is out of range.
        """
        rate, review = self._rates(inspector)
        return Promise(rate, review, self._confidence(inspector), self._unfit_rate(inspector))

    def _rates(self, inspector: Inspector) -> tuple[float, float | None]:
        rate = inspector.calibration.rate if self.false_alarm_rate is None else self.false_alarm_rate
        if not 0 < rate < 1:
            raise SettingsError(f"--false-alarm-rate is {rate}: it must lie between 0 and 1")
        kept = inspector.description.review
        usual = None if kept is None else kept.rate
        review = usual if self.review_rate is None else self.review_rate or None
        if review is not None and not rate < review < 1:
            raise SettingsError(f"--review-rate is {review}: it must lie between the false-alarm rate and 1")
        return rate, review

    def _confidence(self, inspector: Inspector) -> float:
        from excision.method.calibration import DEFAULT_CONFIDENCE

        usual = inspector.calibration.confidence or DEFAULT_CONFIDENCE
        confidence = usual if self.confidence is None else self.confidence
        if not 0.5 <= confidence < 1:
            raise SettingsError(f"--confidence is {confidence}: it must be at least 0.5 and below 1")
        return confidence

    def _unfit_rate(self, inspector: Inspector) -> float:
        kept = 0.0 if inspector.fitness is None else inspector.fitness.wanted_rate
        wanted = kept if self.unfit_rate is None else self.unfit_rate
        if not 0 <= wanted < 1:
            raise SettingsError(f"--unfit-rate is {wanted}: it must be at least 0 and below 1")
        return wanted


@Parameter(name="*")
@dataclass
class CriteriaOptions:
    """Which defects count; None where it stays as it is."""

    roi: Annotated[
        Path | None,
        Parameter(
            help="Region of interest: an image that is white where defects count, or a TOML file with "
            "`size = [H, W]` and `polygons = [[[x, y], ...], ...]`. By default it is unchanged."
        ),
        Use.READ_FILE,
    ] = None
    minimum_area: Annotated[
        int | None,
        Parameter(
            help="Smallest area of a defect, in pixels of the working image or of a large image. By default "
            "it is unchanged."
        ),
    ] = None

    def of(self, inspector: Inspector) -> DefectCriteria:
        """Return which defects are to count for an inspector.

        Raises:
            ImageError: the image of the region cannot be read.
            SettingsError: the region has another size than the model's images, or the area is below 1 or
                larger than what counts.
        """
        from excision.runtime.defect_criteria import DefectCriteria, read_region

        known = inspector.criteria
        found = DefectCriteria(
            known.region if self.roi is None else read_region(self.roi, inspector.region_size),
            known.minimum_area if self.minimum_area is None else self.minimum_area,
        )
        if (size := inspector.region_size) is not None:
            _check_area(found, size)
        return found


def _check_area(criteria: DefectCriteria, size: tuple[int, int]) -> None:
    """Refuse an area that no defect can have, and note one that hardly any has, in images of this size."""
    pixels = math.prod(size) if criteria.region is None else int(criteria.region.sum())
    place = "working image" if criteria.region is None else "region of interest"
    if criteria.minimum_area > pixels:
        raise SettingsError(
            f"--minimum-area is {criteria.minimum_area}: the {place} has only {pixels} pixels, so that "
            "nothing would ever be found"
        )
    share = criteria.minimum_area / pixels
    if share > _LARGE_AREA:
        say_notes([f"only a defect that covers {share:.0%} of the {place} or more will be found"])
