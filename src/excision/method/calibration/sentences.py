"""What a threshold promises, in words: the same on the command line, in the report and on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from excision.method.calibration.needed import groups_needed, groups_needed_on_average
from excision.method.calibration.words import at_most, counted, percent

if TYPE_CHECKING:
    from excision.method.calibration.odd import Odd
    from excision.method.calibration.threshold import Calibration

ASSUMPTION = "It assumes that parts to come are like these."


def state(calibration: Calibration) -> str:
    """Say it with the word that it is a promise, for a line of its own."""
    told = explain(calibration)
    return f"Promise: {told[0].lower()}{told[1:]}"


def explain(calibration: Calibration) -> str:
    """Say what a threshold promises, from how many images, and what it assumes."""
    if calibration.confidence is None:
        return _explain_average(calibration)
    rate, needed = at_most(calibration.promised_rate), ""
    who = "A person set this threshold. A" if calibration.wanted_rate is None else "A"
    if calibration.wanted_rate is not None and not calibration.keeps_wish:
        needed = (
            f" Promising the wanted {percent(calibration.wanted_rate)} takes "
            f"{groups_needed(calibration.wanted_rate, calibration.confidence)} {_units(calibration)}."
        )
    odd = "" if calibration.odd is None else f" {explain_odd(calibration.odd)}"
    return (
        f"{who}t most {rate} of good parts are called defective, with "
        f"{percent(calibration.confidence)} confidence over the choice of the calibration images "
        f"({basis(calibration)}; on average at most {at_most(calibration.average_rate)}).{needed} "
        f"{ASSUMPTION}{odd}"
    )


def state_review(zone: Calibration) -> str:
    """Say how many good parts score above the lower limit of the grey zone."""
    rate = at_most(zone.promised_rate)
    if zone.confidence is None:
        return f"Promise: on average at most {rate} of good parts score higher."
    return (
        f"Promise: at most {rate} of good parts score higher, with {percent(zone.confidence)} confidence "
        f"({basis(zone)}; on average at most {at_most(zone.average_rate)})."
    )


def explain_odd(odd: Odd) -> str:
    """Say which image is odd, what was done with it, and what the other choice would promise."""
    which = "One calibration image" if odd.name is None else f"The calibration image {odd.name}"
    told = f"{which} is odd: it scores {odd.score:.4g}, and no other more than {odd.next_score:.4g}."
    other = f"threshold {odd.other_threshold:.4g}, at most {at_most(odd.other_rate)}"
    if odd.passed_over:
        return f"{told} The threshold passes over it, so that it does not decide alone; keeping it: {other}."
    return f"{told} It alone sets the threshold; leaving it out: {other}. Look at it."


def basis(calibration: Calibration) -> str:
    """Say how many images a promise comes from, and in how many groups."""
    images = counted(len(calibration.scores), "image", "images")
    return f"{images} in {counted(calibration.count_groups, 'group', 'groups')}"


def _units(calibration: Calibration) -> str:
    return (
        "groups" if calibration.count_groups < len(calibration.scores) else "images, each a group of its own"
    )


def _explain_average(calibration: Calibration) -> str:
    images = counted(len(calibration.scores), "held-out good image", "held-out good images")
    rate, wanted = at_most(calibration.promised_rate), calibration.wanted_rate
    average = f"on average over the choice of the calibration images ({images}); for this one it may be more"
    advice = "Calibrate again for a promise with a confidence."
    if wanted is None:
        return (
            f"A person set this threshold. At most {rate} of good parts are called defective, "
            f"{average}. {ASSUMPTION} {advice}"
        )
    needed = ""
    if not calibration.keeps_wish:
        needed = f" The wanted {percent(wanted)} takes {groups_needed_on_average(wanted)} images."
    return f"At most {rate} of good parts are called defective, {average}.{needed} {ASSUMPTION} {advice}"
