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
from excision.capability.requirement_result import Answer, Region, RequirementResult


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
    share, sure = f"{100 * RATE:.0f} %", f"with {100 * CONFIDENCE:.0f} % confidence"
    subject = f'defects like "{requirement.text}"'
    if requirement.contrast is None:
        subject += f" at a contrast of {100 * contrast:.3g} %, which the requirement does not state,"
    basis = f"{whole.hits:,} of {whole.number:,} drawings were found, on {_counted(whole.groups)}"
    if verdict == "yes":
        return (
            f"Yes: at least {share} of {subject} are found in each of the {len(regions)} regions of the "
            f"part, {sure} for each region; {basis}."
        )
    if verdict == "no":
        return f"No: fewer than {share} of {subject} are found, {sure}; {basis}."
    rest = "".join(
        f" {said}: {named}."
        for said, named in (
            ("Not shown either way", _named(regions, "not shown")),
            (f"At least {share}, {sure}", _named(regions, "yes")),
        )
        if named
    )
    if verdict == "not everywhere":
        return (
            f"Not everywhere: fewer than {share} of {subject} are found, {sure}, in these regions: "
            f"{_named(regions, 'no')}.{rest} Over the whole part {basis}."
        )
    needed = parts_needed(RATE, CONFIDENCE)
    few = min((region.groups for region in regions), default=whole.groups) < needed
    more = (
        f" It takes at least {needed} independent good parts in each region, none with a miss."
        if few
        else " More drawings on more good parts would narrow the limits."
    )
    return (
        f"Not shown: whether at least {share} of {subject} are found everywhere cannot be said {sure}.{rest} "
        f"Over the whole part {basis}.{more}"
    )


def _named(regions: Sequence[Region], verdict: Answer) -> str:
    chosen = [region for region in regions if region.answer == verdict]
    return ", ".join(f"{region.name} ({region.hits} of {region.number})" for region in chosen)


def _counted(groups: int) -> str:
    return f"{groups:,} independent part{'' if groups == 1 else 's'}"
