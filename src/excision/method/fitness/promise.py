"""What is promised about good images that are called unfit, in words."""

from __future__ import annotations

from collections.abc import Sequence

from excision.method.calibration import Calibration, groups_needed
from excision.method.calibration.sentences import basis
from excision.method.calibration.words import at_most, counted, percent
from excision.method.fitness.limits import usual_level

_SHOWN = 3


def explain(
    calibration: Calibration,
    wanted_rate: float,
    odd: Sequence[str],
    let_pass: Sequence[str],
    widened: Sequence[str],
) -> str:
    """Say how many good images are called unfit, from how many images, and what it assumes.

    Args:
        calibration: deviations of good images from the others, and the limit.
        wanted_rate: wanted share of good images.
        odd: names of those that would be unfit themselves.
        let_pass: names of those for which limits were widened.
        widened: statistics with these limits.
    """
    confidence = calibration.confidence or 0.0
    told = (
        f"At most {at_most(calibration.promised_rate)} of good images are called unfit, with "
        f"{percent(confidence)} confidence over the choice of the images it was learnt from "
        f"({basis(calibration)}; on average at most {at_most(calibration.average_rate)})."
    )
    if calibration.promised_rate > wanted_rate and confidence:
        needed = groups_needed(wanted_rate, 1 - usual_level(confidence))
        told += f" Promising the wanted {percent(wanted_rate)} takes {needed} groups."
    told += " It assumes that images to come are taken of such parts and in the same way."
    if let_pass:
        images = counted(len(let_pass), "good image is", "good images are")
        told += (
            f" {images} unlike the others in {_shown(widened)}, where limits were widened to let such images "
            f"pass: look at {_shown(let_pass)}. Without them the check would be stricter."
        )
    if odd:
        images = counted(len(odd), "good image is", "good images are")
        told += f" {images} unlike all others, and would be unfit: look at {_shown(odd)}."
    return told


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
