"""What a threshold promises, as every page states it: the same number with the same words."""

from __future__ import annotations

from dataclasses import dataclass

from excision.method.calibration import Calibration
from excision.station.models.version import Version
from excision.station.pages.jobs import Work
from excision.station.pages.strings import Words
from excision.station.pages.tasks import Proposal


@dataclass(frozen=True, slots=True)
class Statement:
    """A promise of one threshold.

    Attributes:
        origin: which good images it comes from.
        sentence: rate, confidence, number of images and groups, and what it assumes.
    """

    origin: str
    sentence: str


def calibration_of(version: Version) -> Calibration | None:
    """Give what a version was calibrated with, or None where there are no scores of good images."""
    found = version.predictor.calibration
    return found if found is not None and found.scores else None


def proposal_of(last: Work | None, model: str) -> Proposal | None:
    """Give the threshold that the last work at the station proposed for a model, if it did."""
    found = None if last is None else last.result
    return found if isinstance(found, Proposal) and found.model == model else None


def statements(version: Version, model: str, last: Work | None, t: Words) -> list[Statement]:
    """State what the threshold of a version promises.

    Args:
        version: with the threshold, such as one that is only proposed (`Version.with_thresholds`).
        model: its name.
        last: the last work at the station. Where it proposed this threshold from parts that people confirmed
            to be good, their statement stands beside that of the model: two sets of images, two rates.
        t: words.

    Returns:
        From the calibration images of the model first; nothing where there are none.
    """
    found = []
    calibration = calibration_of(version)
    if calibration is not None:
        found.append(Statement(t("promise.model"), calibration.explain()))
    proposal = proposal_of(last, model)
    if proposal is not None and proposal.calibration.threshold == version.threshold:
        found.append(Statement(t("promise.confirmed"), proposal.calibration.explain()))
    return found
