"""What a threshold promises, in words: the same on the command line, in the report and on the page."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from excision.method.calibration.needed import groups_needed, groups_needed_on_average
from excision.method.calibration.words import at_most, counted, percent

if TYPE_CHECKING:
    from excision.method.calibration.cost import CostChoice
    from excision.method.calibration.odd import Odd
    from excision.method.calibration.threshold import Calibration

_BY_HAND = "A person set this threshold."

ASSUMPTION = "It assumes that parts to come are like these"


def state(calibration: Calibration) -> str:
    """Say what `explain` says, as a line that begins with "Promise:"."""
    told = explain(calibration)
    return f"Promise: {told[0].lower()}{told[1:]}"


def explain(calibration: Calibration) -> str:
    """Say what a threshold promises, from how many images, and what it assumes."""
    if calibration.confidence is None:
        return _explain_average(calibration)
    parts = [
        _origin(calibration),
        explain_rate(calibration),
        _needed(calibration),
        f"{assumption(calibration)}.",
        _decider(calibration) if calibration.odd is None else explain_odd(calibration.odd),
    ]
    return " ".join(filter(None, parts))


def explain_rate(calibration: Calibration) -> str:
    """Say the promised rate, its confidence, and from how many images it follows."""
    rate = at_most(calibration.promised_rate)
    if calibration.confidence is None:
        images = counted(len(calibration.scores), "image", "images")
        return (
            f"On average over the choice of the calibration images ({images}), at most {rate} of good parts "
            "are called defective; for these images it may be more."
        )
    return (
        f"At most {rate} of good parts are called defective, with {percent(calibration.confidence)} "
        f"confidence over the choice of the calibration images ({basis(calibration)}; on average at most "
        f"{at_most(calibration.average_rate)})."
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
    told = (
        f"{which} is odd: it scores {odd.score:.4g}, and no image of another group more than "
        f"{odd.next_score:.4g}."
    )
    other = (
        f"the threshold would be {odd.other_threshold:.4g}, and the promise at most "
        f"{at_most(odd.other_rate)}."
    )
    if odd.passed_over:
        return (
            f"{told} The threshold passes over it, so that it does not decide alone. If it counted, {other}"
        )
    return f"{told} It alone sets the threshold: look at it. If it were passed over, {other}"


def basis(calibration: Calibration) -> str:
    """Say how many images a promise comes from, and in how many groups."""
    images = counted(len(calibration.scores), "image", "images")
    return f"{images} in {counted(calibration.count_groups, 'group', 'groups')}"


def assumption(calibration: Calibration) -> str:
    """Say what a promise assumes, without a full stop."""
    sizes, told = set(_sizes(calibration)), ASSUMPTION
    if len(sizes) > 1:
        told = f"{told} and come in groups of at most {max(sizes)} images"
    if calibration.folds:
        told = (
            f"{told}. It also assumes that the model, which was trained on all of them, scores parts to come "
            f"like the {calibration.folds} models of the folds scored images that they had not seen; no "
            "theorem guarantees that"
        )
    if calibration.cross_fitted:
        told = (
            f"{told}. The networks were trained on {calibration.cross_fitted} of these images, each of "
            "which was scored by statistics that leave its group out. It also assumes that the networks do "
            "not remember these images; no theorem guarantees that, but the held-out images gave no sign "
            "that they do"
        )
    return told


def _needed(calibration: Calibration) -> str:
    """Say how many groups the wanted rate takes, if these are too few."""
    wanted, confidence = calibration.wanted_rate, calibration.confidence
    if wanted is None or confidence is None or calibration.keeps_wish:
        return ""
    sizes, needed = _sizes(calibration), groups_needed(wanted, confidence)
    if len(set(sizes)) > 1:
        # Large groups weigh more, so that groups of unequal size count as fewer.
        needed = math.ceil(needed * max(sizes) * len(sizes) / sum(sizes))
        return f"Promising the wanted {percent(wanted)} takes about {needed:,} groups like these."
    if len(sizes) >= needed:
        return ""
    groups = "groups" if sizes[0] > 1 else "independent images"
    return f"Promising the wanted {percent(wanted)} takes {needed:,} {groups}."


def _decider(calibration: Calibration) -> str:
    """Say that one image alone sets the threshold, where it does."""
    if calibration.wanted_rate is None or calibration.threshold < calibration.scores[-1]:
        return ""
    name = f", that of {calibration.names[-1]}" if calibration.names else ""
    return f"The threshold is the largest of their scores{name}."


def _origin(calibration: Calibration) -> str:
    """Say how the threshold was chosen, where not by a rate."""
    if calibration.cost is not None:
        return explain_cost(calibration.cost)
    return _BY_HAND if calibration.wanted_rate is None else ""


def explain_cost(cost: CostChoice) -> str:
    """Say by which costs the threshold was chosen, and how certain that is."""
    costs, (low, high), (cheap, dear) = cost.costs, cost.threshold_interval, cost.expected_interval
    return (
        f"The threshold of least expected cost, with {costs.escape:g} for an escape, {costs.false_alarm:g} "
        f"for a false alarm and {percent(costs.defect_share)} defective parts: {cost.expected:.3g} a part "
        f"(90 % interval {cheap:.3g} to {dear:.3g}; that of the threshold {low:.4g} to {high:.4g}). It "
        f"misses {percent(cost.missed)} of {counted(cost.defects, 'marked part', 'marked parts')}."
    )


def _sizes(calibration: Calibration) -> list[int]:
    return list(Counter(calibration.groups).values())


def _explain_average(calibration: Calibration) -> str:
    wanted, needed = calibration.wanted_rate, ""
    if wanted is not None and not calibration.keeps_wish:
        needed = f"Promising the wanted {percent(wanted)} takes {groups_needed_on_average(wanted):,} images."
    parts = [
        _BY_HAND if wanted is None else "",
        explain_rate(calibration),
        needed,
        f"{ASSUMPTION}, and that images are independent. Calibrate again for a promise with a confidence.",
    ]
    return " ".join(filter(None, parts))
