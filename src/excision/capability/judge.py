"""Answers a requirement from the drawings of exactly that defect in every region of the part."""

from __future__ import annotations

import math
from collections.abc import Sequence

from excision.capability.analysis import CONFIDENCE, RATE
from excision.capability.limits import lower_limit, parts_needed, upper_limit
from excision.capability.part import REGIONS
from excision.capability.plan import region_of_number
from excision.capability.records import Record
from excision.capability.requirement import Requirement
from excision.capability.result import Answer, Region, RequirementResult


def answer(requirement: Requirement, records: Sequence[Record], contrast: float) -> RequirementResult:
    """Judge a requirement.

    The rate is that of the drawings. Its limits count groups of parts, not drawings: several drawings on the
    parts of one group may all be found or all be missed together, so they show no more than one part does.

    Args:
        requirement: what must be found.
        records: its drawings.
        contrast: that they were drawn at.
    """
    named = {
        name: [one for one in records if region_of_number(one.number) == number]
        for number, name in enumerate(REGIONS)
    }
    regions = tuple(_judge(name, drawn) for name, drawn in named.items() if drawn)
    whole = _judge("", records)
    verdict = _answer(whole, regions)
    stated = requirement.contrast is not None
    return RequirementResult(
        text=requirement.text,
        kind=requirement.kind,
        size=requirement.size,
        width=requirement.width,
        contrast=contrast,
        contrast_stated=stated,
        answer=verdict,
        sentence=_sentence(requirement, contrast, whole, regions, verdict),
        number=whole.number,
        hits=whole.hits,
        groups=whole.groups,
        lower=whole.lower,
        regions=regions,
    )


def _judge(name: str, records: Sequence[Record]) -> Region:
    hits: dict[str, list[int]] = {}
    for one in records:
        hits.setdefault(one.group, []).append(one.hit)
    shares = math.fsum(sum(found) / len(found) for found in hits.values())
    groups = len(hits)
    low = lower_limit(math.floor(shares + 1e-9), groups, CONFIDENCE)
    high = upper_limit(math.ceil(shares - 1e-9), groups, CONFIDENCE)
    verdict: Answer = "yes" if low >= RATE else "no" if high < RATE else "not shown"
    return Region(name, len(records), sum(one.hit for one in records), groups, low, high, verdict)


def _answer(whole: Region, regions: Sequence[Region]) -> Answer:
    if not regions:
        return "not shown"
    if all(region.answer == "yes" for region in regions):
        return "yes"
    if whole.answer == "no" and not any(region.answer == "yes" for region in regions):
        return "no"
    if any(region.answer == "no" for region in regions):
        return "not everywhere"
    return "not shown"


def _sentence(
    requirement: Requirement, contrast: float, whole: Region, regions: Sequence[Region], verdict: Answer
) -> str:
    share, sure = f"{RATE:.0%}", f"with {CONFIDENCE:.0%} confidence"
    assumed = "" if requirement.contrast is not None else ", which the requirement does not state"
    subject = f'"{requirement.text}" at a contrast of {100 * contrast:.3g} %{assumed}'
    basis = f"{whole.hits:,} of {whole.number:,} drawings were found, on {_counted(whole.groups)}"
    if verdict == "yes":
        return (
            f"Yes: at least {share} of defects {subject} are found in each of the {len(regions)} regions of "
            f"the part, {sure} for each region; {basis}."
        )
    if verdict == "no":
        return f"No: fewer than {share} of defects {subject} are found, {sure}; {basis}."
    weak = _named(regions, "no")
    open_ones = _named(regions, "not shown")
    if verdict == "not everywhere":
        rest = f" Not shown either way: {open_ones}." if open_ones else ""
        return (
            f"Not everywhere: fewer than {share} of defects {subject} are found, {sure}, in these regions: "
            f"{weak}.{rest} Over the whole part {basis}."
        )
    needed = parts_needed(RATE, CONFIDENCE)
    few = (
        f" It takes at least {needed} independent good parts, none with a miss."
        if whole.groups < needed
        else " More good parts would narrow the limits."
    )
    where = f" in these regions: {open_ones}" if open_ones else ""
    return (
        f"Not shown: that {share} of defects {subject} are found cannot be said {sure}{where}; {basis}.{few}"
    )


def _named(regions: Sequence[Region], verdict: Answer) -> str:
    chosen = [region for region in regions if region.answer == verdict]
    return ", ".join(f"{region.name} ({region.hits} of {region.number})" for region in chosen)


def _counted(groups: int) -> str:
    return f"{groups:,} independent part{'' if groups == 1 else 's'}"
