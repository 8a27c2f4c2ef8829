"""The grey zone of a challenger: by the rule of the model in use, on the challenger's own scores."""

from __future__ import annotations

from pathlib import Path

from excision.method.calibration import Calibration, calibrate
from excision.runtime.model_folder import Description, is_exported
from excision.station.improve.job import Job


def zone_of(job: Job) -> Calibration | None:
    """Give the grey zone of the model in use; None where there is none."""
    deployed = job.deployed or job.run
    if deployed is None or not is_exported(deployed):
        return None
    known = Description.load(deployed)
    begins = job.review_threshold
    if job.threshold is None and known.review is not None:
        begins = known.review.threshold
    return None if begins is None else (known.review or known.calibration).moved_to(begins)


def rate_of(zone: Calibration) -> float:
    """Give the rate of a zone: the one that was asked for, or of a number that a person set, the average."""
    return zone.average_rate if zone.wanted_rate is None else zone.wanted_rate


def _with_rate(decision: Calibration, zone: Calibration) -> Calibration:
    """Give the zone that the scores of another model give by the rule of a zone."""
    if zone.wanted_rate is not None:
        return decision.for_rate(zone.wanted_rate)
    # A person chose a number: what that one promises with confidence is more than the parts it meant.
    groups = decision.groups
    return decision.at(calibrate(decision.scores, rate_of(zone), confidence=None, groups=groups).threshold)


def take_over_zone(job: Job, folder: Path) -> list[str]:
    """Give a challenger the grey zone of the same rate, from its own scores; may be called again.

    Args:
        job: with the model in use.
        folder: exported challenger.

    Returns:
        What a person should know, one sentence each.
    """
    from excision.runtime.inspector import Inspector

    before = zone_of(job)
    if before is None:
        return []
    challenger = Inspector(folder, threads=1)
    decision = challenger.calibration
    zone = _with_rate(decision, before)
    if zone.threshold > decision.threshold:
        return [
            f"The grey zone of the model in use, with a rate of {rate_of(before):.2%}, is not taken over: at "
            "this rate that of the challenger would begin above its decision threshold."
        ]
    if challenger.description.review != zone:
        challenger.set_calibration(decision, zone)
    return []
